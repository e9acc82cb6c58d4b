/* The floor: a plain loop of send() over as many sockets. What nothing can be cheaper than.
 *
 * usage: send_loop SOCKETS PER_ROUND RATE ROUNDS SIZE
 *
 * Prints "port N", accepts SOCKETS connections, reads each one's request and answers it; prints
 * "opened CPU_SECONDS RSS_KIB". At a line on standard input it sends RATE times a second, ROUNDS
 * times, one frame of SIZE bytes to each of the next PER_ROUND sockets, and prints
 * "sent FRAMES CPU_SECONDS SHORT". It ends when standard input does.
 * send_loop.py says the same for machines without a compiler. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                           "event: stream.open\ndata: {}\n\n";

static long long nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static double cpu_seconds(void) { return nanoseconds(CLOCK_PROCESS_CPUTIME_ID) / 1e9; }

static long resident_kib(void) {
  long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;
  if (file) fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int listening(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024) ||
      getsockname(listener, (struct sockaddr *)&address, &length)) {
    perror("send_loop: listen");
    exit(1);
  }
  printf("port %d\n", ntohs(address.sin_port));
  return listener;
}

static int accepted(int listener) {
  char request[4096];
  int on = 1, connection = accept(listener, NULL, NULL);
  if (connection < 0 || read(connection, request, sizeof request) <= 0) {
    perror("send_loop: accept");
    exit(1);
  }
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (send(connection, HEAD, sizeof HEAD - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) perror("send");
  return connection;
}

int main(int count, char **words) {
  if (count != 6) return fprintf(stderr, "usage: %s SOCKETS PER_ROUND RATE ROUNDS SIZE\n", *words), 2;
  int sockets = atoi(words[1]), per_round = atoi(words[2]), rounds = atoi(words[4]);
  double rate = atof(words[3]);
  int size = atoi(words[5]);
  setvbuf(stdout, NULL, _IOLBF, 0);

  int *connections = malloc(sizeof *connections * sockets);
  char *frame = malloc(size + 1), line[64];
  int listener = listening();
  double before = cpu_seconds();
  for (int i = 0; i < sockets; i++) connections[i] = accepted(listener);
  printf("opened %.6f %ld\n", cpu_seconds() - before, resident_kib());
  if (!fgets(line, sizeof line, stdin)) return 0;

  memset(frame, 'x', size);
  memcpy(frame, "data: ", 6);
  memcpy(frame + size - 2, "\n\n", 2);
  long long sent = 0, brief = 0, start = nanoseconds(CLOCK_MONOTONIC);
  int next = 0;
  before = cpu_seconds();
  for (int round = 0; round < rounds; round++) {
    long long due = start + (long long)(round * 1e9 / rate);
    struct timespec until = {due / 1000000000LL, due % 1000000000LL};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    char stamp[40];
    int length = sprintf(stamp, "sent_at=%lld ", nanoseconds(CLOCK_MONOTONIC));
    memcpy(frame + 6, stamp, length);
    for (int i = 0; i < per_round; i++) {
      if (send(connections[next], frame, size, MSG_DONTWAIT | MSG_NOSIGNAL) == size) sent++;
      else brief++;
      next = (next + 1) % sockets;
    }
  }
  printf("sent %lld %.6f %lld\n", sent, cpu_seconds() - before, brief);
  while (fgets(line, sizeof line, stdin)) {}
  return 0;
}
