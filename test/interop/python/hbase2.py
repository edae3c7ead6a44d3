"""HBase's second Thrift gateway as a stock client in Python sees it.

usage: hbase2.py LIBRARY SOURCE PORT TRANSPORT PROTOCOL TABLE

LIBRARY is thriftpy2, SOURCE then the IDL; or thrift, SOURCE then the folder of the compiler's code. The table has the families
a (100 versions) and b. Prints `ok NAME` or `not ok NAME: REASON` for each check.
"""
import os
import sys
import traceback

library, source, port, transport, protocol, table = sys.argv[1:7]
table = table.encode()

if library == "thriftpy2":
    import thriftpy2
    from thriftpy2.protocol import TBinaryProtocolFactory, TCompactProtocolFactory
    from thriftpy2.rpc import make_client
    from thriftpy2.transport import TBufferedTransportFactory, TFramedTransportFactory

    hbase = thriftpy2.load(source, module_name="hbase2_thrift")
    client = make_client(
        hbase.THBaseService,
        "127.0.0.1",
        int(port),
        proto_factory=TBinaryProtocolFactory() if protocol == "binary" else TCompactProtocolFactory(),
        trans_factory=TBufferedTransportFactory() if transport == "buffered" else TFramedTransportFactory(),
        timeout=20_000,
    )
else:
    sys.path.insert(0, os.path.abspath(source))
    import hbase.ttypes as hbase
    from hbase import THBaseService
    from thrift.protocol import TBinaryProtocol, TCompactProtocol
    from thrift.transport import TSocket, TTransport

    socket = TSocket.TSocket("127.0.0.1", int(port))
    socket.setTimeout(20_000)
    wrapped = TTransport.TBufferedTransport(socket) if transport == "buffered" else TTransport.TFramedTransport(socket)
    spoken = TBinaryProtocol.TBinaryProtocol if protocol == "binary" else TCompactProtocol.TCompactProtocol
    client = THBaseService.Client(spoken(wrapped))
    wrapped.open()

row = f"{library}-{transport}-{protocol}-".encode()
checks = []


def check(function):
    checks.append(function)
    return function


def cell(family, qualifier, value=None, timestamp=None):
    return hbase.TColumnValue(family=family, qualifier=qualifier, value=value, timestamp=timestamp)


def put(key, *cells):
    client.put(table, hbase.TPut(row=row + key, columnValues=list(cells)))


def cells_of(result):
    return [(each.family, each.qualifier, each.value, each.timestamp) for each in result.columnValues]


@check
def values_empty_ones_and_bytes_that_are_no_text_come_back():
    put(b"\xff\x00", cell(b"a", b"", b"", 5), cell(b"a", b"\xfe", b"\x80\x00", 6), cell(b"b", b"x", b"1", 7))
    found = client.get(table, hbase.TGet(row=row + b"\xff\x00"))
    assert found.row == row + b"\xff\x00"
    assert cells_of(found) == [(b"a", b"", b"", 5), (b"a", b"\xfe", b"\x80\x00", 6), (b"b", b"x", b"1", 7)], found


@check
def a_row_that_is_not_there_is_a_result_without_a_row():
    found = client.get(table, hbase.TGet(row=row + b"nobody"))
    assert found.row is None and found.columnValues == [], found
    assert client.exists(table, hbase.TGet(row=row + b"nobody")) is False
    several = client.getMultiple(table, [hbase.TGet(row=row + b"nobody"), hbase.TGet(row=row + b"\xff\x00")])
    assert [each.row for each in several] == [None, row + b"\xff\x00"], several
    assert client.existsAll(table, [hbase.TGet(row=row + b"nobody"), hbase.TGet(row=row + b"\xff\x00")]) == [False, True]


@check
def versions_are_read_by_count_by_time_and_by_range():
    for stamp in (1, 3, 2):
        put(b"v", cell(b"a", b"v", b"%d" % stamp, stamp))
    values = lambda **given: [each.value for each in client.get(table, hbase.TGet(row=row + b"v", **given)).columnValues]
    assert values() == [b"3"]
    assert values(maxVersions=2) == [b"3", b"2"]
    assert values(timestamp=2) == [b"2"]
    assert values(timeRange=hbase.TTimeRange(minStamp=1, maxStamp=3), maxVersions=9) == [b"2", b"1"]


@check
def each_kind_of_deletion_takes_what_it_names():
    kinds = hbase.TDeleteType
    stored = lambda: [(each.qualifier, each.timestamp) for each in client.get(table, hbase.TGet(row=row + b"d", maxVersions=9)).columnValues]
    put(b"d", *[cell(b"a", name, b"1", stamp) for name in (b"x", b"y") for stamp in (1, 2, 3)])

    def delete(kind, qualifier, timestamp):
        column = hbase.TColumn(family=b"a", qualifier=qualifier, timestamp=timestamp)
        client.deleteSingle(table, hbase.TDelete(row=row + b"d", columns=[column], deleteType=kind))

    delete(kinds.DELETE_COLUMN, b"x", 2)
    assert stored() == [(b"x", 3), (b"x", 1), (b"y", 3), (b"y", 2), (b"y", 1)], stored()
    delete(kinds.DELETE_COLUMNS, b"x", 1)
    assert stored() == [(b"x", 3), (b"y", 3), (b"y", 2), (b"y", 1)], stored()
    delete(kinds.DELETE_FAMILY_VERSION, None, 3)
    assert stored() == [(b"y", 2), (b"y", 1)], stored()
    delete(kinds.DELETE_COLUMN, b"y", None)
    assert stored() == [(b"y", 1)], stored()
    delete(kinds.DELETE_FAMILY, None, 9)
    assert stored() == [], stored()
    assert client.deleteMultiple(table, [hbase.TDelete(row=row + b"d")]) == []


@check
def conditions_counters_and_appends_answer_what_became_of_the_row():
    first = hbase.TPut(row=row + b"c", columnValues=[cell(b"a", b"c", b"one")])
    assert client.checkAndPut(table, row + b"c", b"a", b"c", None, first) is True
    assert client.checkAndPut(table, row + b"c", b"a", b"c", None, first) is False
    more = hbase.TRowMutations(row=row + b"c", mutations=[hbase.TMutation(put=first)])
    less, greater = hbase.TCompareOperator.LESS, hbase.TCompareOperator.GREATER
    assert client.checkAndMutate(table, row + b"c", b"a", b"c", greater, b"two", more) is True
    assert client.checkAndMutate(table, row + b"c", b"a", b"c", less, b"two", more) is False
    added = client.increment(table, hbase.TIncrement(row=row + b"c", columns=[hbase.TColumnIncrement(b"a", b"n", 5)]))
    assert [each.value for each in added.columnValues] == [b"\0\0\0\0\0\0\0\5"], added
    appended = client.append(table, hbase.TAppend(row=row + b"c", columns=[cell(b"a", b"c", b"!")]))
    assert [each.value for each in appended.columnValues] == [b"one!"], appended


@check
def scanners_have_ranges_directions_limits_and_filters():
    for number in range(9):
        put(b"s%d" % number, cell(b"a", b"n", b"%d" % number), cell(b"b", b"n", b""))

    def scan(**given):
        wish = hbase.TScan(startRow=row + b"s", stopRow=row + b"t")
        for name, value in given.items():
            setattr(wish, name, value)
        scanner = client.openScanner(table, wish)
        found = []
        while True:
            some = client.getScannerRows(scanner, 4)
            if not some:
                break
            found += some
        client.closeScanner(scanner)
        return [each.row[len(row):] for each in found]

    assert scan() == [b"s%d" % number for number in range(9)]
    assert scan(limit=2) == [b"s0", b"s1"]
    assert scan(startRow=row + b"s3", stopRow=row + b"s1", reversed=True) == [b"s3", b"s2"]
    assert scan(filterString=b"SingleColumnValueFilter('a', 'n', >=, 'binary:7')") == [b"s7", b"s8"]
    assert scan(columns=[hbase.TColumn(family=b"b")], batchSize=1) == [b"s%d" % number for number in range(9)]
    wish = hbase.TScan(startRow=row + b"s5", stopRow=row + b"t")
    assert [each.row[len(row):] for each in client.getScannerResults(table, wish, 2)] == [b"s5", b"s6"]


@check
def refusals_carry_the_message_of_the_exception():
    for kind, text, function in (
        (hbase.TIOError, "nobody", lambda: client.get(b"nobody", hbase.TGet(row=b"r"))),
        (hbase.TIOError, "Column family zz does not exist", lambda: client.get(table, hbase.TGet(row=b"r", columns=[hbase.TColumn(family=b"zz")]))),
        (hbase.TIllegalArgument, "Invalid scanner Id", lambda: client.getScannerRows(1_000_000, 1)),
        (hbase.TIOError, "filterBytes holds no Filter: it ends within a number, at byte 2", lambda: client.get(table, hbase.TGet(row=b"r", filterBytes=b"x"))),
    ):
        try:
            function()
        except kind as error:
            assert text in error.message, error.message
            continue
        raise AssertionError(f"{kind.__name__} was not raised")


@check
def the_table_describes_itself():
    name = hbase.TTableName(qualifier=table)
    assert client.tableExists(name) is True and client.isTableEnabled(name) is True
    described = client.getTableDescriptor(name)
    assert [(each.name, each.maxVersions) for each in described.columns] == [(b"a", 100), (b"b", 1)], described
    assert table in [each.qualifier for each in client.getTableNamesByPattern(".*", False)]
    assert client.listNamespaces() == ["default"]
    assert client.getThriftServerType() == 2
    assert len(client.getAllRegionLocations(table)) == 1


for function in checks:
    try:
        function()
        print(f"ok {function.__name__}")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        print(f"not ok {function.__name__}: {type(error).__name__} {error} at {[frame.lineno for frame in where]}")
