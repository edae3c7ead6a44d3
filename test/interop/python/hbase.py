"""The ordinary use of happybase, as it comes from PyPI, against HBase's first Thrift gateway.

usage: hbase.py PORT TRANSPORT PROTOCOL

Prints `ok NAME` or `not ok NAME: REASON` for each check.
"""
import sys
import traceback

import happybase

port, transport, protocol = int(sys.argv[1]), sys.argv[2], sys.argv[3]
name = f"happybase-{transport}-{protocol}"
connection = happybase.Connection("127.0.0.1", port, transport=transport, protocol=protocol, timeout=20_000)
checks = []


def check(function):
    checks.append(function)
    return function


def raises(kind, text, function):
    try:
        function()
    except kind as error:
        message = error.message
        message = message.decode() if isinstance(message, bytes) else message
        assert text in message.split("\n")[0], message
        return
    raise AssertionError(f"{kind.__name__} was not raised")


@check
def a_table_is_made_described_and_listed():
    connection.create_table(name, {"cf": dict(max_versions=5), "d1": dict(), "d": dict(time_to_live=3600)})
    assert name.encode() in connection.tables()
    families = connection.table(name).families()
    assert sorted(families) == [b"cf", b"d", b"d1"], families
    assert families[b"cf"]["max_versions"] == 5 and families[b"d"]["time_to_live"] == 3600, families
    assert len(connection.table(name).regions()) == 1


@check
def a_table_that_exists_is_not_made_again():
    from Hbase_thrift import AlreadyExists

    raises(AlreadyExists, "table name already in use", lambda: connection.create_table(name, {"cf": dict()}))


@check
def rows_are_put_and_read_whole_and_by_columns():
    table = connection.table(name)
    table.put(b"row\x00\xff", {b"cf:a": b"1", b"cf:\xfe": b"\x80", b"d:": b"", b"d1:x": b"y"})
    assert table.row(b"row\x00\xff") == {b"cf:a": b"1", b"cf:\xfe": b"\x80", b"d:": b"", b"d1:x": b"y"}
    assert table.row(b"row\x00\xff", columns=[b"cf"]) == {b"cf:a": b"1", b"cf:\xfe": b"\x80"}
    assert table.row(b"row\x00\xff", columns=[b"d:", b"cf:a"]) == {b"cf:a": b"1", b"d:": b""}
    assert table.row(b"nobody") == {}


@check
def many_rows_are_read_without_the_missing_ones():
    table = connection.table(name)
    for key in (b"m1", b"m2"):
        table.put(key, {b"cf:k": key})
    found = table.rows([b"m2", b"nobody", b"m1"])
    assert found == [(b"m2", {b"cf:k": b"m2"}), (b"m1", {b"cf:k": b"m1"})], found


@check
def versions_are_read_newest_first():
    table = connection.table(name)
    for stamp in (10, 30, 20):
        table.put(b"v", {b"cf:v": b"%d" % stamp}, timestamp=stamp)
    assert table.cells(b"v", b"cf:v") == [b"30", b"20", b"10"]
    assert table.cells(b"v", b"cf:v", versions=2, include_timestamp=True) == [(b"30", 30), (b"20", 20)]
    assert table.cells(b"v", b"cf:v", timestamp=30) == [b"20", b"10"]
    assert table.row(b"v", timestamp=20) == {b"cf:v": b"10"}


@check
def no_more_versions_are_kept_than_the_family_says():
    table = connection.table(name)
    for stamp in range(1, 9):
        table.put(b"kept", {b"cf:v": b"%d" % stamp, b"d1:v": b"%d" % stamp}, timestamp=stamp)
    assert table.cells(b"kept", b"cf:v") == [b"8", b"7", b"6", b"5", b"4"]
    assert table.cells(b"kept", b"d1:v") == [b"8", b"7", b"6"]


@check
def deletions_take_columns_families_and_rows():
    table = connection.table(name)
    table.put(b"del", {b"cf:a": b"1", b"cf:b": b"2", b"d:c": b"3"})
    table.delete(b"del", columns=[b"cf:a"])
    assert table.row(b"del") == {b"cf:b": b"2", b"d:c": b"3"}
    table.delete(b"del", columns=[b"cf"])
    assert table.row(b"del") == {b"d:c": b"3"}
    table.put(b"del", {b"d1:z": b"9"})
    table.delete(b"del")
    assert table.row(b"del") == {}


@check
def batches_write_and_delete_many_rows():
    table = connection.table(name)
    with table.batch(batch_size=7) as batch:
        for index in range(50):
            batch.put(b"batch%02d" % index, {b"cf:n": b"%d" % index})
        batch.delete(b"batch07")
    assert len(list(table.scan(row_prefix=b"batch"))) == 49


@check
def counters_count():
    table = connection.table(name)
    assert table.counter_get(b"count", b"cf:n") == 0
    assert table.counter_inc(b"count", b"cf:n", 5) == 5
    assert table.counter_dec(b"count", b"cf:n", 7) == -2
    table.counter_set(b"count", b"cf:n", 2**62)
    assert table.counter_inc(b"count", b"cf:n") == 2**62 + 1


@check
def scans_have_ranges_limits_filters_and_directions():
    table = connection.table(name)
    for index in range(25):
        table.put(b"scan%02d" % index, {b"cf:n": b"%d" % index, b"cf:even": b"%d" % (index % 2 == 0), b"d:x": b""})
    keys = lambda **given: [key for key, _ in table.scan(**given)]
    assert keys(row_start=b"scan03", row_stop=b"scan06") == [b"scan03", b"scan04", b"scan05"]
    assert len(keys(row_prefix=b"scan", batch_size=4)) == 25
    assert keys(row_prefix=b"scan", limit=3) == [b"scan00", b"scan01", b"scan02"]
    assert keys(row_start=b"scan05", row_stop=b"scan02", reverse=True) == [b"scan05", b"scan04", b"scan03"]
    even = "SingleColumnValueFilter('cf','even',=,'binary:1')"
    assert len(keys(row_prefix=b"scan", filter=even)) == 13
    assert keys(filter="PrefixFilter('scan2') AND PageFilter(2)") == [b"scan20", b"scan21"]
    found = list(table.scan(row_prefix=b"scan1", columns=[b"cf:n"], sorted_columns=True, limit=1))
    assert [(key, list(row.items())) for key, row in found] == [(b"scan10", [(b"cf:n", b"10")])], found
    found = dict(table.scan(row_prefix=b"scan24", filter="ColumnPrefixFilter('e') AND KeyOnlyFilter()"))
    assert found == {b"scan24": {b"cf:even": b""}}, found


@check
def refusals_begin_with_the_name_of_the_exception():
    from Hbase_thrift import IOError as HBaseIOError

    raises(
        HBaseIOError,
        "org.apache.hadoop.hbase.TableNotFoundException: nobody",
        lambda: connection.table("nobody").row(b"a"),
    )
    raises(
        HBaseIOError,
        "org.apache.hadoop.hbase.regionserver.NoSuchColumnFamilyException",
        lambda: connection.table(name).row(b"a", columns=[b"nobody:a"]),
    )


@check
def a_pool_of_connections_is_shared_by_threads():
    import threading

    pool = happybase.ConnectionPool(3, host="127.0.0.1", port=port, transport=transport, protocol=protocol)
    faults = []

    def work(number):
        try:
            for _ in range(5):
                with pool.connection() as one:
                    assert len(list(one.table(name).scan(row_prefix=b"scan", batch_size=3))) == 25
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [], faults


@check
def a_disabled_table_is_refused_and_keeps_its_rows():
    from Hbase_thrift import IOError as HBaseIOError

    connection.disable_table(name)
    assert not connection.is_table_enabled(name)
    raises(
        HBaseIOError,
        "org.apache.hadoop.hbase.TableNotEnabledException",
        lambda: connection.table(name).row(b"m1"),
    )
    connection.enable_table(name)
    assert connection.table(name).row(b"m1") == {b"cf:k": b"m1"}


@check
def a_table_is_deleted_once_it_is_disabled():
    from Hbase_thrift import IOError as HBaseIOError

    raises(
        HBaseIOError,
        "org.apache.hadoop.hbase.TableNotDisabledException",
        lambda: connection.delete_table(name),
    )
    connection.delete_table(name, disable=True)
    assert name.encode() not in connection.tables()


for function in checks:
    try:
        function()
        print(f"ok {function.__name__}")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        print(f"not ok {function.__name__}: {type(error).__name__} {error} at {[frame.lineno for frame in where]}")
