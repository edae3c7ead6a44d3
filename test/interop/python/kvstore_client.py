"""Checks of the KVStore API with PyPI thrift and unedited generated code.

usage: kvstore_client.py PORT DATASET framed|buffered binary|compact

Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "generated"))

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.transport import TSocket, TTransport

from godwit.kvstore import KVStore
from godwit.kvstore.ttypes import *

I64_MIN, I64_MAX = -(2**63), 2**63 - 1
ALL_BYTES = bytes(range(256))
PORT, DATASET, TRANSPORT, PROTOCOL = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
PREFIX = f"python-{TRANSPORT}-{PROTOCOL}-".encode()

socket = TSocket.TSocket("127.0.0.1", PORT)
transport = (TTransport.TFramedTransport if TRANSPORT == "framed" else TTransport.TBufferedTransport)(socket)
client = KVStore.Client((TBinaryProtocol if PROTOCOL == "binary" else TCompactProtocol)(transport))
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def put(key, **fields):
    return client.put(PutRequest(dataset=DATASET, key=PREFIX + key, **fields))


def get(key, **fields):
    return client.get(GetRequest(dataset=DATASET, key=PREFIX + key, **fields))


def columns(row):
    return [(cell.localKey, cell.value) for cell in row.cells or []]


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def refusal(function, *arguments, **fields):
    try:
        function(*arguments, **fields)
    except KVStoreException as exception:
        equal(exception.message, exception.error.message)
        return exception.error
    raise AssertionError("the call succeeded")


@check
def timestamps_keep_64_bits():
    for timestamp in (I64_MIN, -1, 0, 2**53 + 1, I64_MAX):
        key = b"at %d" % timestamp
        equal(put(key, value=b"v", timestamp=timestamp).timestamp, timestamp)
        equal(get(key, options=ReadOptions(withTimestamps=True)).timestamp, timestamp)


@check
def bytes_that_are_not_utf8_are_kept():
    put(ALL_BYTES, value=ALL_BYTES, cells=[Cell(localKey=b"\xff\xfe", value=b"\x00\xc3\x28")])
    row = get(ALL_BYTES)
    equal(row.value, ALL_BYTES)
    equal(columns(row), [(b"\xff\xfe", b"\x00\xc3\x28")])


@check
def empty_values_are_values():
    put(b"empty", value=b"")
    equal(get(b"empty").value, b"")
    equal(get(b"never written").value, None)


@check
def values_of_4_mebibytes_come_back():
    value = ALL_BYTES * (4 * 1024 * 1024 // 256)
    put(b"large", value=value)
    equal(get(b"large").value == value, True)


@check
def columns_are_selected():
    put(b"row", cells=[Cell(localKey=name, value=name.upper()) for name in (b"c", b"a", b"b")])
    equal(columns(get(b"row")), [(b"a", b"A"), (b"b", b"B"), (b"c", b"C")])
    equal(columns(get(b"row", cells=CellSelector(localKeys=[b"b", b"x"]))), [(b"b", b"B")])


@check
def many_keys_are_answered_by_position():
    put(b"m1", value=b"1")
    put(b"m2", value=b"2")
    keys = [PREFIX + key for key in (b"m2", b"none", b"m1", b"m2")]
    answer = client.multiGet(MultiGetRequest(dataset=DATASET, keys=keys))
    equal([row.value for row in answer.rows], [b"2", None, b"1", b"2"])


@check
def rows_and_columns_are_removed():
    put(b"gone", cells=[Cell(localKey=name, value=name) for name in (b"a", b"b")])
    some = CellSelector(localKeys=[b"a"])
    client.remove(DeleteRequest(dataset=DATASET, key=PREFIX + b"gone", cells=some))
    equal(columns(get(b"gone")), [(b"b", b"b")])
    client.remove(DeleteRequest(dataset=DATASET, key=PREFIX + b"gone"))
    equal(get(b"gone").cells, None)


@check
def rows_written_together_are_scanned_by_pages():
    keys = [PREFIX + b"scan %d" % index for index in range(5)]
    mutations = [Mutation(put=PutMutation(value=b"v"))]
    written = client.multiMutate(MultiMutateRequest(DATASET, [RowMutations(key, mutations) for key in keys]))
    equal([row.error for row in written.rows], [None] * 5)
    found, pages, token = [], 0, None
    while pages == 0 or token is not None:
        request = ScanRequest(DATASET, keyPrefix=PREFIX + b"scan ", pageRows=2, pageToken=token)
        page = client.scan(request)
        found, pages, token = found + [row.key for row in page.rows], pages + 1, page.nextPageToken
    equal(sorted(found), keys)
    equal(pages >= 3, True)


@check
def a_change_is_made_on_its_condition_only():
    put(b"state", cells=[Cell(localKey=b"s", value=b"new")])
    change = MutateRequest(
        DATASET,
        PREFIX + b"state",
        mutations=[Mutation(put=PutMutation(cells=[Cell(localKey=b"s", value=b"done")]))],
        conditions=[Condition(localKey=b"s", comparison=Comparison.EQUAL, value=b"new")],
        returnOnConflict=CellSelector(localKeys=[b"s"]),
    )
    equal(client.mutate(change).applied, True)
    second = client.mutate(change)
    equal((second.applied, columns(second.row)), (False, [(b"s", b"done")]))


@check
def counters_count_in_64_bits():
    key = PREFIX + b"counters"
    for name, delta in ((b"least", I64_MIN), (b"most", I64_MAX)):
        answer = client.increment(IncrementRequest(DATASET, key, [CounterDelta(localKey=name, delta=delta)]))
        equal([counter.value for counter in answer.counters], [delta])
    request = GetCountersRequest(DATASET, [key], [b"least", b"most", b"none"])
    counters = client.getCounters(request).rows[0].counters
    equal([counter.value for counter in counters], [I64_MIN, I64_MAX, 0])
    equal([bool(counter.missing) for counter in counters], [False, False, True])


@check
def errors_carry_code_kind_and_retryability():
    error = refusal(client.get, GetRequest(dataset="nowhere", key=b"k"))
    equal((error.code, error.kind, error.retryable), (ErrorCode.DATASET_NOT_FOUND, ErrorKind.CALLER, False))
    error = refusal(put, b"x" * 65536, value=b"v")
    equal((error.code, error.kind, error.outcome), (ErrorCode.TOO_LARGE, ErrorKind.CAPACITY, WriteOutcome.NOT_APPLIED))


@check
def dataset_and_server_describe_themselves():
    info = client.describeDataset(DATASET)
    equal((info.name, info.owner, info.mode), (DATASET, "tests", DatasetMode.READ_WRITE))
    equal(client.describeServer().apiVersion, 1)


def main():
    transport.open()
    failed = 0
    for function in CHECKS:
        try:
            function()
            print(f"ok {function.__name__}", flush=True)
        except Exception as error:  # every check reports for itself
            failed += 1
            print(f"not ok {function.__name__}: {error!r}", flush=True)
    transport.close()
    return 1 if failed else 0


sys.exit(main())
