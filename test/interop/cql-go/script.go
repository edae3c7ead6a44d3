package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// patience is how long a driver may take to find out that a gateway came or went.
const patience = 20 * time.Second

// settings are the program's arguments, `name=value` each.
type settings struct {
	mode, host, compression, user, password, ca string
	port, version                               int
}

func readSettings(arguments []string) settings {
	values := map[string]string{}
	for _, argument := range arguments {
		name, value, _ := strings.Cut(argument, "=")
		values[name] = value
	}
	number := func(name string) int {
		value, _ := strconv.Atoi(values[name])
		return value
	}
	return settings{
		mode: values["mode"], host: values["host"], compression: values["compression"],
		user: values["user"], password: values["password"], ca: values["ca"],
		port: number("port"), version: number("version"),
	}
}

// check prints what became of one check, which fails by a panic.
func check(name string, run func()) {
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Printf("not ok %s: %v\n", name, reason)
		} else {
			fmt.Printf("ok %s\n", name)
		}
	}()
	run()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func same(got, want any) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Sprintf("%v (%T) instead of %v (%T)", got, got, want, want))
	}
}

func isTrue(condition bool, what string) {
	if !condition {
		panic("not so: " + what)
	}
}

// fails wants an error of a kind, with a text in it.
func fails[T error](err error, text string) T {
	var kind T
	if !errors.As(err, &kind) {
		panic(fmt.Sprintf("%v (%T) instead of %T", err, err, kind))
	}
	isTrue(strings.Contains(err.Error(), text), err.Error()+" says "+text)
	return kind
}

// until asks until the answer is yes.
func until(what string, ask func() bool) {
	deadline := time.Now().Add(patience)
	for !ask() {
		isTrue(time.Now().Before(deadline), what)
		time.Sleep(50 * time.Millisecond)
	}
}

// waitForLine tells whoever started the program that it is ready, and waits for a word.
func waitForLine(ready string) {
	fmt.Println(ready)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}
