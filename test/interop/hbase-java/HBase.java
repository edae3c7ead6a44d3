import java.io.File;
import java.net.ServerSocket;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.LocalHBaseCluster;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.zookeeper.MiniZooKeeperCluster;

/**
 * Apache HBase in one JVM on loopback and local files, with both of its Thrift servers.
 *
 * <p>usage: java HBase FOLDER
 *
 * <p>Both take framed messages. Prints `ready THRIFT1_PORT THRIFT2_PORT` and ends with its standard input.
 */
public class HBase {
  public static void main(String[] args) throws Exception {
    Configuration conf = configuration(args[0]);
    MiniZooKeeperCluster zookeeper = new MiniZooKeeperCluster(conf);
    zookeeper.setDefaultClientPort(freePort());
    int zookeeperPort = zookeeper.startup(new File(args[0], "zookeeper"));
    conf.set("hbase.zookeeper.property.clientPort", String.valueOf(zookeeperPort));
    LocalHBaseCluster cluster = new LocalHBaseCluster(conf, 1);
    cluster.startup();
    try (Connection connection = ConnectionFactory.createConnection(conf); Admin admin = connection.getAdmin()) {
      while (!admin.isTableAvailable(org.apache.hadoop.hbase.TableName.META_TABLE_NAME)) Thread.sleep(50);
      admin.listTableNames();
    }
    int first = freePort();
    int second = freePort();
    serve(new Configuration(conf), first, false);
    serve(new Configuration(conf), second, true);
    System.out.println("ready " + first + " " + second);
    while (System.in.read() >= 0) continue;
    Runtime.getRuntime().halt(0);
  }

  private static Configuration configuration(String folder) {
    Configuration conf = HBaseConfiguration.create();
    conf.set("hbase.rootdir", new File(folder, "data").toURI().toString());
    conf.set("hbase.tmp.dir", new File(folder, "tmp").getPath());
    conf.set("hbase.zookeeper.quorum", "127.0.0.1");
    conf.set("hbase.wal.provider", "filesystem");
    conf.setBoolean("hbase.unsafe.stream.capability.enforce", false);
    conf.setBoolean("hbase.cluster.distributed", false);
    for (String name : Arrays.asList("master", "regionserver")) {
      conf.setInt("hbase." + name + ".port", 0);
      conf.setInt("hbase." + name + ".info.port", -1);
      conf.set("hbase." + name + ".hostname", "localhost");
      conf.set("hbase." + name + ".ipc.address", "127.0.0.1");
    }
    conf.setInt("hbase.regionserver.handler.count", 8);
    conf.setInt("hbase.client.retries.number", 2);
    conf.setInt("hbase.thrift.info.port", -1);
    conf.set("hbase.regionserver.thrift.ipaddress", "127.0.0.1");
    return conf;
  }

  private static void serve(Configuration conf, int port, boolean isSecond) {
    conf.setInt("hbase.regionserver.thrift.port", port);
    String[] args = {"-f", "-p", String.valueOf(port), "-b", "127.0.0.1", "--infoport", "-1", "start"};
    Thread thread =
        new Thread(
            () -> {
              try {
                if (isSecond) new org.apache.hadoop.hbase.thrift2.ThriftServer(conf).run(args);
                else new org.apache.hadoop.hbase.thrift.ThriftServer(conf).run(args);
              } catch (Exception error) {
                System.out.println("failed " + error);
                Runtime.getRuntime().halt(1);
              }
            });
    thread.setDaemon(true);
    thread.start();
    while (true) {
      try (java.net.Socket socket = new java.net.Socket("127.0.0.1", port)) {
        return;
      } catch (java.io.IOException notYet) {
        try {
          Thread.sleep(50);
        } catch (InterruptedException ended) {
          return;
        }
      }
    }
  }

  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }
}
