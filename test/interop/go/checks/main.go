// Checks of the KVStore API with github.com/apache/thrift and unedited generated code.
//
// usage: checks PORT DATASET framed|buffered binary|compact
//
// Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"reflect"
	"sort"
	"strings"

	"github.com/apache/thrift/lib/go/thrift"

	"godwit.dev/interop/generated/godwit/kvstore"
)

var (
	ctx      = context.Background()
	dataset  = os.Args[2]
	prefix   = "go-" + os.Args[3] + "-" + os.Args[4] + "-"
	client   *kvstore.KVStoreClient
	allBytes = make([]byte, 256)
)

func key(name string) []byte {
	return []byte(prefix + name)
}

func equal(actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("%v is not %v", actual, expected))
	}
}

func must[T any](result T, err error) T {
	if err != nil {
		panic(err)
	}
	return result
}

func cell(column, value string) *kvstore.Cell {
	return &kvstore.Cell{LocalKey: []byte(column), Value: []byte(value)}
}

func only(names ...string) *kvstore.CellSelector {
	selector := &kvstore.CellSelector{}
	for _, name := range names {
		selector.LocalKeys = append(selector.LocalKeys, []byte(name))
	}
	return selector
}

func columns(cells []*kvstore.Cell) string {
	found := []string{}
	for _, cell := range cells {
		found = append(found, string(cell.LocalKey)+"="+string(cell.Value))
	}
	return strings.Join(found, " ")
}

func put(request *kvstore.PutRequest, name string) *kvstore.WriteResponse {
	request.Dataset, request.Key = dataset, key(name)
	return must(client.Put(ctx, request))
}

func get(name string) *kvstore.GetResponse {
	return must(client.Get(ctx, &kvstore.GetRequest{Dataset: dataset, Key: key(name)}))
}

func refusal(err error) *kvstore.ErrorDetail {
	var exception *kvstore.KVStoreException
	if !errors.As(err, &exception) {
		panic(fmt.Sprintf("not a KVStoreException: %v", err))
	}
	equal(exception.Message, exception.Detail.GetMessage())
	return exception.Detail
}

func timestampsKeep64Bits() {
	for _, timestamp := range []int64{math.MinInt64, -1, 0, 1<<53 + 1, math.MaxInt64} {
		name := fmt.Sprintf("at %d", timestamp)
		written := put(&kvstore.PutRequest{Value: []byte("v"), Timestamp: &timestamp}, name)
		equal(written.GetTimestamp(), timestamp)
		options := &kvstore.ReadOptions{WithTimestamps: thrift.BoolPtr(true)}
		request := &kvstore.GetRequest{Dataset: dataset, Key: key(name), Options: options}
		equal(must(client.Get(ctx, request)).GetTimestamp(), timestamp)
	}
}

func bytesThatAreNotUtf8AreKept() {
	cells := []*kvstore.Cell{{LocalKey: allBytes, Value: allBytes}}
	put(&kvstore.PutRequest{Value: allBytes, Cells: cells}, string(allBytes))
	row := get(string(allBytes))
	equal(row.Value, allBytes)
	equal([][]byte{row.Cells[0].LocalKey, row.Cells[0].Value}, [][]byte{allBytes, allBytes})
}

func emptyValuesAreValues() {
	put(&kvstore.PutRequest{Value: []byte{}}, "empty")
	row := get("empty")
	equal([]any{row.Value != nil, len(row.Value)}, []any{true, 0})
	equal(get("never written").Value == nil, true)
}

func valuesOf4MebibytesComeBack() {
	value := bytes.Repeat(allBytes, 4*1024*1024/256)
	put(&kvstore.PutRequest{Value: value}, "large")
	equal(bytes.Equal(get("large").Value, value), true)
}

func columnsAreSelected() {
	put(&kvstore.PutRequest{Cells: []*kvstore.Cell{cell("c", "C"), cell("a", "A"), cell("b", "B")}}, "row")
	equal(columns(get("row").Cells), "a=A b=B c=C")
	request := &kvstore.GetRequest{Dataset: dataset, Key: key("row"), Cells: only("b", "x")}
	equal(columns(must(client.Get(ctx, request)).Cells), "b=B")
}

func manyKeysAreAnsweredByPosition() {
	put(&kvstore.PutRequest{Value: []byte("1")}, "m1")
	put(&kvstore.PutRequest{Value: []byte("2")}, "m2")
	keys := [][]byte{key("m2"), key("none"), key("m1"), key("m2")}
	found := []string{}
	for _, row := range must(client.MultiGet(ctx, &kvstore.MultiGetRequest{Dataset: dataset, Keys: keys})).Rows {
		found = append(found, string(row.Value))
	}
	equal(found, []string{"2", "", "1", "2"})
}

func rowsAndColumnsAreRemoved() {
	put(&kvstore.PutRequest{Cells: []*kvstore.Cell{cell("a", "1"), cell("b", "2")}}, "gone")
	must(client.Remove(ctx, &kvstore.DeleteRequest{Dataset: dataset, Key: key("gone"), Cells: only("a")}))
	equal(columns(get("gone").Cells), "b=2")
	must(client.Remove(ctx, &kvstore.DeleteRequest{Dataset: dataset, Key: key("gone")}))
	equal(get("gone").Cells == nil, true)
}

func rowsWrittenTogetherAreScannedByPages() {
	write := &kvstore.MultiMutateRequest{Dataset: dataset}
	keys := []string{}
	for index := 0; index < 5; index++ {
		mutations := []*kvstore.Mutation{{Put: &kvstore.PutMutation{Value: []byte("v")}}}
		row := &kvstore.RowMutations{Key: key(fmt.Sprintf("scan %d", index)), Mutations: mutations}
		keys, write.Rows = append(keys, string(row.Key)), append(write.Rows, row)
	}
	for _, row := range must(client.MultiMutate(ctx, write)).Rows {
		equal(row.Error == nil, true)
	}
	scan := &kvstore.ScanRequest{Dataset: dataset, KeyPrefix: key("scan "), PageRows: thrift.Int32Ptr(2)}
	found, pages := []string{}, 0
	for pages == 0 || scan.PageToken != nil {
		page := must(client.Scan(ctx, scan))
		for _, row := range page.Rows {
			found = append(found, string(row.Key))
		}
		scan.PageToken = page.NextPageToken
		pages++
	}
	sort.Strings(found)
	equal(found, keys)
	equal(pages >= 3, true)
}

func aChangeIsMadeOnItsConditionOnly() {
	put(&kvstore.PutRequest{Cells: []*kvstore.Cell{cell("s", "new")}}, "state")
	change := &kvstore.MutateRequest{
		Dataset:   dataset,
		Key:       key("state"),
		Mutations: []*kvstore.Mutation{{Put: &kvstore.PutMutation{Cells: []*kvstore.Cell{cell("s", "done")}}}},
		Conditions: []*kvstore.Condition{{
			LocalKey:   []byte("s"),
			Comparison: kvstore.ComparisonPtr(kvstore.Comparison_EQUAL),
			Value:      []byte("new"),
		}},
		ReturnOnConflict: only("s"),
	}
	equal(must(client.Mutate(ctx, change)).Applied, true)
	second := must(client.Mutate(ctx, change))
	equal(second.Applied, false)
	equal(columns(second.Row.Cells), "s=done")
}

func countersCountIn64Bits() {
	for name, delta := range map[string]int64{"least": math.MinInt64, "most": math.MaxInt64} {
		deltas := []*kvstore.CounterDelta{{LocalKey: []byte(name), Delta: delta}}
		request := &kvstore.IncrementRequest{Dataset: dataset, Key: key("counters"), Deltas: deltas}
		equal(must(client.Increment(ctx, request)).Counters[0].Value, delta)
	}
	request := &kvstore.GetCountersRequest{
		Dataset:   dataset,
		Keys:      [][]byte{key("counters")},
		LocalKeys: [][]byte{[]byte("least"), []byte("most"), []byte("none")},
	}
	values, missing := []int64{}, []bool{}
	for _, counter := range must(client.GetCounters(ctx, request)).Rows[0].Counters {
		values, missing = append(values, counter.Value), append(missing, counter.GetMissing())
	}
	equal(values, []int64{math.MinInt64, math.MaxInt64, 0})
	equal(missing, []bool{false, false, true})
}

func errorsCarryCodeKindAndRetryability() {
	_, err := client.Get(ctx, &kvstore.GetRequest{Dataset: "nowhere", Key: []byte("k")})
	missing := refusal(err)
	equal(missing.Code, kvstore.ErrorCode_DATASET_NOT_FOUND)
	equal(missing.GetKind(), kvstore.ErrorKind_CALLER)
	equal(missing.IsSetRetryable() && !missing.GetRetryable(), true)
	tooLong := bytes.Repeat([]byte("x"), 65_536)
	_, err = client.Put(ctx, &kvstore.PutRequest{Dataset: dataset, Key: tooLong, Value: []byte("v")})
	large := refusal(err)
	equal(large.Code, kvstore.ErrorCode_TOO_LARGE)
	equal(large.GetKind(), kvstore.ErrorKind_CAPACITY)
	equal(large.GetOutcome(), kvstore.WriteOutcome_NOT_APPLIED)
}

func datasetAndServerDescribeThemselves() {
	info := must(client.DescribeDataset(ctx, dataset))
	equal([]string{info.Name, info.GetOwner()}, []string{dataset, "tests"})
	equal(info.GetMode(), kvstore.DatasetMode_READ_WRITE)
	equal(must(client.DescribeServer(ctx)).ApiVersion, int32(1))
}

// run answers whether the check passed.
func run(name string, check func()) (isGood bool) {
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Printf("not ok %s: %v\n", name, reason)
		}
	}()
	check()
	fmt.Printf("ok %s\n", name)
	return true
}

func main() {
	for index := range allBytes {
		allBytes[index] = byte(index)
	}
	config := &thrift.TConfiguration{}
	var transport thrift.TTransport = thrift.NewTSocketConf("127.0.0.1:"+os.Args[1], config)
	if os.Args[3] == "framed" {
		transport = thrift.NewTFramedTransportConf(transport, config)
	} else {
		transport = thrift.NewTBufferedTransport(transport, 8192)
	}
	var protocol thrift.TProtocol = thrift.NewTBinaryProtocolConf(transport, config)
	if os.Args[4] == "compact" {
		protocol = thrift.NewTCompactProtocolConf(transport, config)
	}
	client = kvstore.NewKVStoreClient(thrift.NewTStandardClient(protocol, protocol))
	if err := transport.Open(); err != nil {
		log.Fatal(err)
	}
	checks := []struct {
		name string
		run  func()
	}{
		{"timestamps_keep_64_bits", timestampsKeep64Bits},
		{"bytes_that_are_not_utf8_are_kept", bytesThatAreNotUtf8AreKept},
		{"empty_values_are_values", emptyValuesAreValues},
		{"values_of_4_mebibytes_come_back", valuesOf4MebibytesComeBack},
		{"columns_are_selected", columnsAreSelected},
		{"many_keys_are_answered_by_position", manyKeysAreAnsweredByPosition},
		{"rows_and_columns_are_removed", rowsAndColumnsAreRemoved},
		{"rows_written_together_are_scanned_by_pages", rowsWrittenTogetherAreScannedByPages},
		{"a_change_is_made_on_its_condition_only", aChangeIsMadeOnItsConditionOnly},
		{"counters_count_in_64_bits", countersCountIn64Bits},
		{"errors_carry_code_kind_and_retryability", errorsCarryCodeKindAndRetryability},
		{"dataset_and_server_describe_themselves", datasetAndServerDescribeThemselves},
	}
	failed := 0
	for _, check := range checks {
		if !run(check.name, check.run) {
			failed++
		}
	}
	transport.Close()
	if failed > 0 {
		os.Exit(1)
	}
}
