import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** What both programs share: arguments, `name=value` each, and lines `ok NAME` or `not ok NAME: REASON`. */
final class Script {
  interface Body {
    void run() throws Exception;
  }

  interface Question {
    boolean ask() throws Exception;
  }

  /** How long a driver may take to find out that a gateway came or went. */
  private static final long PATIENCE_MS = 20_000;

  private static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));

  private Script() {}

  static Map<String, String> readArguments(String[] arguments) {
    Map<String, String> values = new HashMap<>();
    for (String argument : arguments) {
      String[] parts = argument.split("=", 2);
      values.put(parts[0], parts[1]);
    }
    return values;
  }

  static void check(String name, Body body) {
    try {
      body.run();
      System.out.println("ok " + name);
    } catch (Throwable error) {
      StackTraceElement[] trace = error.getStackTrace();
      String where = "";
      for (StackTraceElement element : trace) if (element.getClassName().startsWith("Driver")) where += " " + element;
      System.out.println("not ok " + name + ": " + error + where);
    }
  }

  static void same(Object got, Object want) {
    if (!Objects.equals(got, want)) throw new AssertionError(got + " instead of " + want);
  }

  static void isTrue(boolean condition, String what) {
    if (!condition) throw new AssertionError("not so: " + what);
  }

  /** Answers the error, which must be of that kind and have that text. */
  static <T extends Throwable> T fails(Class<T> kind, String text, Body body) {
    try {
      body.run();
    } catch (Throwable error) {
      if (!kind.isInstance(error)) throw new AssertionError(error + " instead of " + kind, error);
      isTrue(String.valueOf(error.getMessage()).contains(text), error.getMessage() + " says " + text);
      return kind.cast(error);
    }
    throw new AssertionError(kind + " was not thrown");
  }

  /** Asks until the answer is yes; a question that fails is asked again. */
  static void until(String what, Question question) throws Exception {
    long deadline = System.currentTimeMillis() + PATIENCE_MS;
    for (;;) {
      Exception last = null;
      try {
        if (question.ask()) return;
      } catch (Exception error) {
        last = error;
      }
      if (System.currentTimeMillis() > deadline) throw new AssertionError("in vain until " + what, last);
      Thread.sleep(50);
    }
  }

  /** Tells whoever started the program that it is ready, and waits for a word. */
  static void waitForLine(String ready) throws IOException {
    System.out.println(ready);
    INPUT.readLine();
  }

  /** Trusts the certificate of this file and no other. */
  static SSLContext trust(String path) throws GeneralSecurityException, IOException {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream file = new FileInputStream(path)) {
      store.setCertificateEntry("gateway", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context;
  }
}
