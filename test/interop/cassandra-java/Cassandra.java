import java.io.File;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.cassandra.service.CassandraDaemon;

/**
 * One node of Apache Cassandra on loopback, with its files in a folder.
 *
 * <p>usage: java Cassandra FOLDER
 *
 * <p>Prints `ready PORT`, that of the native protocol, and ends with its standard input.
 */
public class Cassandra {
  public static void main(String[] args) throws Exception {
    int[] ports = freePorts(3);
    File folder = new File(args[0]);
    File file = new File(folder, "cassandra.yaml");
    Files.write(file.toPath(), configuration(folder, ports).getBytes(StandardCharsets.UTF_8));
    set("cassandra.config", file.toURI().toString());
    set("cassandra.storagedir", folder.getPath());
    set("cassandra-foreground", "yes");
    // There is nobody to wait for.
    set("cassandra.ring_delay_ms", "0");
    set("cassandra.skip_wait_for_gossip_to_settle", "0");
    set("cassandra.start_rpc", "false");
    new CassandraDaemon(true).activate();
    System.out.println("ready " + ports[0]);
    while (System.in.read() >= 0) continue;
    Runtime.getRuntime().halt(0);
  }

  private static void set(String name, String value) {
    System.setProperty(name, value);
  }

  private static String configuration(File folder, int[] ports) {
    List<String> lines =
        new ArrayList<>(
            Arrays.asList(
                "cluster_name: interop",
                "num_tokens: 1",
                "partitioner: org.apache.cassandra.dht.Murmur3Partitioner",
                "endpoint_snitch: SimpleSnitch",
                "listen_address: 127.0.0.1",
                "rpc_address: 127.0.0.1",
                "native_transport_port: " + ports[0],
                "storage_port: " + ports[1],
                "ssl_storage_port: " + ports[2],
                "start_native_transport: true",
                "seed_provider:",
                "  - class_name: org.apache.cassandra.locator.SimpleSeedProvider",
                "    parameters: [{ seeds: 127.0.0.1 }]",
                "commitlog_sync: periodic",
                "commitlog_sync_period_in_ms: 10000",
                "commitlog_segment_size_in_mb: 8",
                "disk_failure_policy: stop",
                "auto_snapshot: false"));
    for (String name : Arrays.asList("commitlog", "saved_caches", "hints"))
      lines.add(name + "_directory: " + new File(folder, name).getPath());
    lines.add("data_file_directories: [" + new File(folder, "data").getPath() + "]");
    return String.join("\n", lines) + "\n";
  }

  private static int[] freePorts(int count) throws Exception {
    int[] ports = new int[count];
    List<ServerSocket> held = new ArrayList<>();
    for (int index = 0; index < count; index++) {
      ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
      held.add(socket);
      ports[index] = socket.getLocalPort();
    }
    for (ServerSocket socket : held) socket.close();
    return ports;
  }
}
