// The KVStore API with github.com/apache/thrift.
//
// usage: example PORT DATASET
//
// Before: thrift --gen go:package_prefix=godwit.dev/interop/generated/ -out generated idl/kvstore.thrift
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"godwit.dev/interop/generated/godwit/kvstore"
)

func cell(column, value string) *kvstore.Cell {
	return &kvstore.Cell{LocalKey: []byte(column), Value: []byte(value)}
}

func yesOrNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx, dataset := context.Background(), os.Args[2]
	config := &thrift.TConfiguration{}
	socket := thrift.NewTSocketConf("127.0.0.1:"+os.Args[1], config)
	transport := thrift.NewTFramedTransportConf(socket, config)
	protocol := thrift.NewTBinaryProtocolConf(transport, config)
	client := kvstore.NewKVStoreClient(thrift.NewTStandardClient(protocol, protocol))
	check(transport.Open())
	defer transport.Close()

	// A row is a key with columns; keys and values are bytes.
	put := func(key string, cells ...*kvstore.Cell) {
		_, err := client.Put(ctx, &kvstore.PutRequest{Dataset: dataset, Key: []byte(key), Cells: cells})
		check(err)
	}
	put("ada", cell("city", "London"), cell("job", "analyst"))
	put("adam", cell("city", "Edinburgh"))
	city := &kvstore.CellSelector{LocalKeys: [][]byte{[]byte("city")}}
	row, err := client.Get(ctx, &kvstore.GetRequest{Dataset: dataset, Key: []byte("ada"), Cells: city})
	check(err)
	fmt.Println("ada is in", string(row.Cells[0].Value))

	// A change on a condition, with a token that makes it safe to repeat.
	nonce := make([]byte, 16)
	_, err = rand.Read(nonce)
	check(err)
	token := &kvstore.IdempotencyToken{GenerationTime: time.Now().UnixMicro(), Nonce: nonce}
	change := &kvstore.MutateRequest{
		Dataset:   dataset,
		Key:       []byte("ada"),
		Mutations: []*kvstore.Mutation{{Put: &kvstore.PutMutation{Cells: []*kvstore.Cell{cell("city", "Paris")}}}},
		Conditions: []*kvstore.Condition{{
			LocalKey:   []byte("city"),
			Comparison: kvstore.ComparisonPtr(kvstore.Comparison_EQUAL),
			Value:      []byte("London"),
		}},
		Options: &kvstore.WriteOptions{IdempotencyToken: token},
	}
	first, err := client.Mutate(ctx, change)
	check(err)
	fmt.Println("moved:", yesOrNo(first.Applied))
	second, err := client.Mutate(ctx, change)
	check(err)
	fmt.Println("repeated:", yesOrNo(second.Written.GetRepeated()))

	deltas := []*kvstore.CounterDelta{{LocalKey: []byte("paris"), Delta: 3}}
	added, err := client.Increment(ctx, &kvstore.IncrementRequest{Dataset: dataset, Key: []byte("visits"), Deltas: deltas})
	check(err)
	fmt.Println("visits:", added.Counters[0].Value)

	// Pages: the token of one is given for the next, until there is none.
	rows := 0
	scan := &kvstore.ScanRequest{Dataset: dataset, KeyPrefix: []byte("ada"), PageRows: thrift.Int32Ptr(1)}
	for {
		page, err := client.Scan(ctx, scan)
		check(err)
		rows += len(page.Rows)
		if page.NextPageToken == nil {
			break
		}
		scan.PageToken = page.NextPageToken
	}
	fmt.Println("rows:", rows)

	_, err = client.Get(ctx, &kvstore.GetRequest{Dataset: "nowhere", Key: []byte("k")})
	var exception *kvstore.KVStoreException
	if errors.As(err, &exception) {
		fmt.Printf("error: %s, retry: %s\n", exception.Detail.Code, yesOrNo(exception.Detail.GetRetryable()))
	}
}
