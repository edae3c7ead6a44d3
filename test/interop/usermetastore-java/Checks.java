import static java.nio.charset.StandardCharsets.UTF_8;

import dev.godwit.usermetastore.*;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TCompactProtocol;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.layered.TFramedTransport;

/**
 * Checks of UserMetaStore with libthrift and unedited generated code.
 *
 * <p>usage: java Checks PORT TABLE framed|buffered binary|compact
 *
 * <p>TABLE is empty, keeps keys in order and three versions of a cell. Prints one line a check, `ok NAME` or `not ok NAME:
 * REASON`, and ends with 1 when any failed.
 */
public class Checks {
  interface Step {
    void run() throws Exception;
  }

  private final UserMetaStore.Client client;
  private final String table;

  Checks(UserMetaStore.Client client, String table) {
    this.client = client;
    this.table = table;
  }

  static ByteBuffer bytes(String text) {
    return ByteBuffer.wrap(text.getBytes(UTF_8));
  }

  static ByteBuffer bytes(int... values) {
    byte[] bytes = new byte[values.length];
    for (int index = 0; index < values.length; index++) bytes[index] = (byte) values[index];
    return ByteBuffer.wrap(bytes);
  }

  static String text(byte[] bytes) {
    return bytes == null ? null : new String(bytes, UTF_8);
  }

  static Cell cell(String column, String value) {
    return new Cell(bytes(column), bytes(value));
  }

  static Cell cell(String column, String value, long timestamp) {
    return cell(column, value).setTimestamp(timestamp);
  }

  WriteResult put(String key, Cell... cells) throws Exception {
    return client.put(new PutRequest(table, bytes(key), List.of(cells)));
  }

  List<Cell> cells(ByteBuffer key, ColumnSelector columns) throws Exception {
    ReadOptions options = new ReadOptions().setWithTimestamps(true);
    Row row = client.get(new GetRequest(table, key).setColumns(columns).setOptions(options));
    equal(ByteBuffer.wrap(row.getKey()), key);
    return row.getCells();
  }

  List<String> texts(String key, ColumnSelector columns) throws Exception {
    return cells(bytes(key), columns).stream()
        .map(cell -> text(cell.getColumn()) + "=" + text(cell.getValue()))
        .toList();
  }

  List<String> texts(String key) throws Exception {
    return texts(key, new ColumnSelector());
  }

  IncrementRequest increment(String key, long delta) {
    return new IncrementRequest(table, bytes(key), List.of(new CounterDelta(bytes("n"), delta)));
  }

  List<Long> values(IncrementRequest request) throws Exception {
    return client.increment(request).getValues().stream().map(CounterValue::getValue).toList();
  }

  static void equal(Object actual, Object expected) {
    if (!Objects.deepEquals(actual, expected)) throw new AssertionError(actual + " is not " + expected);
  }

  static UmsError refused(UmsErrorCode code, Step call) throws Exception {
    try {
      call.run();
    } catch (UmsException exception) {
      equal(exception.getMessage(), exception.getError().getMessage());
      equal(exception.getError().getCode(), code);
      return exception.getError();
    }
    throw new AssertionError("the call succeeded");
  }

  void bytesThatAreNotUtf8AreKept() throws Exception {
    ByteBuffer all = bytes(IntStream.range(0, 256).toArray());
    List<Cell> written =
        List.of(new Cell(all, all), new Cell(bytes(""), bytes(0x80)), new Cell(bytes("f\0q"), bytes(0xff)));
    client.put(new PutRequest(table, all, written));
    List<Cell> found = cells(all, new ColumnSelector());
    equal(found.stream().map(cell -> ByteBuffer.wrap(cell.getColumn())).toList(), List.of(bytes(""), all, bytes("f\0q")));
    equal(found.stream().map(cell -> ByteBuffer.wrap(cell.getValue())).toList(), List.of(bytes(0x80), all, bytes(0xff)));
  }

  void anEmptyValueIsNoMissingColumn() throws Exception {
    put("empty", cell("c", ""));
    equal(texts("empty"), List.of("c="));
    equal(texts("empty", new ColumnSelector().setColumns(List.of(bytes("d")))), List.of());
    equal(texts("nothing"), List.of());
  }

  void timestampsAndCountersKeep64Bits() throws Exception {
    long time = Long.MAX_VALUE - 1;
    equal(put("times", cell("c", "v", time)).getTimestamp(), time);
    equal(cells(bytes("times"), new ColumnSelector()).get(0).getTimestamp(), time);
    equal(values(increment("counter", Long.MAX_VALUE)), List.of(Long.MAX_VALUE));
    equal(values(increment("counter", 1)), List.of(Long.MIN_VALUE));
  }

  void versionsComeNewestFirst() throws Exception {
    put("versions", LongStream.of(10, 40, 20, 30).mapToObj(time -> cell("c", "" + time, time)).toArray(Cell[]::new));
    ColumnSelector all = new ColumnSelector().setMaxVersions(9);
    equal(texts("versions", all), List.of("c=40", "c=30", "c=20"));
    equal(texts("versions", all.setMinTimestamp(20).setMaxTimestamp(40)), List.of("c=30", "c=20"));
  }

  void rowsAreRemovedUpToATime() throws Exception {
    put("removed", cell("a", "old", 10), cell("b", "new", 30));
    client.remove(new DeleteRequest(table, bytes("removed")).setTimestamp(20));
    equal(texts("removed"), List.of("b=new"));
    put("removed", cell("a", "late", 15));
    equal(texts("removed"), List.of("b=new"));
  }

  static Check holds(String expected) {
    Check check = new Check(bytes("c"));
    return expected == null ? check : check.setExpected(bytes(expected));
  }

  CheckResult checkAndPut(String expected, String value) throws Exception {
    List<Cell> cells = List.of(cell("c", value));
    return client.checkAndPut(new CheckAndPutRequest(table, bytes("checked"), holds(expected), cells));
  }

  void aChangeIsMadeOnItsConditionOnly() throws Exception {
    CheckResult wrong = checkAndPut("v", "no");
    equal(List.of(wrong.isApplied(), wrong.isSetActual()), List.of(false, false));
    equal(checkAndPut(null, "v").isApplied(), true);
    CheckResult late = checkAndPut(null, "no");
    equal(List.of(late.isApplied(), text(late.getActual())), List.of(false, "v"));
    CheckAndDeleteRequest remove = new CheckAndDeleteRequest(table, bytes("checked"), holds("v"));
    equal(client.checkAndRemove(remove).isApplied(), true);
    equal(texts("checked"), List.of());
  }

  void aRepeatedIncrementCountsOnce() throws Exception {
    WriteOptions options =
        new WriteOptions().setRequestId(bytes(0xff, 0, 0x6a)).setDurability(WriteDurability.FORCED);
    for (int attempt = 0; attempt < 2; attempt++)
      equal(values(increment("retried", 5).setOptions(options)), List.of(5L));
    List<ByteBuffer> keys = List.of(bytes("retried"), bytes("no"));
    GetCountsResponse counts = client.getCounts(new GetCountsRequest(table, keys, List.of(bytes("n"))));
    List<CounterValue> found = counts.getRows().stream().map(row -> row.getValues().get(0)).toList();
    equal(found.stream().map(CounterValue::getValue).toList(), List.of(5L, 0L));
    equal(found.stream().map(CounterValue::isMissing).toList(), List.of(false, true));
  }

  Row append(int value) throws Exception {
    return client.append(new AppendRequest(table, bytes("log"), List.of(new Cell(bytes("c"), bytes(value)))));
  }

  void valuesGrow() throws Exception {
    append(0xff);
    equal(ByteBuffer.wrap(append(0).getCells().get(0).getValue()), bytes(0xff, 0));
  }

  void manyRowsAnswerEachForItself() throws Exception {
    List<RowPut> rows =
        Stream.of("m1", "", "m2").map(key -> new RowPut(bytes(key), List.of(cell("c", key)))).toList();
    List<WriteResult> results = client.multiPut(new MultiPutRequest(table, rows)).getResults();
    equal(
        results.stream().map(one -> one.isSetError() ? one.getError().getCode() : null).toArray(),
        new Object[] {null, UmsErrorCode.INVALID_REQUEST, null});
    List<ByteBuffer> keys = Stream.of("m2", "m3", "m1", "m2").map(Checks::bytes).toList();
    List<RowResult> found = client.multiGet(new MultiGetRequest(table, keys)).getRows();
    List<String> values =
        found.stream()
            .map(one -> String.join("", one.getRow().getCells().stream().map(cell -> text(cell.getValue())).toList()))
            .toList();
    equal(values, List.of("m2", "", "m1", "m2"));
    List<RowDelete> deletes =
        List.of(new RowDelete(bytes("m1")), new RowDelete(bytes("m2")).setColumns(List.of(bytes("x"))));
    client.multiRemove(new MultiDeleteRequest(table, deletes));
    equal(List.of(texts("m1"), texts("m2")), List.of(List.of(), List.of("c=m2")));
  }

  void columnsAndRowsAreScannedByPages() throws Exception {
    List<String> names = IntStream.range(0, 10).mapToObj(index -> "c0" + index).toList();
    List<String> keys = List.of("s1", "s2", "s3");
    for (String key : keys) put(key, names.stream().map(name -> cell(name, key)).toArray(Cell[]::new));
    List<String> columns = new ArrayList<>();
    ScanRowRequest ofRow = new ScanRowRequest(table, bytes("s1")).setPageSize(3);
    do {
      ScanRowResponse page = client.scanRow(ofRow);
      for (Cell cell : page.getCells()) columns.add(text(cell.getColumn()));
      ofRow.setPageToken(page.getNextPageToken());
    } while (ofRow.isSetPageToken());
    equal(columns, names);
    List<String> rows = new ArrayList<>();
    ColumnSelector two = new ColumnSelector().setLimit(2);
    ScanRequest scan = new ScanRequest(table).setKeyPrefix(bytes("s")).setColumns(two).setPageSize(2);
    do {
      ScanResponse page = client.scan(scan);
      for (Row row : page.getRows())
        rows.add(text(row.getKey()) + " " + row.getCellsSize() + " " + row.isTruncated());
      scan.setPageToken(page.getNextPageToken());
    } while (scan.isSetPageToken());
    equal(rows, keys.stream().map(key -> key + " 2 true").toList());
  }

  void tablesAreDescribed() throws Exception {
    TableInfo info = client.describeTable(table);
    equal(
        Arrays.asList(info.getName(), info.isOrdered(), info.isScannable(), info.getMaxVersions(), info.isReadOnly()),
        Arrays.asList(table, true, true, 3, false));
    equal(client.listTables().contains(table), true);
    equal(client.ping().getApiVersion(), usermetastoreConstants.UMS_API_VERSION);
  }

  void errorsCarryCodeRetryabilityAndOutcome() throws Exception {
    UmsError absent =
        refused(UmsErrorCode.TABLE_NOT_FOUND, () -> client.get(new GetRequest("nothing", bytes("k"))));
    equal(List.of(absent.isSetRetryable(), absent.isRetryable(), absent.isSetOutcome()), List.of(true, false, false));
    UmsError large = refused(UmsErrorCode.TOO_LARGE, () -> put("k".repeat(32_768), cell("c", "v")));
    equal(List.of(large.isSetRetryable(), large.isRetryable()), List.of(true, false));
    equal(large.getOutcome(), WriteOutcome.NOT_APPLIED);
    put("text", cell("n", "seven b"));
    refused(UmsErrorCode.NOT_A_COUNTER, () -> client.increment(increment("text", 1)));
    ScanRequest scan = new ScanRequest(table).setPageToken(bytes("made up"));
    refused(UmsErrorCode.BAD_PAGE_TOKEN, () -> client.scan(scan));
  }

  Map<String, Step> all() {
    Map<String, Step> checks = new LinkedHashMap<>();
    checks.put("bytes_that_are_not_utf8_are_kept", this::bytesThatAreNotUtf8AreKept);
    checks.put("an_empty_value_is_no_missing_column", this::anEmptyValueIsNoMissingColumn);
    checks.put("timestamps_and_counters_keep_64_bits", this::timestampsAndCountersKeep64Bits);
    checks.put("versions_come_newest_first", this::versionsComeNewestFirst);
    checks.put("rows_are_removed_up_to_a_time", this::rowsAreRemovedUpToATime);
    checks.put("a_change_is_made_on_its_condition_only", this::aChangeIsMadeOnItsConditionOnly);
    checks.put("a_repeated_increment_counts_once", this::aRepeatedIncrementCountsOnce);
    checks.put("values_grow", this::valuesGrow);
    checks.put("many_rows_answer_each_for_itself", this::manyRowsAnswerEachForItself);
    checks.put("columns_and_rows_are_scanned_by_pages", this::columnsAndRowsAreScannedByPages);
    checks.put("tables_are_described", this::tablesAreDescribed);
    checks.put("errors_carry_code_retryability_and_outcome", this::errorsCarryCodeRetryabilityAndOutcome);
    return checks;
  }

  public static void main(String[] arguments) throws Exception {
    TSocket socket = new TSocket("127.0.0.1", Integer.parseInt(arguments[0]));
    // A TSocket buffers by itself: without a frame it is the buffered transport.
    TTransport transport = arguments[2].equals("framed") ? new TFramedTransport(socket) : socket;
    TProtocol protocol =
        arguments[3].equals("binary") ? new TBinaryProtocol(transport) : new TCompactProtocol(transport);
    transport.open();
    Checks checks = new Checks(new UserMetaStore.Client(protocol), arguments[1]);
    int failed = 0;
    for (Map.Entry<String, Step> check : checks.all().entrySet()) {
      try {
        check.getValue().run();
        System.out.println("ok " + check.getKey());
      } catch (Exception | AssertionError error) {
        failed++;
        System.out.println("not ok " + check.getKey() + ": " + String.valueOf(error).replace('\n', ' '));
      }
    }
    transport.close();
    System.exit(failed == 0 ? 0 : 1);
  }
}
