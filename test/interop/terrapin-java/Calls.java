import static java.nio.charset.StandardCharsets.ISO_8859_1;

import com.twitter.finagle.Service;
import com.twitter.finagle.thrift.ThriftClientRequest;
import com.twitter.util.Await;
import com.twitter.util.Duration;
import com.twitter.util.Future;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TField;
import org.apache.thrift.protocol.TList;
import org.apache.thrift.protocol.TMap;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.protocol.TProtocolUtil;
import org.apache.thrift.protocol.TStruct;
import org.apache.thrift.protocol.TType;
import org.apache.thrift.transport.TMemoryBuffer;
import org.apache.thrift.transport.TMemoryInputTransport;

/**
 * Terrapin's calls by libthrift's own protocol, over a service of Finagle's. Keys and values are texts of one character a
 * byte; an answer is a text: `value V`, `error CODE`, `missing`, `refused CODE MESSAGE`, or a map of those.
 */
class Calls {
  interface Body {
    void write(TProtocol output) throws Exception;
  }

  private final Service<ThriftClientRequest, byte[]> service;

  Calls(Service<ThriftClientRequest, byte[]> service) {
    this.service = service;
  }

  /** The request's struct is the call's only argument. */
  Future<byte[]> start(String method, Body body) throws Exception {
    TMemoryBuffer buffer = new TMemoryBuffer(512);
    TProtocol output = new TBinaryProtocol(buffer);
    output.writeMessageBegin(new TMessage(method, TMessageType.CALL, 0));
    output.writeFieldBegin(new TField("request", TType.STRUCT, (short) 1));
    body.write(output);
    output.writeFieldStop();
    output.writeFieldStop();
    output.writeMessageEnd();
    byte[] message = Arrays.copyOf(buffer.getArray(), buffer.length());
    return service.apply(new ThriftClientRequest(message, false));
  }

  static byte[] wait(Future<byte[]> answer) throws Exception {
    return Await.result(answer, Duration.fromSeconds(20));
  }

  Future<byte[]> startGet(List<String> clusters, String fileSet, String key) throws Exception {
    return start("get", output -> {
      writeHead(output, clusters, fileSet);
      output.writeFieldBegin(new TField("key", TType.STRING, (short) 3));
      writeBytes(output, key);
    });
  }

  String get(List<String> clusters, String fileSet, String key) throws Exception {
    return read(wait(startGet(clusters, fileSet, key)), false);
  }

  String multiGet(List<String> clusters, String fileSet, List<String> keys) throws Exception {
    return read(wait(start("multiGet", output -> {
      writeHead(output, clusters, fileSet);
      writeKeys(output, 3, keys);
    })), true);
  }

  /** Of TerrapinServerInternal. */
  String getInternally(String resource, String partition, List<String> keys) throws Exception {
    return read(wait(start("get", output -> {
      output.writeFieldBegin(new TField("keyList", TType.LIST, (short) 1));
      output.writeListBegin(new TList(TType.STRUCT, 1));
      writeKeys(output, 1, keys);
      output.writeFieldBegin(new TField("resource", TType.STRING, (short) 2));
      output.writeString(resource);
      output.writeFieldBegin(new TField("partition", TType.STRING, (short) 3));
      output.writeString(partition);
      output.writeFieldStop();
    })), true);
  }

  private static void writeHead(TProtocol output, List<String> clusters, String fileSet) throws Exception {
    output.writeFieldBegin(new TField("clusterList", TType.LIST, (short) 1));
    output.writeListBegin(new TList(TType.STRING, clusters.size()));
    for (String cluster : clusters) output.writeString(cluster);
    output.writeFieldBegin(new TField("fileSet", TType.STRING, (short) 2));
    output.writeString(fileSet);
  }

  private static void writeKeys(TProtocol output, int id, List<String> keys) throws Exception {
    output.writeFieldBegin(new TField("keys", TType.LIST, (short) id));
    output.writeListBegin(new TList(TType.STRING, keys.size()));
    for (String key : keys) writeBytes(output, key);
  }

  private static void writeBytes(TProtocol output, String bytes) throws Exception {
    output.writeBinary(ByteBuffer.wrap(bytes.getBytes(ISO_8859_1)));
  }

  static String text(ByteBuffer bytes) {
    return ISO_8859_1.decode(bytes).toString();
  }

  static String read(byte[] answer, boolean isMap) throws Exception {
    TProtocol input = new TBinaryProtocol(new TMemoryInputTransport(answer));
    if (input.readMessageBegin().type == TMessageType.EXCEPTION) {
      TApplicationException error = new TApplicationException();
      error.read(input);
      throw error;
    }
    TField field = input.readFieldBegin();
    if (field.id == 1) return readException(input);
    if (field.id != 0 || field.type != TType.STRUCT) throw new IllegalStateException("no result but field " + field);
    return isMap ? readMap(input) : readSingle(input);
  }

  private static String readMap(TProtocol input) throws Exception {
    if (input.readFieldBegin().type != TType.MAP) throw new IllegalStateException("no map");
    TMap head = input.readMapBegin();
    Map<String, String> answers = new TreeMap<>();
    for (int at = 0; at < head.size; at++) answers.put(text(input.readBinary()), readSingle(input));
    return answers.toString();
  }

  private static String readSingle(TProtocol input) throws Exception {
    String answer = "missing";
    for (TField field = input.readFieldBegin(); field.type != TType.STOP; field = input.readFieldBegin()) {
      if (field.id == 1) answer = "value " + text(input.readBinary());
      else if (field.id == 2) answer = "error " + input.readI32();
      else TProtocolUtil.skip(input, field.type);
    }
    return answer;
  }

  private static String readException(TProtocol input) throws Exception {
    String message = "";
    int code = 0;
    for (TField field = input.readFieldBegin(); field.type != TType.STOP; field = input.readFieldBegin()) {
      if (field.id == 1) message = input.readString();
      else code = input.readI32();
    }
    return "refused " + code + " " + message;
  }
}
