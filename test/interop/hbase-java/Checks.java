import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.apache.hadoop.hbase.thrift2.generated.TAppend;
import org.apache.hadoop.hbase.thrift2.generated.TColumn;
import org.apache.hadoop.hbase.thrift2.generated.TColumnIncrement;
import org.apache.hadoop.hbase.thrift2.generated.TColumnValue;
import org.apache.hadoop.hbase.thrift2.generated.TDelete;
import org.apache.hadoop.hbase.thrift2.generated.TDeleteType;
import org.apache.hadoop.hbase.thrift2.generated.TGet;
import org.apache.hadoop.hbase.thrift2.generated.THBaseService;
import org.apache.hadoop.hbase.thrift2.generated.TIOError;
import org.apache.hadoop.hbase.thrift2.generated.TIllegalArgument;
import org.apache.hadoop.hbase.thrift2.generated.TIncrement;
import org.apache.hadoop.hbase.thrift2.generated.TPut;
import org.apache.hadoop.hbase.thrift2.generated.TResult;
import org.apache.hadoop.hbase.thrift2.generated.TScan;
import org.apache.hadoop.hbase.thrift2.generated.TTableName;
import org.apache.hadoop.hbase.thrift2.generated.TThriftServerType;
import org.apache.thrift.TConfiguration;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TCompactProtocol;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.layered.TFramedTransport;

/**
 * HBase's second Thrift gateway as HBase's own generated classes see it.
 *
 * <p>usage: java Checks PORT TRANSPORT PROTOCOL TABLE
 *
 * <p>The table has the family a with 100 versions. Prints `ok NAME` or `not ok NAME: REASON` for each check.
 */
public class Checks {
  private interface Check {
    void run() throws Exception;
  }

  private static THBaseService.Client client;
  private static ByteBuffer table;
  private static String prefix;

  public static void main(String[] args) throws Exception {
    TTransport socket = new TSocket(new TConfiguration(), "127.0.0.1", Integer.parseInt(args[0]), 20_000);
    TTransport transport = args[1].equals("framed") ? new TFramedTransport(socket) : socket;
    client =
        new THBaseService.Client(
            args[2].equals("binary") ? new TBinaryProtocol(transport) : new TCompactProtocol(transport));
    table = bytes(args[3]);
    prefix = "java-" + args[1] + "-" + args[2] + "-";
    transport.open();
    check("values_come_back_and_missing_rows_are_empty_results", Checks::values);
    check("versions_and_deletions_of_one", Checks::versions);
    check("counters_and_appends_answer_what_became", Checks::counters);
    check("scanners_answer_until_none_is_left", Checks::scanners);
    check("refusals_are_the_exceptions_of_the_interface", Checks::refusals);
    check("the_server_says_which_it_is", Checks::server);
    transport.close();
  }

  private static void values() throws Exception {
    put("r", value("x", "1", 5), value("", "", 6));
    TResult found = client.get(table, new TGet(row("r")));
    equal(text(found.getRow()), prefix + "r");
    equal(found.getColumnValuesSize(), 2);
    equal(text(found.getColumnValues().get(1).getValue()), "1");
    equal(found.getColumnValues().get(1).getTimestamp(), 5L);
    TResult missing = client.get(table, new TGet(row("nobody")));
    equal(missing.isSetRow(), false);
    equal(missing.getColumnValuesSize(), 0);
    List<TResult> several = client.getMultiple(table, Arrays.asList(new TGet(row("nobody")), new TGet(row("r"))));
    equal(several.get(0).isSetRow(), false);
    equal(several.get(1).isSetRow(), true);
    equal(client.exists(table, new TGet(row("r"))), true);
  }

  private static void versions() throws Exception {
    for (long stamp : new long[] {1, 3, 2}) put("v", value("v", String.valueOf(stamp), stamp));
    TDelete delete = new TDelete(row("v"));
    TColumn column = new TColumn(bytes("a"));
    column.setQualifier(bytes("v"));
    column.setTimestamp(2);
    delete.setColumns(Collections.singletonList(column));
    delete.setDeleteType(TDeleteType.DELETE_COLUMN);
    client.deleteSingle(table, delete);
    TGet get = new TGet(row("v"));
    get.setMaxVersions(9);
    List<String> left = new ArrayList<>();
    for (TColumnValue one : client.get(table, get).getColumnValues()) left.add(text(one.getValue()));
    equal(left, Arrays.asList("3", "1"));
  }

  private static void counters() throws Exception {
    TColumnIncrement by = new TColumnIncrement(bytes("a"), bytes("n"));
    by.setAmount(7);
    TResult counted = client.increment(table, new TIncrement(row("c"), Collections.singletonList(by)));
    equal(counted.getColumnValues().get(0).bufferForValue().getLong(), 7L);
    TColumnValue more = new TColumnValue(bytes("a"), bytes("s"), bytes("ab"));
    client.append(table, new TAppend(row("c"), Collections.singletonList(more)));
    TResult appended = client.append(table, new TAppend(row("c"), Collections.singletonList(more)));
    equal(text(appended.getColumnValues().get(0).getValue()), "abab");
    equal(client.checkAndPut(table, row("c"), bytes("a"), bytes("s"), bytes("abab"), toPut("c", value("s", "z", 1L << 50))), true);
  }

  private static void scanners() throws Exception {
    for (int number = 0; number < 5; number++) put("s" + number, value("n", "" + number, 1));
    TScan scan = new TScan();
    scan.setStartRow(row("s"));
    scan.setStopRow(row("t"));
    scan.setFilterString(bytes("ValueFilter(!=, 'binary:3')"));
    int scanner = client.openScanner(table, scan);
    List<String> rows = new ArrayList<>();
    for (List<TResult> some = client.getScannerRows(scanner, 2); !some.isEmpty(); some = client.getScannerRows(scanner, 2)) {
      for (TResult one : some) rows.add(text(one.getRow()).substring(prefix.length()));
    }
    client.closeScanner(scanner);
    equal(rows, Arrays.asList("s0", "s1", "s2", "s4"));
  }

  private static void refusals() throws Exception {
    try {
      client.get(bytes("nobody"), new TGet(row("r")));
      throw new AssertionError("TIOError was not thrown");
    } catch (TIOError error) {
      equal(error.getMessage(), "nobody");
    }
    try {
      client.getScannerRows(1_000_000, 1);
      throw new AssertionError("TIllegalArgument was not thrown");
    } catch (TIllegalArgument error) {
      equal(error.getMessage(), "Invalid scanner Id");
    }
  }

  private static void server() throws Exception {
    equal(client.getThriftServerType(), TThriftServerType.TWO);
    equal(client.tableExists(new TTableName(table)), true);
    equal(client.getTableDescriptor(new TTableName(table)).getColumnsSize() > 0, true);
  }

  private static void put(String key, TColumnValue... values) throws Exception {
    client.put(table, toPut(key, values));
  }

  private static TPut toPut(String key, TColumnValue... values) {
    return new TPut(row(key), Arrays.asList(values));
  }

  private static TColumnValue value(String qualifier, String value, long timestamp) {
    TColumnValue column = new TColumnValue(bytes("a"), bytes(qualifier), bytes(value));
    column.setTimestamp(timestamp);
    return column;
  }

  private static ByteBuffer row(String key) {
    return bytes(prefix + key);
  }

  private static ByteBuffer bytes(String text) {
    return ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  private static void equal(Object actual, Object expected) {
    if (!actual.equals(expected)) throw new AssertionError(actual + " is not " + expected);
  }

  private static void check(String name, Check check) {
    try {
      check.run();
      System.out.println("ok " + name);
    } catch (Throwable error) {
      System.out.println("not ok " + name + ": " + error);
    }
  }
}
