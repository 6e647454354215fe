/* The benchmark's origin: sends back what it gets, and ends when its standard input does.

     origin 4711
     origin 4711 000500..

   Called by bench/generator.py, which compiles it. The arguments are the port, of which 0 takes any free one, and
   what it says first to whoever connects, hexadecimal. It prints where it listens. It knows nothing of frames. */

#define _GNU_SOURCE
#include <signal.h>

#include "sockets.h"

static char chunk[CHUNK_BYTES];
static char greeting[4096];
static size_t greeting_bytes;

struct pending { char *bytes; size_t count; };

/* Keep what the socket did not take, and read no more from it until it has: one chunk a connection at most. */
static void echo_chunk(int fd, struct pending *pending) {
    ssize_t received = recv(fd, chunk, CHUNK_BYTES, 0);
    if (received < 0 && errno == EAGAIN) return;
    ssize_t sent = received > 0 ? send(fd, chunk, (size_t)received, MSG_NOSIGNAL) : -1;
    if (sent < 0 && received > 0 && errno == EAGAIN) sent = 0;
    if (sent < 0) {
        close(fd);
        return;
    }
    if (sent == received) return;
    pending->count = (size_t)(received - sent);
    pending->bytes = allocate(1, pending->count);
    memcpy(pending->bytes, chunk + sent, pending->count);
    watch_fd(EPOLL_CTL_MOD, fd, EPOLLOUT, (uint32_t)fd);
}

static void echo_pending(int fd, struct pending *pending) {
    ssize_t sent = send(fd, pending->bytes, pending->count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent >= 0 && (size_t)sent < pending->count) {
        pending->count -= (size_t)sent;
        memmove(pending->bytes, pending->bytes + sent, pending->count);
        return;
    }
    free(pending->bytes);
    *pending = (struct pending){0};
    if (sent < 0) close(fd);
    else watch_fd(EPOLL_CTL_MOD, fd, EPOLLIN, (uint32_t)fd);
}

static void accept_all(int listener, int limit) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= limit) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch_fd(EPOLL_CTL_ADD, fd, EPOLLIN, (uint32_t)fd);
        /* An empty socket takes it whole. */
        if (greeting_bytes && send(fd, greeting, greeting_bytes, MSG_NOSIGNAL) != (ssize_t)greeting_bytes) close(fd);
    }
}

static void read_greeting(const char *text) {
    size_t digits = strlen(text);
    if (digits % 2 || digits / 2 > sizeof greeting) die("a greeting has up to %zu bytes", sizeof greeting);
    for (greeting_bytes = 0; greeting_bytes < digits / 2; greeting_bytes++) {
        unsigned byte;
        if (sscanf(text + 2 * greeting_bytes, "%2x", &byte) != 1) die("a greeting is hexadecimal");
        greeting[greeting_bytes] = (char)byte;
    }
}

static int listen_on(long port) {
    int fd = tcp_socket(), on = 1;
    struct sockaddr_in address = loopback(port);
    socklen_t size = sizeof address;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, BACKLOG)) die("port %ld: %s", port, strerror(errno));
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("origin: ready at 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* Serve until standard input ends, so that the origin never outlives who started it. */
static void serve(long port) {
    rlim_t limit = raise_file_limit(MAX_SESSIONS + 64);
    struct pending *pending = allocate(limit, sizeof *pending);
    int listener = listen_on(port);
    watch_fd(EPOLL_CTL_ADD, listener, EPOLLIN, (uint32_t)listener);
    watch_fd(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, STDIN_FILENO);
    for (;;) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, -1);
        for (int index = 0; index < count; index++) {
            int fd = (int)events[index].data.u32;
            if (fd == listener) accept_all(listener, (int)limit);
            else if (fd == STDIN_FILENO) {
                if (read(fd, chunk, CHUNK_BYTES) <= 0) return;
            } else if (pending[fd].bytes) echo_pending(fd, &pending[fd]);
            else echo_chunk(fd, &pending[fd]);
        }
    }
}

int main(int count, char **arguments) {
    char *end = "";
    long port = count == 2 || count == 3 ? strtol(arguments[1], &end, 10) : -1;
    if (*end || port < 0 || port > 65535) die("usage: origin PORT [GREETING], the port 0 to 65535");
    if (count == 3) read_greeting(arguments[2]);
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    serve(port);
    return 0;
}
