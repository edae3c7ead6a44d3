"""Checks of UserMetaStore with a client that thriftpy2 makes of idl/usermetastore.thrift, unedited.

usage: usermetastore.py IDL PORT TABLE framed|buffered binary|compact

TABLE is empty, keeps keys in order and three versions of a cell.

Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
"""

import sys

import thriftpy2
from thriftpy2.protocol import TBinaryProtocolFactory, TCompactProtocolFactory
from thriftpy2.rpc import make_client
from thriftpy2.transport import TBufferedTransportFactory, TFramedTransportFactory

IDL, PORT, TABLE, TRANSPORT, PROTOCOL = sys.argv[1:]
ums = thriftpy2.load(IDL, module_name="usermetastore_thrift")
transports = {"framed": TFramedTransportFactory, "buffered": TBufferedTransportFactory}
protocols = {"binary": TBinaryProtocolFactory, "compact": TCompactProtocolFactory}
client = make_client(
    ums.UserMetaStore,
    "127.0.0.1",
    int(PORT),
    proto_factory=protocols[PROTOCOL](),
    trans_factory=transports[TRANSPORT](),
    timeout=30000,
)
Codes = ums.UmsErrorCode
ALL_BYTES = bytes(range(256))
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r:.300} is not {expected!r:.300}")


def put(key, cells, **fields):
    cells = [ums.Cell(column=cell[0], value=cell[1], timestamp=cell[2] if len(cell) > 2 else None) for cell in cells]
    return client.put(ums.PutRequest(table=TABLE, key=key, cells=cells, **fields))


def get(key, with_times=False, **selector):
    options = ums.ReadOptions(withTimestamps=with_times)
    columns = ums.ColumnSelector(**selector)
    row = client.get(ums.GetRequest(table=TABLE, key=key, columns=columns, options=options))
    equal(row.key, key)
    if with_times:
        return [(cell.column, cell.value, cell.timestamp) for cell in row.cells]
    return [(cell.column, cell.value) for cell in row.cells]


def increment(key, delta, options=None):
    deltas = [ums.CounterDelta(column=b"n", delta=delta)]
    answer = client.increment(ums.IncrementRequest(table=TABLE, key=key, deltas=deltas, options=options))
    return [value.value for value in answer.values]


def refused(code, function, *arguments, **fields):
    try:
        function(*arguments, **fields)
    except ums.UmsException as exception:
        equal(exception.error.code, code)
        equal(exception.error.message, exception.message)
        return exception.error
    raise AssertionError("the call succeeded")


@check
def bytes_that_are_not_utf8_are_kept():
    put(ALL_BYTES, [(ALL_BYTES, ALL_BYTES), (b"", b"\x80"), (b"f\x00q", b"\xff")])
    equal(get(ALL_BYTES), [(b"", b"\x80"), (ALL_BYTES, ALL_BYTES), (b"f\x00q", b"\xff")])


@check
def an_empty_value_is_no_missing_column():
    put(b"empty", [(b"c", b"")])
    equal(get(b"empty"), [(b"c", b"")])
    equal(get(b"empty", columns=[b"d"]), [])
    equal(get(b"nothing"), [])


@check
def timestamps_and_counters_keep_64_bits():
    time = 2**63 - 2
    equal(put(b"times", [(b"c", b"v", time)]).timestamp, time)
    equal(get(b"times", with_times=True), [(b"c", b"v", time)])
    equal(increment(b"counter", 2**63 - 1), [2**63 - 1])
    equal(increment(b"counter", 1), [-(2**63)])


@check
def versions_come_newest_first():
    put(b"versions", [(b"c", b"%d" % time, time) for time in (10, 40, 20, 30)])
    equal([value for _, value in get(b"versions", maxVersions=9)], [b"40", b"30", b"20"])
    equal(get(b"versions", maxVersions=9, minTimestamp=20, maxTimestamp=40), [(b"c", b"30"), (b"c", b"20")])


@check
def rows_are_removed_up_to_a_time():
    put(b"removed", [(b"a", b"old", 10), (b"b", b"new", 30)])
    client.remove(ums.DeleteRequest(table=TABLE, key=b"removed", timestamp=20))
    equal(get(b"removed"), [(b"b", b"new")])
    put(b"removed", [(b"a", b"late", 15)])
    equal(get(b"removed"), [(b"b", b"new")])


@check
def a_change_is_made_on_its_condition_only():
    def check_and_put(expected, value):
        request = ums.CheckAndPutRequest(
            table=TABLE,
            key=b"checked",
            check=ums.Check(column=b"c", expected=expected),
            cells=[ums.Cell(column=b"c", value=value)],
        )
        result = client.checkAndPut(request)
        return result.applied, result.actual

    equal(check_and_put(b"v", b"no"), (False, None))
    equal(check_and_put(None, b"v"), (True, None))
    equal(check_and_put(None, b"no"), (False, b"v"))
    check = ums.Check(column=b"c", expected=b"v")
    removed = client.checkAndRemove(ums.CheckAndDeleteRequest(table=TABLE, key=b"checked", check=check))
    equal((removed.applied, get(b"checked")), (True, []))


@check
def a_repeated_increment_counts_once():
    options = ums.WriteOptions(requestId=b"\xff\x00once", durability=ums.WriteDurability.FORCED)
    equal(increment(b"retried", 5, options), [5])
    equal(increment(b"retried", 5, options), [5])
    counts = client.getCounts(ums.GetCountsRequest(table=TABLE, keys=[b"retried", b"no"], columns=[b"n"]))
    equal([(row.values[0].value, row.values[0].missing) for row in counts.rows], [(5, None), (0, True)])


@check
def values_grow():
    for value in (b"\xff", b"\x00"):
        row = client.append(ums.AppendRequest(table=TABLE, key=b"log", cells=[ums.Cell(column=b"c", value=value)]))
    equal([(cell.column, cell.value) for cell in row.cells], [(b"c", b"\xff\x00")])


@check
def many_rows_answer_each_for_itself():
    rows = [ums.RowPut(key=key, cells=[ums.Cell(column=b"c", value=key)]) for key in (b"m1", b"", b"m2")]
    results = client.multiPut(ums.MultiPutRequest(table=TABLE, rows=rows)).results
    equal([result.error and result.error.code for result in results], [None, Codes.INVALID_REQUEST, None])
    found = client.multiGet(ums.MultiGetRequest(table=TABLE, keys=[b"m2", b"m3", b"m1", b"m2"])).rows
    equal([[cell.value for cell in one.row.cells] for one in found], [[b"m2"], [], [b"m1"], [b"m2"]])
    deletes = [ums.RowDelete(key=b"m1"), ums.RowDelete(key=b"m2", columns=[b"x"])]
    client.multiRemove(ums.MultiDeleteRequest(table=TABLE, rows=deletes))
    equal((get(b"m1"), get(b"m2")), ([], [(b"c", b"m2")]))


@check
def columns_and_rows_are_scanned_by_pages():
    names = [b"c%02d" % index for index in range(10)]
    for key in (b"s1", b"s2", b"s3"):
        put(key, [(name, key) for name in names])
    found, token = [], None
    while True:
        page = client.scanRow(ums.ScanRowRequest(table=TABLE, key=b"s1", pageSize=3, pageToken=token))
        found += [cell.column for cell in page.cells]
        token = page.nextPageToken
        if token is None:
            break
    equal(found, names)
    keys, token = [], None
    while True:
        columns = ums.ColumnSelector(limit=2)
        page = client.scan(ums.ScanRequest(table=TABLE, keyPrefix=b"s", columns=columns, pageSize=2, pageToken=token))
        keys += [(row.key, len(row.cells), row.truncated) for row in page.rows]
        token = page.nextPageToken
        if token is None:
            break
    equal(keys, [(key, 2, True) for key in (b"s1", b"s2", b"s3")])


@check
def tables_are_described():
    info = client.describeTable(TABLE)
    equal((info.name, info.ordered, info.scannable, info.maxVersions, info.readOnly), (TABLE, True, True, 3, False))
    equal(TABLE in client.listTables(), True)
    equal(client.ping().apiVersion, ums.UMS_API_VERSION)


@check
def errors_carry_code_retryability_and_outcome():
    request = ums.GetRequest(table="nothing", key=b"k")
    error = refused(Codes.TABLE_NOT_FOUND, client.get, request)
    equal((error.retryable, error.outcome), (False, None))
    error = refused(Codes.TOO_LARGE, put, b"k" * 32768, [(b"c", b"v")])
    equal((error.retryable, error.outcome), (False, ums.WriteOutcome.NOT_APPLIED))
    put(b"text", [(b"n", b"seven b")])
    refused(Codes.NOT_A_COUNTER, increment, b"text", 1)
    refused(Codes.BAD_PAGE_TOKEN, client.scan, ums.ScanRequest(table=TABLE, pageToken=b"made up"))


def main():
    failed = 0
    for function in CHECKS:
        try:
            function()
            print(f"ok {function.__name__}", flush=True)
        except Exception as error:  # every check reports for itself
            failed += 1
            print(f"not ok {function.__name__}: {error!r}", flush=True)
    return 1 if failed else 0


sys.exit(main())
