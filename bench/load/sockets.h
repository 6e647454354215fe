/* What the load generator, the attackers and the echo origin share: failing, options, memory, the file limit, sockets,
   epoll.

   Each is one thread with one epoll, and only ever speaks over loopback. */

#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    MAX_SESSIONS = 20000, /* each needs a port of its own: the usual range has 28,000 */
    BACKLOG = 4096,
    CHUNK_BYTES = 65536,
    EVENTS_AT_ONCE = 256,
};

static int epoll_fd;

static inline void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static inline double number_within(const char *name, const char *text, double low, double high) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= low && value <= high)) {
        die("%s=%s: %g to %g is possible", name, text, low, high);
    }
    return value;
}

static inline void *allocate(size_t count, size_t bytes) {
    void *memory = calloc(count, bytes);
    if (!memory) die("out of memory");
    return memory;
}

/* Allow as many open files as wanted, or as the system lets us; return how many. Root may raise the hard limit. */
static inline rlim_t raise_file_limit(rlim_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) die("getrlimit: %s", strerror(errno));
    if (limit.rlim_max < wanted && !setrlimit(RLIMIT_NOFILE, &(struct rlimit){wanted, wanted})) return wanted;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static inline void watch_fd(int operation, int fd, uint32_t events, uint32_t number) {
    struct epoll_event event = {.events = events, .data.u32 = number};
    if (epoll_ctl(epoll_fd, operation, fd, &event)) die("epoll_ctl: %s", strerror(errno));
}

static inline int tcp_socket(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) die("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static inline struct sockaddr_in loopback(long port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}
