import com.twitter.finagle.Service;
import com.twitter.finagle.Thrift;
import com.twitter.finagle.stats.InMemoryStatsReceiver;
import com.twitter.finagle.thrift.ClientId;
import com.twitter.finagle.thrift.ThriftClientRequest;
import com.twitter.util.Await;
import com.twitter.util.Duration;
import com.twitter.util.Future;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.thrift.TApplicationException;

/**
 * Checks of Terrapin's read services with a client of Finagle's, over the file set that terrapin-data.ts loads.
 *
 * <p>usage: java Checks upgraded|plain SERVICE_PORT INTERNAL_PORT OLD_VERSION VERSION
 *
 * <p>`upgraded` asks for the upgrade of each connection, as Finagle does by default, and names itself; `plain` does not ask.
 * Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
 */
public class Checks {
  interface Check {
    void run() throws Exception;
  }

  private static final List<String> LOCAL = List.of("local");
  private final InMemoryStatsReceiver stats = new InMemoryStatsReceiver();
  private final boolean isUpgraded;
  private final List<Service<ThriftClientRequest, byte[]>> services = new ArrayList<>();

  Checks(boolean isUpgraded) {
    this.isUpgraded = isUpgraded;
  }

  Calls connect(String port, String label) {
    Thrift.Client client = Thrift.client().withStatsReceiver(stats);
    client = isUpgraded ? client.withClientId(new ClientId("pinboard")) : client.withNoAttemptTTwitterUpgrade();
    Service<ThriftClientRequest, byte[]> service = client.newService("127.0.0.1:" + port, label);
    services.add(service);
    return new Calls(service);
  }

  void close() throws Exception {
    for (Service<ThriftClientRequest, byte[]> service : services)
      Await.result(service.close(), Duration.fromSeconds(10));
  }

  /** As Finagle counts them. */
  long connectsOf(String label) {
    Matcher found = Pattern.compile(label + ", connects\\) -> (\\d+)").matcher(stats.counters().toString());
    if (!found.find()) throw new IllegalStateException("no count of connects in " + stats.counters());
    return Long.parseLong(found.group(1));
  }

  static void equal(Object actual, Object expected) {
    if (!expected.equals(actual)) throw new AssertionError(actual + " is not " + expected);
  }

  Map<String, Check> checks(Calls service, Calls internal, String oldVersion, String version) {
    Map<String, Check> checks = new LinkedHashMap<>();
    checks.put("values_empty_ones_and_missing_ones", () -> {
      equal(service.get(LOCAL, "pins", "000999"), "value v1000");
      equal(service.get(LOCAL, "pins", "\u00ff"), "value \u00ff\u00ff\u0000");
      equal(service.get(LOCAL, "pins", ""), "value ");
      equal(service.get(LOCAL, "pins", "none"), "missing");
    });
    checks.put("many_keys_at_once", () -> {
      String answer = service.multiGet(LOCAL, "pins", List.of("000002", "none", "\u00fe", "000001", "000002"));
      equal(answer, "{000001=value , 000002=value v3, \u00fe=value \u0000\u00ff\u0000}");
      String tooLong = "k".repeat(40_000);
      equal(service.multiGet(LOCAL, "pins", List.of(tooLong, "000002")), "{000002=value v3, " + tooLong + "=error 103}");
    });
    checks.put("refusals_have_their_codes_and_texts", () -> {
      equal(service.get(LOCAL, "nothing", "k"), "refused 202 File set nothing not found.");
      equal(service.get(List.of("x", "y"), "pins", "k"), "refused 203 Clusters [x, y] not found.");
      equal(service.get(List.of(), "pins", "k"), "refused 204 Cluster list is empty");
      equal(service.get(LOCAL, "pins", "k".repeat(40_000)), "refused 103 Read failed.");
    });
    checks.put("an_unknown_method_is_said_to_be_one", () -> {
      try {
        Calls.read(Calls.wait(service.start("scan", output -> {})), false);
      } catch (TApplicationException error) {
        equal(error.getType(), TApplicationException.UNKNOWN_METHOD);
        equal(error.getMessage(), "Invalid method name: 'scan'");
        return;
      }
      throw new AssertionError("the call succeeded");
    });
    checks.put("one_connection_has_served_all_of_this", () -> equal(connectsOf("service"), 1L));
    checks.put("many_calls_in_flight_are_answered_each_its_own", () -> {
      List<Future<byte[]>> answers = new ArrayList<>();
      for (int at = 2; at < 202; at++) answers.add(service.startGet(LOCAL, "pins", String.format("%06d", at)));
      for (int at = 2; at < 202; at++)
        equal(Calls.read(Calls.wait(answers.get(at - 2)), false), "value v" + (at + 1));
    });
    checks.put("a_resource_names_its_version", () -> {
      List<String> keys = List.of("000002", "\u00ff");
      String prefix = "$terrapin$data$pins$";
      equal(internal.getInternally(prefix + oldVersion, "0", keys), "{000002=value v3}");
      String both = "{000002=value v3, \u00ff=value \u00ff\u00ff\u0000}";
      equal(internal.getInternally(prefix + version, "0", keys), both);
      equal(internal.getInternally(prefix + version + "9", "0", keys), "{000002=error 101, \u00ff=error 101}");
      equal(internal.getInternally(prefix + version, "59", keys), both);
      equal(internal.getInternally(prefix + version, "60", keys), "{000002=error 102, \u00ff=error 102}");
    });
    return checks;
  }

  public static void main(String[] args) throws Exception {
    Checks all = new Checks(args[0].equals("upgraded"));
    Calls service = all.connect(args[1], "service");
    Calls internal = all.connect(args[2], "internal");
    int failed = 0;
    for (Map.Entry<String, Check> check : all.checks(service, internal, args[3], args[4]).entrySet()) {
      try {
        check.getValue().run();
        System.out.println("ok " + check.getKey());
      } catch (Throwable error) {
        failed++;
        System.out.println("not ok " + check.getKey() + ": " + error);
      }
    }
    all.close();
    System.exit(failed == 0 ? 0 : 1);
  }
}
