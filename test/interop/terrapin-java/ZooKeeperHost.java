import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.util.Base64;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.NIOServerCnxnFactory;
import org.apache.zookeeper.server.ZooKeeperServer;

/**
 * A ZooKeeper server on a loopback port, until standard input ends. Prints the port, then one line for each command.
 *
 * <p>usage: java ZooKeeperHost FOLDER
 *
 * <p>stop, start: the server ends, and is there again on its port with what it had stored. expire PATH: the session that
 * the node belongs to is ended, as for one that was not heard of for too long. get PATH: `none`, or the session that the
 * node belongs to and its data in base64.
 */
public class ZooKeeperHost {
  private static final int TICK_MS = 500;
  private final File folder;
  private int port = 0;
  private ZooKeeperServer server;
  private NIOServerCnxnFactory connections;

  ZooKeeperHost(File folder) {
    this.folder = folder;
  }

  void start() throws Exception {
    server = new ZooKeeperServer(folder, folder, TICK_MS);
    connections = new NIOServerCnxnFactory();
    connections.configure(new InetSocketAddress("127.0.0.1", port), 100);
    connections.startup(server);
    port = connections.getLocalPort();
  }

  /** With its connections and its store. */
  void stop() {
    connections.shutdown();
  }

  String answer(String command, String path) throws Exception {
    switch (command) {
      case "stop":
        stop();
        return "stopped";
      case "start":
        start();
        return "port " + port;
      case "expire":
        Stat owned = new Stat();
        server.getZKDatabase().getData(path, owned, null);
        server.closeSession(owned.getEphemeralOwner());
        return "expired";
      case "get":
        try {
          Stat stat = new Stat();
          byte[] data = server.getZKDatabase().getData(path, stat, null);
          return Long.toHexString(stat.getEphemeralOwner()) + " " + Base64.getEncoder().encodeToString(data);
        } catch (KeeperException.NoNodeException none) {
          return "none";
        }
      default:
        throw new IllegalArgumentException(command);
    }
  }

  public static void main(String[] args) throws Exception {
    ZooKeeperHost host = new ZooKeeperHost(new File(args[0]));
    Files.createDirectories(host.folder.toPath());
    host.start();
    System.out.println("port " + host.port);
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.split(" ", 2);
      System.out.println(host.answer(words[0], words.length > 1 ? words[1] : ""));
    }
    host.stop();
    System.exit(0);
  }
}
