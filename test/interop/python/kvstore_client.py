"""Reads and writes through a gateway with PyPI thrift and unedited generated code.

usage: kvstore_client.py PORT DATASET

Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "generated"))

from thrift.protocol import TBinaryProtocol
from thrift.transport import TSocket, TTransport

from godwit.kvstore import KVStore
from godwit.kvstore.ttypes import (
    Cell,
    CellSelector,
    DatasetMode,
    DeleteRequest,
    ErrorCode,
    ErrorKind,
    GetRequest,
    KVStoreException,
    MultiGetRequest,
    PutRequest,
    ReadOptions,
    WriteOutcome,
)

I64_MIN, I64_MAX = -(2**63), 2**63 - 1
ALL_BYTES = bytes(range(256))
PORT, DATASET = int(sys.argv[1]), sys.argv[2]

transport = TTransport.TFramedTransport(TSocket.TSocket("127.0.0.1", PORT))
client = KVStore.Client(TBinaryProtocol.TBinaryProtocol(transport))
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def put(key, **fields):
    return client.put(PutRequest(dataset=DATASET, key=key, **fields))


def get(key, **fields):
    return client.get(GetRequest(dataset=DATASET, key=key, **fields))


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
def a_value_is_read_back():
    put(b"py", value=b"thon")
    equal(get(b"py").value, b"thon")
    equal(get(b"never written").value, None)


@check
def bytes_that_are_not_utf8_are_kept():
    put(ALL_BYTES, value=ALL_BYTES, cells=[Cell(localKey=b"\xff\xfe", value=b"\x00\xc3\x28")])
    row = get(ALL_BYTES)
    equal(row.value, ALL_BYTES)
    equal([(cell.localKey, cell.value) for cell in row.cells], [(b"\xff\xfe", b"\x00\xc3\x28")])


@check
def empty_values_are_values():
    put(b"empty", value=b"")
    equal(get(b"empty").value, b"")


@check
def timestamps_keep_64_bits():
    for timestamp in (I64_MIN, -1, 0, 2**53 + 1, I64_MAX):
        key = b"at %d" % timestamp
        equal(put(key, value=b"v", timestamp=timestamp).timestamp, timestamp)
        equal(get(key, options=ReadOptions(withTimestamps=True)).timestamp, timestamp)


@check
def columns_are_selected():
    put(b"row", cells=[Cell(localKey=name, value=name.upper()) for name in (b"c", b"a", b"b")])
    equal([cell.localKey for cell in get(b"row").cells], [b"a", b"b", b"c"])
    some = get(b"row", cells=CellSelector(localKeys=[b"b", b"x"]))
    equal([(cell.localKey, cell.value) for cell in some.cells], [(b"b", b"B")])


@check
def many_keys_are_answered_by_position():
    put(b"m1", value=b"1")
    put(b"m2", value=b"2")
    answer = client.multiGet(MultiGetRequest(dataset=DATASET, keys=[b"m2", b"none", b"m1", b"m2"]))
    equal([row.value for row in answer.rows], [b"2", None, b"1", b"2"])


@check
def rows_and_columns_are_removed():
    put(b"gone", cells=[Cell(localKey=name, value=name) for name in (b"a", b"b")])
    client.remove(DeleteRequest(dataset=DATASET, key=b"gone", cells=CellSelector(localKeys=[b"a"])))
    equal([cell.localKey for cell in get(b"gone").cells], [b"b"])
    client.remove(DeleteRequest(dataset=DATASET, key=b"gone"))
    equal(get(b"gone").cells, None)


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
            print(f"ok {function.__name__}")
        except Exception as error:  # every check reports for itself
            failed += 1
            print(f"not ok {function.__name__}: {error!r}")
    transport.close()
    return 1 if failed else 0


sys.exit(main())
