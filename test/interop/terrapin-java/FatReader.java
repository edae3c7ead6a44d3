import com.twitter.finagle.Service;
import com.twitter.finagle.Thrift;
import com.twitter.finagle.thrift.ThriftClientRequest;
import com.twitter.util.Await;
import com.twitter.util.Duration;
import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;
import org.codehaus.jackson.map.ObjectMapper;

/**
 * Reads a file set as Terrapin's fat client does: nodes by ZooKeeper's own client, JSON by a parser that refuses unknown
 * names, the host by the partition's number, values by Finagle. Written from the published format of the nodes.
 *
 * <p>usage: java FatReader ZOOKEEPER_PORT CLUSTER FILE_SET INTERNAL_PORT SWAPS
 *
 * <p>Prints one line a check, `ok NAME` or `not ok NAME: REASON`. The last check reads until the file set has changed its
 * version SWAPS times, and prints `now RESOURCE` for each version that it meets.
 */
public class FatReader {
  public static class ServingInfo {
    public String hdfsPath;
    public String helixResource;
    public int numPartitions;
    public String partitionerType;
  }

  public static class FileSetInfo {
    public String fileSetName;
    public int numVersionsToKeep;
    public ServingInfo servingInfo;
    public List<ServingInfo> oldServingInfoList;
    public boolean valid;
    public boolean deleted;
  }

  public static class ViewInfo {
    public String resource;
    public Map<String, List<String>> partitionMap;
  }

  interface Check {
    void run() throws Exception;
  }

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int PATIENCE_S = 60;
  private final ZooKeeper zookeeper;
  private final String cluster;
  private final String fileSet;
  private final String port;
  private final Map<String, Service<ThriftClientRequest, byte[]>> services = new LinkedHashMap<>();

  FatReader(ZooKeeper zookeeper, String[] args) {
    this.zookeeper = zookeeper;
    cluster = args[1];
    fileSet = args[2];
    port = args[3];
  }

  FileSetInfo info() throws Exception {
    return JSON.readValue(zookeeper.getData("/" + cluster + "/filesets/" + fileSet, false, null), FileSetInfo.class);
  }

  ViewInfo view(String resource) throws Exception {
    byte[] packed = zookeeper.getData("/" + cluster + "/views/" + resource, false, null);
    return JSON.readValue(new GZIPInputStream(new ByteArrayInputStream(packed)).readAllBytes(), ViewInfo.class);
  }

  /** The partition of a key, as Hadoop's hash of its bytes says. */
  static int partitionOf(String key, int partitions) {
    int hash = 1;
    for (byte one : key.getBytes(java.nio.charset.StandardCharsets.ISO_8859_1)) hash = 31 * hash + one;
    return (hash & Integer.MAX_VALUE) % partitions;
  }

  String get(String key) throws Exception {
    ServingInfo serving = info().servingInfo;
    String partition = String.valueOf(partitionOf(key, serving.numPartitions));
    List<String> hosts = view(serving.helixResource).partitionMap.get(serving.helixResource + "$" + partition);
    String host = hosts.get(Math.floorMod(partition.hashCode(), hosts.size()));
    Service<ThriftClientRequest, byte[]> service =
        services.computeIfAbsent(host, name -> Thrift.client().newService(name + ":" + port, "fat"));
    return new Calls(service).getInternally(serving.helixResource, partition, List.of(key));
  }

  static void equal(Object actual, Object expected) {
    if (!expected.equals(actual)) throw new AssertionError(actual + " is not " + expected);
  }

  Map<String, Check> checks(int swaps) {
    Map<String, Check> checks = new LinkedHashMap<>();
    checks.put("the_file_set_is_published", () -> {
      FileSetInfo info = info();
      equal(info.fileSetName, fileSet);
      equal(info.valid, true);
      equal(info.deleted, false);
      equal(info.servingInfo.hdfsPath.replace('/', '$'), info.servingInfo.helixResource);
      equal(info.servingInfo.partitionerType, "MODULUS");
      equal(view(info.servingInfo.helixResource).resource, info.servingInfo.helixResource);
    });
    checks.put("values_empty_ones_and_missing_ones", () -> {
      equal(get("000999"), "{000999=value v1000}");
      equal(get("000001"), "{000001=value }");
      equal(get("none"), "{}");
    });
    checks.put("no_read_fails_while_versions_change", () -> {
      Set<String> seen = new LinkedHashSet<>();
      List<String> order = new ArrayList<>();
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
      while (order.size() <= swaps) {
        if (System.nanoTime() > until) throw new AssertionError("only these versions were seen: " + order);
        String resource = info().servingInfo.helixResource;
        if (order.isEmpty() || !order.get(order.size() - 1).equals(resource)) {
          order.add(resource);
          System.out.println("now " + resource);
        }
        seen.add(get("000002"));
      }
      equal(seen, Set.of("{000002=value v3}"));
    });
    return checks;
  }

  void close() throws Exception {
    for (Service<ThriftClientRequest, byte[]> service : services.values())
      Await.result(service.close(), Duration.fromSeconds(10));
    zookeeper.close();
  }

  public static void main(String[] args) throws Exception {
    CountDownLatch connected = new CountDownLatch(1);
    ZooKeeper zookeeper = new ZooKeeper("127.0.0.1:" + args[0], 10_000, event -> {
      if (event.getState() == Watcher.Event.KeeperState.SyncConnected) connected.countDown();
    });
    if (!connected.await(10, TimeUnit.SECONDS)) throw new IllegalStateException("no ZooKeeper at port " + args[0]);
    FatReader reader = new FatReader(zookeeper, args);
    String path = "/" + args[1] + "/filesets/" + args[2];
    for (int look = 0; look < 100 && zookeeper.exists(path, false) == null; look++) Thread.sleep(100);
    int failed = 0;
    for (Map.Entry<String, Check> check : reader.checks(Integer.parseInt(args[4])).entrySet()) {
      try {
        check.getValue().run();
        System.out.println("ok " + check.getKey());
      } catch (Throwable error) {
        failed++;
        System.out.println("not ok " + check.getKey() + ": " + error);
      }
    }
    reader.close();
    System.exit(failed == 0 ? 0 : 1);
  }
}
