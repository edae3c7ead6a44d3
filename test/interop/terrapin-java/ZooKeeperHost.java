import java.io.File;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import org.apache.zookeeper.server.NIOServerCnxnFactory;
import org.apache.zookeeper.server.ZooKeeperServer;

/**
 * A ZooKeeper server on a free loopback port, until standard input ends. Prints the port.
 *
 * <p>usage: java ZooKeeperHost FOLDER
 */
public class ZooKeeperHost {
  private static final int TICK_MS = 500;

  public static void main(String[] args) throws Exception {
    File folder = new File(args[0]);
    Files.createDirectories(folder.toPath());
    ZooKeeperServer server = new ZooKeeperServer(folder, folder, TICK_MS);
    NIOServerCnxnFactory connections = new NIOServerCnxnFactory();
    connections.configure(new InetSocketAddress("127.0.0.1", 0), 100);
    connections.startup(server);
    System.out.println("port " + connections.getLocalPort());
    while (System.in.read() >= 0) {}
    connections.shutdown();
    System.exit(0);
  }
}
