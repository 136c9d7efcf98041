/* A model host that costs next to nothing, so that what is measured is the proxy before it.
 *
 *   mock_upstream EVENTS INTERVAL_US TEXT_BYTES
 *
 * Takes a free port on loopback and prints it. Every request is answered with one fixed chat
 * completion, or, when its body asks for a stream, with EVENTS server-sent events of TEXT_BYTES of
 * text each, one every INTERVAL_US, then the finish, the usage and [DONE]. A stream whose reader
 * does not take what was sent waits for it, an interval at a time. HTTP/1.1 with keep-alive and Content-Length
 * bodies only: that is all that wrk, nginx and the gateway send. One thread, epoll, no allocation
 * after a connection was opened.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 8192, BUFFER = 64 * 1024, BATCH = 256, MAX_TEXT = 16 * 1024 };

struct connection {
  int fd;
  uint64_t serial; /* tells a reused slot from the connection a due event was meant for */
  int events_sent; /* -1 while no stream runs */
  size_t event_sent; /* bytes of the next event (or of the end) that are sent already */
  size_t used;
  char buffer[BUFFER];
};

/* Every event is due one interval after the one before, so a ring in order of arrival is in order
 * of time. */
struct due {
  uint64_t at_us;
  uint64_t serial;
  int fd;
};

static struct connection *connections[MAX_CONNECTIONS];
static struct due ring[MAX_CONNECTIONS];
static size_t ring_head, ring_length;
static int stream_events, text_bytes, timer;
static uint64_t interval_us, next_serial = 1;

static char json_answer[2048], stream_start[1024], stream_event[MAX_TEXT + 512], stream_end[2048];
static size_t json_length, start_length, event_length, end_length;

#define CHUNK_HEAD                                                                             \
  "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,"  \
  "\"model\":\"mock\","

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static size_t append_chunk(char *to, const char *payload) {
  return (size_t)sprintf(to, "%zx\r\n%s\r\n", strlen(payload), payload);
}

static void build_answers(void) {
  char body[1024];
  sprintf(body,
          "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1767225600,"
          "\"model\":\"mock\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
          "\"content\":\"Steady winds carried the early ships across, and sailors wrote down where "
          "they blew, in which months and how strongly, so that the next crew could plan its way.\"},"
          "\"logprobs\":null,\"finish_reason\":\"stop\"}],"
          "\"usage\":{\"prompt_tokens\":230,\"completion_tokens\":36,\"total_tokens\":266}}");
  json_length = (size_t)sprintf(json_answer,
                                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                "Content-Length: %zu\r\n\r\n%s",
                                strlen(body), body);
  start_length = (size_t)sprintf(stream_start,
                                 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                 "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
  static char text[MAX_TEXT + 1], event[MAX_TEXT + 512];
  for (int i = 0; i < text_bytes; i++) text[i] = " wind"[i % 5];
  sprintf(event,
          CHUNK_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},"
                     "\"finish_reason\":null}]}\n\n",
          text);
  event_length = append_chunk(stream_event, event);
  end_length = append_chunk(stream_end, CHUNK_HEAD
                            "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
                            "\n\n");
  sprintf(body,
          CHUNK_HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":230,\"completion_tokens\":%d,"
                     "\"total_tokens\":%d}}\n\n",
          stream_events, 230 + stream_events);
  end_length += append_chunk(stream_end + end_length, body);
  end_length += append_chunk(stream_end + end_length, "data: [DONE]\n\n");
  end_length += (size_t)sprintf(stream_end + end_length, "0\r\n\r\n");
}

static void drop(struct connection *connection) {
  close(connection->fd);
  connections[connection->fd] = NULL;
  free(connection);
}

/* Whole answers are far smaller than a socket buffer: a peer that lets it fill up is cut off. */
static int say(struct connection *connection, const char *text, size_t length) {
  return send(connection->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void set_timer(void) {
  struct itimerspec when = {0};
  if (ring_length) {
    uint64_t at_us = ring[ring_head].at_us;
    when.it_value.tv_sec = (time_t)(at_us / 1000000);
    when.it_value.tv_nsec = (long)(at_us % 1000000 * 1000);
  }
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void schedule(struct connection *connection, uint64_t at_us) {
  if (ring_length == MAX_CONNECTIONS) {
    fprintf(stderr, "more than %d streams at once\n", MAX_CONNECTIONS);
    exit(1);
  }
  ring[(ring_head + ring_length++) % MAX_CONNECTIONS] =
      (struct due){at_us, connection->serial, connection->fd};
}

/* Sends what remains of one event, or of the end; asks again later when the buffer is full. */
static int send_next_event(struct connection *connection, uint64_t due_us) {
  int is_end = connection->events_sent == stream_events;
  const char *text = is_end ? stream_end : stream_event;
  size_t length = is_end ? end_length : event_length;
  ssize_t sent = send(connection->fd, text + connection->event_sent,
                      length - connection->event_sent, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return 0;
  if (sent > 0) connection->event_sent += (size_t)sent;
  if (connection->event_sent == length) {
    connection->event_sent = 0;
    connection->events_sent = is_end ? -1 : connection->events_sent + 1;
  }
  if (connection->events_sent >= 0) schedule(connection, due_us + interval_us);
  return 1;
}

static void send_due_events(void) {
  uint64_t expirations, now = now_us();
  if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) exit(1);
  while (ring_length && ring[ring_head].at_us <= now) {
    struct due due = ring[ring_head];
    ring_head = (ring_head + 1) % MAX_CONNECTIONS;
    ring_length--;
    struct connection *connection = connections[due.fd];
    if (connection && connection->serial == due.serial && !send_next_event(connection, due.at_us))
      drop(connection);
  }
  set_timer();
}

static size_t content_length(const char *head, size_t length) {
  for (const char *line = head; (line = memmem(line, length - (size_t)(line - head), "\r\n", 2));) {
    line += 2;
    if (!strncasecmp(line, "content-length:", 15)) return strtoul(line + 15, NULL, 10);
  }
  return 0;
}

static int wants_stream(const char *body, size_t length) {
  const char *field = memmem(body, length, "\"stream\":", 9);
  if (!field) return 0;
  for (field += 9; *field == ' ';) field++;
  return !strncmp(field, "true", 4);
}

static int answer(struct connection *connection, const char *body, size_t length) {
  if (!wants_stream(body, length)) return say(connection, json_answer, json_length);
  if (!say(connection, stream_start, start_length)) return 0;
  connection->events_sent = 0;
  int is_first = ring_length == 0;
  int is_sent = send_next_event(connection, now_us());
  if (is_first) set_timer();
  return is_sent;
}

static int read_requests(struct connection *connection) {
  size_t room = BUFFER - 1 - connection->used;
  ssize_t got = recv(connection->fd, connection->buffer + connection->used, room, 0);
  if (got <= 0) return got < 0 && errno == EAGAIN;
  connection->used += (size_t)got;
  for (;;) {
    connection->buffer[connection->used] = 0;
    char *end = memmem(connection->buffer, connection->used, "\r\n\r\n", 4);
    if (!end) return connection->used < BUFFER - 1;
    size_t head = (size_t)(end - connection->buffer) + 4;
    size_t body = content_length(connection->buffer, head);
    if (connection->used < head + body) return head + body < BUFFER;
    if (!answer(connection, connection->buffer + head, body)) return 0;
    connection->used -= head + body;
    memmove(connection->buffer, connection->buffer + head + body, connection->used);
  }
}

static void accept_all(int listener, int poll) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    struct connection *connection = fd < MAX_CONNECTIONS ? malloc(sizeof *connection) : NULL;
    if (!connection) {
      close(fd);
      continue;
    }
    connection->fd = fd;
    connection->serial = next_serial++;
    connection->events_sent = -1;
    connection->event_sent = 0;
    connection->used = 0;
    connections[fd] = connection;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
}

int main(int count, char **arguments) {
  if (count != 4 || atoi(arguments[3]) < 1 || atoi(arguments[3]) > MAX_TEXT) {
    fprintf(stderr, "usage: mock_upstream EVENTS INTERVAL_US TEXT_BYTES\n");
    return 2;
  }
  stream_events = atoi(arguments[1]);
  interval_us = strtoull(arguments[2], NULL, 10);
  text_bytes = atoi(arguments[3]);
  build_answers();

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096) ||
      getsockname(listener, (struct sockaddr *)&address, &size)) {
    perror("mock_upstream");
    return 1;
  }
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);

  int poll = epoll_create1(0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[BATCH];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  event.data.fd = timer;
  epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
  for (;;) {
    int number = epoll_wait(poll, ready, BATCH, -1);
    for (int i = 0; i < number; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener)
        accept_all(listener, poll);
      else if (fd == timer)
        send_due_events();
      else if (connections[fd] && !read_requests(connections[fd]))
        drop(connections[fd]);
    }
  }
}
