import static java.nio.charset.StandardCharsets.UTF_8;

import dev.godwit.kvstore.*;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TCompactProtocol;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.layered.TFramedTransport;

/**
 * Checks of the KVStore API with libthrift and unedited generated code.
 *
 * <p>usage: java Checks PORT DATASET framed|buffered binary|compact
 *
 * <p>Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
 */
public class Checks {
  interface Check {
    void run() throws Exception;
  }

  private final KVStore.Client client;
  private final String dataset;
  private final byte[] prefix;

  Checks(KVStore.Client client, String dataset, String prefix) {
    this.client = client;
    this.dataset = dataset;
    this.prefix = prefix.getBytes(UTF_8);
  }

  static byte[] allBytes() {
    byte[] bytes = new byte[256];
    for (int index = 0; index < 256; index++) bytes[index] = (byte) index;
    return bytes;
  }

  static ByteBuffer bytes(String text) {
    return ByteBuffer.wrap(text.getBytes(UTF_8));
  }

  static String text(byte[] bytes) {
    return bytes == null ? null : new String(bytes, UTF_8);
  }

  ByteBuffer key(byte[] name) {
    ByteArrayOutputStream key = new ByteArrayOutputStream();
    key.writeBytes(prefix);
    key.writeBytes(name);
    return ByteBuffer.wrap(key.toByteArray());
  }

  ByteBuffer key(String name) {
    return key(name.getBytes(UTF_8));
  }

  PutRequest put(String name) {
    return new PutRequest(dataset, key(name));
  }

  GetRequest get(String name) {
    return new GetRequest(dataset, key(name));
  }

  static Cell cell(String column, String value) {
    return new Cell(bytes(value)).setLocalKey(bytes(column));
  }

  static CellSelector only(String... columns) {
    return new CellSelector().setLocalKeys(Arrays.stream(columns).map(Checks::bytes).toList());
  }

  static List<String> columns(List<Cell> cells) {
    if (cells == null) return List.of();
    return cells.stream().map(cell -> text(cell.getLocalKey()) + "=" + text(cell.getValue())).toList();
  }

  static void equal(Object actual, Object expected) {
    if (!Objects.deepEquals(actual, expected)) throw new AssertionError(actual + " is not " + expected);
  }

  static ErrorDetail refusal(Check call) throws Exception {
    try {
      call.run();
    } catch (KVStoreException exception) {
      equal(exception.getMessage(), exception.getError().getMessage());
      return exception.getError();
    }
    throw new AssertionError("the call succeeded");
  }

  void timestampsKeep64Bits() throws Exception {
    for (long timestamp : new long[] {Long.MIN_VALUE, -1, 0, (1L << 53) + 1, Long.MAX_VALUE}) {
      String name = "at " + timestamp;
      equal(client.put(put(name).setValue(bytes("v")).setTimestamp(timestamp)).getTimestamp(), timestamp);
      ReadOptions options = new ReadOptions().setWithTimestamps(true);
      equal(client.get(get(name).setOptions(options)).getTimestamp(), timestamp);
    }
  }

  void bytesThatAreNotUtf8AreKept() throws Exception {
    byte[] all = allBytes();
    List<Cell> cells = List.of(new Cell(ByteBuffer.wrap(all)).setLocalKey(all));
    client.put(new PutRequest(dataset, key(all)).setValue(all).setCells(cells));
    GetResponse row = client.get(new GetRequest(dataset, key(all)));
    equal(row.getValue(), all);
    equal(row.getCells().get(0).getLocalKey(), all);
    equal(row.getCells().get(0).getValue(), all);
  }

  void emptyValuesAreValues() throws Exception {
    client.put(put("empty").setValue(bytes("")));
    equal(client.get(get("empty")).getValue(), new byte[0]);
    equal(client.get(get("never written")).isSetValue(), false);
  }

  void valuesOf4MebibytesComeBack() throws Exception {
    byte[] value = new byte[4 * 1024 * 1024];
    for (int index = 0; index < value.length; index++) value[index] = (byte) index;
    client.put(put("large").setValue(value));
    equal(Arrays.equals(client.get(get("large")).getValue(), value), true);
  }

  void columnsAreSelected() throws Exception {
    client.put(put("row").setCells(List.of(cell("c", "C"), cell("a", "A"), cell("b", "B"))));
    equal(columns(client.get(get("row")).getCells()), List.of("a=A", "b=B", "c=C"));
    equal(columns(client.get(get("row").setCells(only("b", "x"))).getCells()), List.of("b=B"));
  }

  void manyKeysAreAnsweredByPosition() throws Exception {
    client.put(put("m1").setValue(bytes("1")));
    client.put(put("m2").setValue(bytes("2")));
    List<ByteBuffer> keys = List.of(key("m2"), key("none"), key("m1"), key("m2"));
    List<RowResult> rows = client.multiGet(new MultiGetRequest(dataset, keys)).getRows();
    equal(rows.stream().map(row -> "" + text(row.getValue())).toList(), List.of("2", "null", "1", "2"));
  }

  void rowsAndColumnsAreRemoved() throws Exception {
    client.put(put("gone").setCells(List.of(cell("a", "1"), cell("b", "2"))));
    client.remove(new DeleteRequest(dataset, key("gone")).setCells(only("a")));
    equal(columns(client.get(get("gone")).getCells()), List.of("b=2"));
    client.remove(new DeleteRequest(dataset, key("gone")));
    equal(client.get(get("gone")).isSetCells(), false);
  }

  void rowsWrittenTogetherAreScannedByPages() throws Exception {
    TreeSet<ByteBuffer> keys = new TreeSet<>();
    for (int index = 0; index < 5; index++) keys.add(key("scan " + index));
    List<Mutation> mutations = List.of(Mutation.put(new PutMutation().setValue(bytes("v"))));
    List<RowMutations> rows = keys.stream().map(key -> new RowMutations(key, mutations)).toList();
    for (RowWriteResult row : client.multiMutate(new MultiMutateRequest(dataset, rows)).getRows()) {
      equal(row.getError(), null);
    }
    ScanRequest scan = new ScanRequest(dataset).setKeyPrefix(key("scan ")).setPageRows(2);
    List<ByteBuffer> found = new ArrayList<>();
    int pages = 0;
    do {
      ScanResponse page = client.scan(scan);
      for (RowResult row : page.getRows()) found.add(ByteBuffer.wrap(row.getKey()));
      scan.setPageToken(page.getNextPageToken());
      pages++;
    } while (scan.isSetPageToken());
    Collections.sort(found);
    equal(found, new ArrayList<>(keys));
    equal(pages >= 3, true);
  }

  void aChangeIsMadeOnItsConditionOnly() throws Exception {
    client.put(put("state").setCells(List.of(cell("s", "new"))));
    Condition isNew = new Condition().setLocalKey(bytes("s")).setComparison(Comparison.EQUAL).setValue(bytes("new"));
    Mutation finish = Mutation.put(new PutMutation().setCells(List.of(cell("s", "done"))));
    MutateRequest change =
        new MutateRequest(dataset, key("state"), List.of(finish))
            .setConditions(List.of(isNew))
            .setReturnOnConflict(only("s"));
    equal(client.mutate(change).isApplied(), true);
    MutateResponse second = client.mutate(change);
    equal(second.isApplied(), false);
    equal(columns(second.getRow().getCells()), List.of("s=done"));
  }

  void countersCountIn64Bits() throws Exception {
    for (long delta : new long[] {Long.MIN_VALUE, Long.MAX_VALUE}) {
      List<CounterDelta> deltas = List.of(new CounterDelta(delta).setLocalKey(bytes(delta < 0 ? "least" : "most")));
      IncrementResponse answer = client.increment(new IncrementRequest(dataset, key("counters"), deltas));
      equal(answer.getCounters().get(0).getValue(), delta);
    }
    List<ByteBuffer> names = List.of(bytes("least"), bytes("most"), bytes("none"));
    GetCountersRequest request = new GetCountersRequest(dataset, List.of(key("counters")), names);
    List<CounterValue> counters = client.getCounters(request).getRows().get(0).getCounters();
    List<Long> values = counters.stream().map(CounterValue::getValue).toList();
    equal(values, List.of(Long.MIN_VALUE, Long.MAX_VALUE, 0L));
    equal(counters.stream().map(CounterValue::isMissing).toList(), List.of(false, false, true));
  }

  void errorsCarryCodeKindAndRetryability() throws Exception {
    ErrorDetail missing = refusal(() -> client.get(new GetRequest("nowhere", bytes("k"))));
    equal(missing.getCode(), ErrorCode.DATASET_NOT_FOUND);
    equal(missing.getKind(), ErrorKind.CALLER);
    equal(missing.isSetRetryable() && !missing.isRetryable(), true);
    ErrorDetail large = refusal(() -> client.put(put("x".repeat(65_536)).setValue(bytes("v"))));
    equal(large.getCode(), ErrorCode.TOO_LARGE);
    equal(large.getKind(), ErrorKind.CAPACITY);
    equal(large.getOutcome(), WriteOutcome.NOT_APPLIED);
  }

  void datasetAndServerDescribeThemselves() throws Exception {
    DatasetInfo info = client.describeDataset(dataset);
    equal(info.getName(), dataset);
    equal(info.getOwner(), "tests");
    equal(info.getMode(), DatasetMode.READ_WRITE);
    equal(client.describeServer().getApiVersion(), 1);
  }

  Map<String, Check> all() {
    Map<String, Check> checks = new LinkedHashMap<>();
    checks.put("timestamps_keep_64_bits", this::timestampsKeep64Bits);
    checks.put("bytes_that_are_not_utf8_are_kept", this::bytesThatAreNotUtf8AreKept);
    checks.put("empty_values_are_values", this::emptyValuesAreValues);
    checks.put("values_of_4_mebibytes_come_back", this::valuesOf4MebibytesComeBack);
    checks.put("columns_are_selected", this::columnsAreSelected);
    checks.put("many_keys_are_answered_by_position", this::manyKeysAreAnsweredByPosition);
    checks.put("rows_and_columns_are_removed", this::rowsAndColumnsAreRemoved);
    checks.put("rows_written_together_are_scanned_by_pages", this::rowsWrittenTogetherAreScannedByPages);
    checks.put("a_change_is_made_on_its_condition_only", this::aChangeIsMadeOnItsConditionOnly);
    checks.put("counters_count_in_64_bits", this::countersCountIn64Bits);
    checks.put("errors_carry_code_kind_and_retryability", this::errorsCarryCodeKindAndRetryability);
    checks.put("dataset_and_server_describe_themselves", this::datasetAndServerDescribeThemselves);
    return checks;
  }

  public static void main(String[] arguments) throws Exception {
    TSocket socket = new TSocket("127.0.0.1", Integer.parseInt(arguments[0]));
    // A TSocket buffers by itself: without a frame it is the buffered transport.
    TTransport transport = arguments[2].equals("framed") ? new TFramedTransport(socket) : socket;
    TProtocol protocol =
        arguments[3].equals("binary") ? new TBinaryProtocol(transport) : new TCompactProtocol(transport);
    transport.open();
    String prefix = "java-" + arguments[2] + "-" + arguments[3] + "-";
    Checks checks = new Checks(new KVStore.Client(protocol), arguments[1], prefix);
    int failed = 0;
    for (Map.Entry<String, Check> check : checks.all().entrySet()) {
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
