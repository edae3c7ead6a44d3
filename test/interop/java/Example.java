import static java.nio.charset.StandardCharsets.UTF_8;

import dev.godwit.kvstore.*;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.List;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.layered.TFramedTransport;

/**
 * The KVStore API with libthrift from Maven Central.
 *
 * <p>usage: java Example PORT DATASET
 *
 * <p>Before: thrift --gen java:generated_annotations=suppress -out generated idl/kvstore.thrift
 */
public class Example {
  static ByteBuffer bytes(String text) {
    return ByteBuffer.wrap(text.getBytes(UTF_8));
  }

  static Cell cell(String column, String value) {
    return new Cell(bytes(value)).setLocalKey(bytes(column));
  }

  static String yesOrNo(boolean is) {
    return is ? "yes" : "no";
  }

  public static void main(String[] arguments) throws Exception {
    String dataset = arguments[1];
    TTransport transport = new TFramedTransport(new TSocket("127.0.0.1", Integer.parseInt(arguments[0])));
    KVStore.Client client = new KVStore.Client(new TBinaryProtocol(transport));
    transport.open();

    // A row is a key with columns; keys and values are bytes.
    List<Cell> columns = List.of(cell("city", "London"), cell("job", "analyst"));
    client.put(new PutRequest(dataset, bytes("ada")).setCells(columns));
    client.put(new PutRequest(dataset, bytes("adam")).setCells(List.of(cell("city", "Edinburgh"))));
    CellSelector city = new CellSelector().setLocalKeys(List.of(bytes("city")));
    GetResponse row = client.get(new GetRequest(dataset, bytes("ada")).setCells(city));
    System.out.println("ada is in " + new String(row.getCells().get(0).getValue(), UTF_8));

    // A change on a condition, with a token that makes it safe to repeat.
    byte[] nonce = new byte[16];
    new SecureRandom().nextBytes(nonce);
    IdempotencyToken token = new IdempotencyToken(System.currentTimeMillis() * 1000, ByteBuffer.wrap(nonce));
    Mutation toParis = Mutation.put(new PutMutation().setCells(List.of(cell("city", "Paris"))));
    Condition isInLondon =
        new Condition().setLocalKey(bytes("city")).setComparison(Comparison.EQUAL).setValue(bytes("London"));
    MutateRequest change =
        new MutateRequest(dataset, bytes("ada"), List.of(toParis))
            .setConditions(List.of(isInLondon))
            .setOptions(new WriteOptions().setIdempotencyToken(token));
    System.out.println("moved: " + yesOrNo(client.mutate(change).isApplied()));
    System.out.println("repeated: " + yesOrNo(client.mutate(change).getWrite().isRepeated()));

    CounterDelta visit = new CounterDelta(3).setLocalKey(bytes("paris"));
    IncrementRequest add = new IncrementRequest(dataset, bytes("visits"), List.of(visit));
    System.out.println("visits: " + client.increment(add).getCounters().get(0).getValue());

    // Pages: the token of one is given for the next, until there is none.
    ScanRequest scan = new ScanRequest(dataset).setKeyPrefix(bytes("ada")).setPageRows(1);
    int rows = 0;
    for (ByteBuffer page = ByteBuffer.allocate(0); page != null; ) {
      ScanResponse answer = client.scan(scan);
      rows += answer.getRowsSize();
      page = answer.isSetNextPageToken() ? answer.bufferForNextPageToken() : null;
      scan.setPageToken(page);
    }
    System.out.println("rows: " + rows);

    try {
      client.get(new GetRequest("nowhere", bytes("k")));
    } catch (KVStoreException exception) {
      ErrorDetail error = exception.getError();
      System.out.println("error: " + error.getCode() + ", retry: " + yesOrNo(error.isRetryable()));
    }
    transport.close();
  }
}
