import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hbase.KeyValue;
import org.apache.hadoop.hbase.io.hfile.CacheConfig;
import org.apache.hadoop.hbase.io.hfile.Compression;
import org.apache.hadoop.hbase.regionserver.StoreFile;
import org.apache.hadoop.hbase.util.Bytes;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;

/**
 * An HDFS of one NameNode and one DataNode on loopback, and HBase's own writer of HFiles.
 *
 * <p>usage: java Hdfs FOLDER
 *
 * <p>Prints `ready RPC_PORT HTTP_PORT` and then takes commands, one a line, each answered by `ok` or `failed REASON`:
 * `write DIRECTORY PARTITIONS KEYS ROUND` writes a file set as Terrapin's uploaders do (part-%05d by Hadoop's hash of the
 * key, family cf, greatest timestamp), whose keys `%06d` have the value `vKEY-ROUND` (0 and 1: an empty one); `remove PATH`;
 * `rename PATH TO`; `mode PATH OCTAL`. Ends with its standard input.
 */
public class Hdfs {
  private static final byte[] FAMILY = Bytes.toBytes("cf");

  public static void main(String[] args) throws Exception {
    // Formatting and serving in one process register the same metrics twice.
    DefaultMetricsSystem.setMiniClusterMode(true);
    Configuration conf = configuration(args[0]);
    NameNode.format(conf);
    NameNode nameNode = NameNode.createNameNode(new String[0], conf);
    conf.set("fs.defaultFS", "hdfs://127.0.0.1:" + nameNode.getNameNodeAddress().getPort());
    conf.set("dfs.namenode.rpc-address", "127.0.0.1:" + nameNode.getNameNodeAddress().getPort());
    DataNode dataNode = DataNode.instantiateDataNode(new String[0], conf);
    dataNode.runDatanodeDaemon();
    FileSystem fs = FileSystem.get(conf);
    while (nameNode.getNamesystem().getNumLiveDataNodes() < 1) Thread.sleep(50);
    // HBase 0.94 knows no Java version of two digits; Hadoop's classes are loaded by now.
    System.setProperty("java.version", "1.7.0_80");
    System.out.println("ready " + nameNode.getNameNodeAddress().getPort() + " " + nameNode.getHttpAddress().getPort());
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      try {
        run(conf, fs, line.split(" "));
        System.out.println("ok");
      } catch (Throwable error) {
        System.out.println("failed " + error.toString().replace('\n', ' '));
      }
    }
    System.exit(0);
  }

  private static Configuration configuration(String folder) {
    Configuration conf = new HdfsConfiguration();
    conf.set("fs.defaultFS", "hdfs://127.0.0.1:0");
    conf.set("dfs.namenode.rpc-address", "127.0.0.1:0");
    conf.set("dfs.namenode.http-address", "127.0.0.1:0");
    conf.set("dfs.namenode.name.dir", new File(folder, "name").toURI().toString());
    conf.set("dfs.datanode.data.dir", new File(folder, "data").toURI().toString());
    conf.set("dfs.datanode.address", "127.0.0.1:0");
    conf.set("dfs.datanode.http.address", "127.0.0.1:0");
    conf.set("dfs.datanode.ipc.address", "127.0.0.1:0");
    conf.set("dfs.datanode.hostname", "127.0.0.1");
    conf.setBoolean("dfs.namenode.datanode.registration.ip-hostname-check", false);
    conf.setInt("dfs.replication", 1);
    conf.setBoolean("dfs.permissions.enabled", true);
    // The disk may be nearly full where tests run.
    conf.setLong("dfs.namenode.resource.du.reserved", 1);
    conf.setBoolean("hbase.regionserver.checksum.verify", true);
    return conf;
  }

  private static void run(Configuration conf, FileSystem fs, String[] words) throws Exception {
    Path path = new Path(words[1]);
    if (words[0].equals("write")) {
      int partitions = Integer.parseInt(words[2]);
      write(conf, fs, path, partitions, Integer.parseInt(words[3]), words[4]);
    } else if (words[0].equals("remove")) {
      if (!fs.delete(path, true)) throw new IllegalStateException("it is not there");
    } else if (words[0].equals("rename")) {
      if (!fs.rename(path, new Path(words[2]))) throw new IllegalStateException("it was not renamed");
    } else if (words[0].equals("mode")) {
      fs.setPermission(path, new FsPermission((short) Integer.parseInt(words[2], 8)));
    } else throw new IllegalArgumentException(words[0]);
  }

  private static void write(
      Configuration conf, FileSystem fs, Path directory, int partitions, int keys, String round) throws Exception {
    for (int part = 0; part < partitions; part++) {
      TreeMap<String, byte[]> rows = new TreeMap<>();
      for (int key = 0; key < keys; key++) {
        String row = String.format("%06d", key);
        if (partitionOf(Bytes.toBytes(row), partitions) != part) continue;
        rows.put(row, key < 2 ? new byte[0] : Bytes.toBytes("v" + row + "-" + round));
      }
      StoreFile.Writer writer =
          new StoreFile.WriterBuilder(conf, new CacheConfig(conf), fs, 16_384)
              .withFilePath(new Path(directory, String.format("part-%05d", part)))
              .withCompression(Compression.Algorithm.NONE)
              .build();
      for (String row : rows.keySet()) {
        byte[] value = rows.get(row);
        writer.append(new KeyValue(Bytes.toBytes(row), FAMILY, null, Long.MAX_VALUE, KeyValue.Type.Put, value));
      }
      writer.close();
    }
  }

  /** As Hadoop's HashPartitioner does for a BytesWritable: WritableComparator.hashBytes. */
  private static int partitionOf(byte[] key, int partitions) {
    int hash = 1;
    for (byte one : key) hash = 31 * hash + one;
    return (hash & Integer.MAX_VALUE) % partitions;
  }
}
