/*
 * Load generator: replays prebuilt thrift or CQL frames over many connections and prints one JSON line.
 *
 * One thread, one epoll. The frame file is a row of [u32 length, big-endian][message], which is exactly what framed
 * thrift puts on the wire, so frames are sent as they stand. A closed loop keeps `depth` requests in flight on each
 * connection; with --rate it is an open loop, and latency counts from the moment a request was due, so that a stalled
 * server is charged for what piled up behind the stall.
 *
 * Every answer is checked: strict binary protocol, REPLY and not EXCEPTION, result field 0 (another one is a declared
 * exception), and, unless --ignore-seqid, the sequence number of the oldest request in flight on its connection.
 *
 * With --cql the file holds frames of CQL's native protocol, version 4, and a connection begins with STARTUP. Each request
 * in flight has a stream of its own, and answers come in any order: RESULT and not ERROR, VOID or rows without metadata,
 * at least one of them or, with --rows, exactly so many.
 *
 * Latencies go to a histogram of 64 steps a power of two (1.6 %). Server CPU is user and system time of all threads
 * of --pid, read at both ends of the measuring window (10 ms steps).
 *
 * With --spin it polls instead of sleeping. A sleeping generator has to be woken across cores by the server's writes,
 * which costs the server up to 20 us of CPU time an answer on a virtual machine, and more often the slower the server
 * is: the figures would compare wake-ups. `busyShare` is the share of the window not spent waiting.
 *
 * Exit status: 0 measured; 1 connection lost or no answer for 10 s; 2 bad arguments or frame file.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_SIZE = 64, RECEIVE_SIZE = 1 << 20, STALL_MS = 10000 };
enum { SUB_BITS = 6, BUCKETS = 64 << SUB_BITS };
enum { MESSAGE_REPLY = 2, TYPE_STRUCT = 12 };
enum { CQL_HEADER = 9, CQL_ANSWER = 0x84, CQL_ERROR = 0, CQL_READY = 2, CQL_RESULT = 8 };
enum { CQL_VOID = 1, CQL_ROWS = 2, CQL_HAS_MORE = 2, CQL_NO_METADATA = 4 };

struct frame {
  const uint8_t *bytes; /* with its header */
  uint32_t size;
  uint32_t seqid;
};

struct connection {
  int socket;
  /* Requests in flight, by slot: when each was due (0: none), and its sequence number. Thrift's slots go round, oldest
     first; a slot of CQL is a stream, taken from those that are free. */
  int64_t *dueNs;
  uint32_t *seqids;
  uint32_t *freeSlots;
  uint32_t oldest, inFlight;
  /* What a full socket did not take yet. */
  uint8_t *unsent;
  size_t unsentStart, unsentEnd, unsentCapacity;
  int waitsForRoom;
  /* The answer being received: bytes had so far (header included) and the first of them. */
  uint64_t had, size;
  uint8_t head[CQL_HEADER + HEAD_SIZE];
};

static struct {
  const char *host, *frameFile;
  int port, connections, depth, warmUpMs, measureMs, pid, ignoreSeqid, spin, cql, rows;
  double rate;
} options = {.host = "127.0.0.1", .connections = 1, .depth = 1, .warmUpMs = 300, .measureMs = 1000};

/* Of a message: its header's size, and where in it the length of the rest stands. */
static uint32_t headerSize = 4, lengthAt = 0;
static struct frame *frames;
static size_t frameCount, nextFrame;
static struct connection *connections;
static int poll_fd;
static uint64_t histogram[BUCKETS];
static uint64_t replies, exceptions, malformed, outOfOrder, emptyReplies, bytesReceived, maxNs;
static int isMeasuring, isDraining;
static uint64_t inFlightInAll;
static int64_t lastAnswerNs, idleNs;

static void fail(int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("loadgen: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(status);
}

static int64_t nowNs(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static uint32_t readU32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) fail(2, "out of memory");
  return memory;
}

/* ------------------------------------------------------------------------------------------------ frame file */

static uint32_t seqidOf(const uint8_t *message, uint32_t size) {
  uint32_t nameSize = size >= 8 ? readU32(message + 4) : UINT32_MAX;
  if (nameSize > HEAD_SIZE || 12ull + nameSize > size) fail(2, "%s: not a strict binary call", options.frameFile);
  return readU32(message + 8 + nameSize);
}

static void loadFrames(void) {
  FILE *file = fopen(options.frameFile, "rb");
  if (file == NULL) fail(2, "cannot open %s: %s", options.frameFile, strerror(errno));
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  uint8_t *bytes = allocate((size_t)size + 1, 1);
  if (fread(bytes, 1, (size_t)size, file) != (size_t)size) fail(2, "cannot read %s", options.frameFile);
  fclose(file);
  size_t capacity = 0;
  for (long at = 0; at < size;) {
    if (size - at < headerSize || readU32(bytes + at + lengthAt) > (uint64_t)(size - at - headerSize))
      fail(2, "%s ends inside a frame", options.frameFile);
    if (frameCount == capacity) {
      capacity = capacity ? capacity * 2 : 1024;
      frames = realloc(frames, capacity * sizeof *frames);
      if (frames == NULL) fail(2, "out of memory");
    }
    uint32_t messageSize = readU32(bytes + at + lengthAt);
    uint32_t seqid = options.cql ? 0 : seqidOf(bytes + at + headerSize, messageSize);
    frames[frameCount++] = (struct frame){bytes + at, headerSize + messageSize, seqid};
    at += headerSize + messageSize;
  }
  if (frameCount == 0) fail(2, "%s holds no frame", options.frameFile);
}

/* ------------------------------------------------------------------------------------------------- histogram */

static unsigned bucketOf(uint64_t ns) {
  if (ns < 1 << SUB_BITS) return (unsigned)ns;
  unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - SUB_BITS;
  return ((shift + 1) << SUB_BITS) + (unsigned)((ns >> shift) & ((1 << SUB_BITS) - 1));
}

/* The middle of a bucket. */
static double nsOf(unsigned bucket) {
  if (bucket < 1 << SUB_BITS) return bucket;
  unsigned shift = (bucket >> SUB_BITS) - 1;
  return (double)(((uint64_t)(1 << SUB_BITS) + (bucket & ((1 << SUB_BITS) - 1))) << shift) + (double)(1ull << shift) / 2;
}

static double quantileUs(double share) {
  uint64_t wanted = (uint64_t)(share * (double)replies), seen = 0;
  for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram[bucket];
    if (seen > wanted) return nsOf(bucket) / 1000;
  }
  return (double)maxNs / 1000;
}

/* --------------------------------------------------------------------------------------------------- sending */

static void listenFor(struct connection *connection, int waitsForRoom) {
  struct epoll_event event = {.events = EPOLLIN | (waitsForRoom ? EPOLLOUT : 0), .data.ptr = connection};
  epoll_ctl(poll_fd, EPOLL_CTL_MOD, connection->socket, &event);
  connection->waitsForRoom = waitsForRoom;
}

static void flush(struct connection *connection) {
  while (connection->unsentStart < connection->unsentEnd) {
    ssize_t sent = send(connection->socket, connection->unsent + connection->unsentStart,
                        connection->unsentEnd - connection->unsentStart, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (!connection->waitsForRoom) listenFor(connection, 1);
      return;
    }
    if (sent < 0) fail(1, "cannot send: %s", strerror(errno));
    connection->unsentStart += (size_t)sent;
  }
  connection->unsentStart = connection->unsentEnd = 0;
  if (connection->waitsForRoom) listenFor(connection, 0);
}

/* One that is free: the caller has fewer than `depth` requests in flight. */
static uint32_t takeSlot(struct connection *connection) {
  uint32_t depth = (uint32_t)options.depth, inFlight = connection->inFlight++;
  return options.cql ? connection->freeSlots[depth - inFlight - 1] : (connection->oldest + inFlight) % depth;
}

/* Appends the next frame to what will be sent; the caller flushes. */
static void request(struct connection *connection, int64_t dueNs) {
  const struct frame *frame = &frames[nextFrame];
  if (++nextFrame == frameCount) nextFrame = 0;
  if (connection->unsentEnd + frame->size > connection->unsentCapacity) {
    connection->unsentCapacity = (connection->unsentEnd + frame->size) * 2;
    connection->unsent = realloc(connection->unsent, connection->unsentCapacity);
    if (connection->unsent == NULL) fail(2, "out of memory");
  }
  uint8_t *copy = connection->unsent + connection->unsentEnd;
  memcpy(copy, frame->bytes, frame->size);
  connection->unsentEnd += frame->size;
  uint32_t slot = takeSlot(connection);
  if (options.cql) {
    copy[2] = (uint8_t)(slot >> 8);
    copy[3] = (uint8_t)slot;
  }
  connection->dueNs[slot] = dueNs;
  connection->seqids[slot] = frame->seqid;
  inFlightInAll++;
}

/* ------------------------------------------------------------------------------------------------- receiving */

/* `head` holds the message's first bytes, at most HEAD_SIZE. */
static void check(const uint8_t *head, uint64_t headSize, uint32_t seqid) {
  uint32_t nameSize = headSize >= 8 ? readU32(head + 4) : UINT32_MAX;
  if (headSize < 8 || head[0] != 0x80 || head[1] != 0x01 || nameSize > HEAD_SIZE || 13ull + nameSize > headSize) {
    malformed++;
    return;
  }
  const uint8_t *result = head + 12 + nameSize;
  if (!options.ignoreSeqid && readU32(result - 4) != seqid) outOfOrder++;
  if (head[3] != MESSAGE_REPLY) {
    exceptions++;
  } else if (result[0] != 0 && 16ull + nameSize <= headSize) {
    if ((result[1] | result[2]) != 0) exceptions++;
    else if (result[0] == TYPE_STRUCT && result[3] == 0) emptyReplies++;
  }
}

/* `frame` with its header; `had` bytes of it are there. */
static void checkCql(const uint8_t *frame, uint64_t had) {
  if (had < CQL_HEADER + 4 || frame[0] != CQL_ANSWER || frame[1] != 0) {
    malformed++;
  } else if (frame[4] == CQL_ERROR) {
    exceptions++;
  } else if (frame[4] != CQL_RESULT) {
    malformed++;
  } else if (readU32(frame + CQL_HEADER) == CQL_ROWS) {
    uint32_t flags = had >= CQL_HEADER + 16 ? readU32(frame + CQL_HEADER + 4) : 0;
    if ((flags & (CQL_NO_METADATA | CQL_HAS_MORE)) != CQL_NO_METADATA) {
      malformed++;
      return;
    }
    uint32_t rows = readU32(frame + CQL_HEADER + 12);
    if (options.rows > 0 ? rows != (uint32_t)options.rows : rows == 0) emptyReplies++;
  } else if (readU32(frame + CQL_HEADER) != CQL_VOID) {
    malformed++;
  }
}

/* The slot of the request that the answer belongs to, free again. */
static uint32_t settle(struct connection *connection, const uint8_t *message) {
  if (connection->inFlight == 0) fail(1, "an answer came that nothing had asked for");
  uint32_t depth = (uint32_t)options.depth, slot = connection->oldest;
  if (options.cql) {
    slot = (uint32_t)message[2] << 8 | message[3];
    if (slot >= depth || connection->dueNs[slot] == 0) fail(1, "an answer came of stream %u, which asks nothing", slot);
    connection->freeSlots[depth - connection->inFlight] = slot;
  } else {
    connection->oldest = (slot + 1) % depth;
  }
  connection->inFlight--;
  inFlightInAll--;
  return slot;
}

/* `message` with its header; `had` bytes of it are there, which are all of it or more than HEAD_SIZE. */
static void answered(struct connection *connection, const uint8_t *message, uint64_t had, uint64_t size, int64_t now) {
  uint32_t slot = settle(connection, message);
  if (options.cql) checkCql(message, had);
  else check(message + headerSize, had - headerSize, connection->seqids[slot]);
  int64_t dueNs = connection->dueNs[slot];
  connection->dueNs[slot] = 0;
  if (!isMeasuring) return;
  uint64_t ns = (uint64_t)(now - dueNs);
  histogram[bucketOf(ns)]++;
  if (ns > maxNs) maxNs = ns;
  replies++;
  bytesReceived += size;
}

/* An answer that did not arrive in one piece: its first bytes are gathered in `head`. Returns how many were taken. */
static size_t takePart(struct connection *connection, const uint8_t *bytes, size_t size, int64_t now) {
  uint64_t wanted = connection->had < headerSize ? headerSize : connection->size;
  size_t taken = wanted - connection->had < size ? (size_t)(wanted - connection->had) : size;
  if (connection->had < sizeof connection->head) {
    size_t room = sizeof connection->head - (size_t)connection->had;
    memcpy(connection->head + connection->had, bytes, taken < room ? taken : room);
  }
  connection->had += taken;
  if (connection->had == headerSize) connection->size = (uint64_t)headerSize + readU32(connection->head + lengthAt);
  if (connection->had >= headerSize && connection->had == connection->size) {
    uint64_t had = connection->size < sizeof connection->head ? connection->size : sizeof connection->head;
    answered(connection, connection->head, had, connection->size, now);
    connection->had = 0;
  }
  return taken;
}

static uint32_t receive(struct connection *connection, int64_t now) {
  static uint8_t buffer[RECEIVE_SIZE];
  ssize_t received = recv(connection->socket, buffer, sizeof buffer, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (received < 0) fail(1, "cannot receive: %s", strerror(errno));
  if (received == 0) fail(1, "the server closed a connection");
  uint32_t before = connection->inFlight;
  const uint8_t *at = buffer, *end = buffer + received;
  while (at < end) {
    size_t left = (size_t)(end - at);
    uint64_t size = left >= headerSize ? (uint64_t)headerSize + readU32(at + lengthAt) : UINT64_MAX;
    if (connection->had == 0 && size <= left) {
      answered(connection, at, size, size, now);
      at += size;
    } else {
      at += takePart(connection, at, left, now);
    }
  }
  lastAnswerNs = now;
  return before - connection->inFlight;
}

/* ------------------------------------------------------------------------------------------------- measuring */

static double serverCpuSeconds(void) {
  if (options.pid == 0) return 0;
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", options.pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail(1, "no process %d", options.pid);
  size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[size] = 0;
  unsigned long user, system;
  char *afterName = strrchr(text, ')');
  if (afterName == NULL || sscanf(afterName + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
    fail(1, "cannot read %s", path);
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Before the socket is non-blocking. */
static void startCql(int socket) {
  static const uint8_t startup[] = "\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0b" "CQL_VERSION\0\x05" "3.0.0";
  uint8_t answer[CQL_HEADER];
  if (send(socket, startup, sizeof startup - 1, MSG_NOSIGNAL) != (ssize_t)sizeof startup - 1 ||
      recv(socket, answer, sizeof answer, MSG_WAITALL) != (ssize_t)sizeof answer)
    fail(1, "the server closed a connection that began with STARTUP");
  if (answer[4] != CQL_READY || readU32(answer + 5) != 0) fail(1, "STARTUP was answered with opcode %d", answer[4]);
}

static void connectAll(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1) fail(2, "not an IPv4 address: %s", options.host);
  poll_fd = epoll_create1(0);
  connections = allocate((size_t)options.connections, sizeof *connections);
  for (int i = 0; i < options.connections; i++) {
    struct connection *connection = &connections[i];
    connection->dueNs = allocate((size_t)options.depth, sizeof *connection->dueNs);
    connection->seqids = allocate((size_t)options.depth, sizeof *connection->seqids);
    connection->freeSlots = allocate((size_t)options.depth, sizeof *connection->freeSlots);
    for (int slot = 0; slot < options.depth; slot++) connection->freeSlots[slot] = (uint32_t)slot;
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->socket, (struct sockaddr *)&address, sizeof address) != 0)
      fail(1, "cannot connect to %s:%d: %s", options.host, options.port, strerror(errno));
    int on = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options.cql) startCql(connection->socket);
    fcntl(connection->socket, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, connection->socket, &event);
  }
}

/* Open loop: sends what is due on connections with room and sets the timer for what comes next. */
static void sendDue(int timer, int64_t startNs, uint64_t *sent, int64_t now) {
  static int turn;
  double intervalNs = 1e9 / options.rate;
  int64_t dueNs = startNs + (int64_t)((double)*sent * intervalNs);
  for (int tried = 0; dueNs <= now && tried < options.connections; tried++) {
    struct connection *connection = &connections[turn];
    turn = (turn + 1) % options.connections;
    if (connection->inFlight == (uint32_t)options.depth) continue;
    request(connection, dueNs);
    flush(connection);
    dueNs = startNs + (int64_t)((double)++*sent * intervalNs);
    tried = -1;
  }
  /* When all are full the next answer brings the loop back here; a due time in the past would only spin. */
  int64_t wakeNs = dueNs <= now ? now + 1000000 : dueNs;
  struct itimerspec at = {.it_value = {wakeNs / 1000000000, wakeNs % 1000000000}};
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

struct window {
  double seconds, serverCpu, idle;
};

static struct window run(void) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event timerEvent = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
  if (options.rate > 0) epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &timerEvent);
  int64_t startNs = lastAnswerNs = nowNs(), beginNs = startNs + options.warmUpMs * 1000000ll, endNs = INT64_MAX;
  uint64_t sent = 0;
  struct window begin = {0}, result = {0};
  for (int i = 0; options.rate == 0 && i < options.connections; i++) {
    for (int k = 0; k < options.depth; k++) request(&connections[i], startNs);
    flush(&connections[i]);
  }
  if (options.rate > 0) sendDue(timer, startNs, &sent, startNs);
  while (!isDraining || inFlightInAll > 0) {
    int64_t waitsSinceNs = nowNs();
    int count = epoll_wait(poll_fd, events, 256, options.spin ? 0 : 100);
    int64_t now = nowNs();
    if (count == 0 || !options.spin) idleNs += now - waitsSinceNs;
    if (!isMeasuring && !isDraining && now >= beginNs) {
      begin = (struct window){(double)now / 1e9, serverCpuSeconds(), (double)idleNs / 1e9};
      endNs = now + options.measureMs * 1000000ll;
      isMeasuring = 1;
    } else if (isMeasuring && now >= endNs) {
      result = (struct window){(double)now / 1e9 - begin.seconds, serverCpuSeconds() - begin.serverCpu,
                               (double)idleNs / 1e9 - begin.idle};
      isMeasuring = 0;
      isDraining = 1;
    }
    if (now - lastAnswerNs > STALL_MS * 1000000ll) fail(1, "no answer for %d ms", STALL_MS);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (connection == NULL) {
        uint64_t expirations;
        if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail(1, "the timer failed");
        continue;
      }
      uint32_t done = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) ? receive(connection, now) : 0;
      if (options.rate == 0 && !isDraining && done > 0) {
        int64_t sentNs = nowNs();
        for (uint32_t k = 0; k < done; k++) request(connection, sentNs);
        flush(connection);
      }
      if (events[i].events & EPOLLOUT) flush(connection);
    }
    if (options.rate > 0 && !isDraining) sendDue(timer, startNs, &sent, nowNs());
  }
  return result;
}

static void readOptions(int count, char **values) {
  static const struct option known[] = {
      {"host", 1, 0, 'h'},       {"port", 1, 0, 'p'},     {"connections", 1, 0, 'c'}, {"depth", 1, 0, 'd'},
      {"frames", 1, 0, 'f'},     {"warm-up-ms", 1, 0, 'w'}, {"measure-ms", 1, 0, 'm'},  {"pid", 1, 0, 'P'},
      {"rate", 1, 0, 'r'},       {"ignore-seqid", 0, 0, 'i'}, {"spin", 0, 0, 's'},
      {"cql", 0, 0, 'q'},        {"rows", 1, 0, 'o'},     {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, values, "", known, NULL)) != -1;) {
    switch (option) {
      case 'h': options.host = optarg; break;
      case 'p': options.port = atoi(optarg); break;
      case 'c': options.connections = atoi(optarg); break;
      case 'd': options.depth = atoi(optarg); break;
      case 'f': options.frameFile = optarg; break;
      case 'w': options.warmUpMs = atoi(optarg); break;
      case 'm': options.measureMs = atoi(optarg); break;
      case 'P': options.pid = atoi(optarg); break;
      case 'r': options.rate = atof(optarg); break;
      case 'i': options.ignoreSeqid = 1; break;
      case 's': options.spin = 1; break;
      case 'q': options.cql = 1; break;
      case 'o': options.rows = atoi(optarg); break;
      default: exit(2);
    }
  }
  if (options.frameFile == NULL || options.port <= 0 || options.port > 65535)
    fail(2, "--frames FILE and --port N are needed");
  if (options.connections < 1 || options.depth < 1 || options.measureMs < 1) fail(2, "counts must be at least 1");
  if (!options.cql) return;
  if (options.depth > 32768) fail(2, "a connection of CQL has 32768 streams");
  headerSize = CQL_HEADER;
  lengthAt = 5;
}

int main(int count, char **values) {
  readOptions(count, values);
  loadFrames();
  connectAll();
  struct window window = run();
  printf("{\"seconds\":%.6f,\"replies\":%llu,\"exceptions\":%llu,\"malformed\":%llu,\"outOfOrder\":%llu,"
         "\"emptyReplies\":%llu,\"bytesReceived\":%llu,\"p50Us\":%.2f,\"p99Us\":%.2f,\"p999Us\":%.2f,\"maxUs\":%.2f,"
         "\"serverCpuSeconds\":%.3f,\"busyShare\":%.3f}\n",
         window.seconds, (unsigned long long)replies, (unsigned long long)exceptions, (unsigned long long)malformed,
         (unsigned long long)outOfOrder, (unsigned long long)emptyReplies, (unsigned long long)bytesReceived,
         quantileUs(0.50), quantileUs(0.99), quantileUs(0.999), (double)maxNs / 1000, window.serverCpu,
         1 - window.idle / window.seconds);
  return 0;
}
