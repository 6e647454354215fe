/* The hostile connections of a siege (bench/siege.py): from 127.0.0.2, each does what is hostile about it until it is
   closed.

     attack kind=drip port=4711 connections=10000 rate=100 seconds=300

   It gives way to every other process: attackers have machines of their own, and what they cost here must not be taken
   from those who play. Prints "phase arriving", "standing", "closing" and "over" as it comes to them, and at the end a
   line of JSON with what became of the attackers. */

#define _GNU_SOURCE
#include <sched.h>
#include <stdbool.h>
#include <time.h>

#include "sockets.h"

enum {
    MAX_ATTACK_SECONDS = 7200,
    TICK_MILLISECONDS = 1,
    DRIP_SECONDS = 1,
    MOST_RANDOM_BYTES = 200,
};

/* The beginning of a long frame that never becomes whole. */
static const char DRIP_BEGIN[] = {0x3f, (char)0xff};
static const char DRIP_REST = 1;

static const char BROWSER[] = "GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: Mozilla/5.0\r\n\r\n";
static const char TLS_BEGIN[] = {0x16, 3, 1, 2, 0, 1, 0, 1, (char)0xfc, 3, 3};
enum { TLS_BYTES = sizeof TLS_BEGIN + 64 };

enum kind { SILENT, DRIP, CHURN };

static struct {
    enum kind kind;
    long port, connections;
    double rate, seconds;
} options = {.connections = 1, .rate = 1, .seconds = 1};

struct attacker {
    double since; /* 0 until it stands */
    long number, dripped;
    bool is_open;
};

struct drip {
    double due;
    int fd;
    long number; /* another attacker may have the descriptor by then */
};

static struct attacker *attackers; /* by descriptor */
static struct drip *drips;         /* in the order in which they are due: a ring */
static long first_drip, drip_count;

static long started, connecting, connected, failed;
static long long told_bytes;
static double *closed_after;
static long closed;

static double now_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void say(const char *phase) {
    printf("phase %s\n", phase);
    fflush(stdout);
}

static void begin_one(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("127.0.0.2")};
    struct sockaddr_in to = loopback(options.port);
    if (fd < 0) {
        failed++;
        return;
    }
    /* The port is chosen when it connects, among those that are free for the other end (ip(7)). */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) ||
        (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
        failed++;
        close(fd);
        return;
    }
    connecting++;
    attackers[fd] = (struct attacker){.number = started, .is_open = true};
    watch_fd(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, (uint32_t)fd);
}

static void end_one(int fd) {
    attackers[fd].is_open = false;
    close(fd);
}

/* What there is no room for is not sent; the end of a connection is found when it is read. */
static void say_word(int fd) {
    char word[MOST_RANDOM_BYTES] = {0};
    const char *bytes = word;
    size_t count = TLS_BYTES;
    switch (random() % 3) {
        case 0:
            bytes = BROWSER;
            count = sizeof BROWSER - 1;
            break;
        case 1:
            memcpy(word, TLS_BEGIN, sizeof TLS_BEGIN);
            break;
        default:
            count = 1 + (size_t)random() % MOST_RANDOM_BYTES;
            for (size_t index = 0; index < count; index++) word[index] = (char)random();
    }
    send(fd, bytes, count, MSG_NOSIGNAL);
}

static void drip(int fd, double due) {
    struct attacker *attacker = &attackers[fd];
    const char *byte = attacker->dripped < (long)sizeof DRIP_BEGIN ? &DRIP_BEGIN[attacker->dripped] : &DRIP_REST;
    if (send(fd, byte, 1, MSG_NOSIGNAL) == 1) attacker->dripped++;
    drips[(first_drip + drip_count++) % options.connections] =
        (struct drip){due + DRIP_SECONDS, fd, attacker->number};
}

/* Have each whose second is over send its byte: each at its own time, as strangers do. */
static void drip_all(double now) {
    while (drip_count && drips[first_drip].due <= now) {
        struct drip next = drips[first_drip];
        struct attacker *attacker = &attackers[next.fd];
        first_drip = (first_drip + 1) % options.connections;
        drip_count--;
        if (attacker->is_open && attacker->number == next.number) drip(next.fd, next.due);
    }
}

/* It stands, or could not connect; returns whether it stands. */
static bool stand(int fd, double now) {
    int error = 0;
    socklen_t size = sizeof error;
    connecting--;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        failed++;
        end_one(fd);
        return false;
    }
    attackers[fd].since = now;
    connected++;
    if (options.kind == CHURN) say_word(fd);
    if (options.kind == DRIP) drip(fd, now);
    return true;
}

static void look_at(int fd) {
    static char told[4096];
    double now = now_seconds();
    if (!attackers[fd].since && !stand(fd, now)) return;
    for (;;) {
        ssize_t received = recv(fd, told, sizeof told, 0);
        if (received < 0 && errno == EAGAIN) return;
        if (received <= 0) break;
        told_bytes += received;
    }
    closed_after[closed++] = now - attackers[fd].since;
    end_one(fd);
}

/* Attack until all are closed, or time is up. */
static void attack(void) {
    double begin = now_seconds(), now;
    const char *phase = "arriving";
    say(phase);
    while ((now = now_seconds()) - begin < options.seconds) {
        struct epoll_event events[EVENTS_AT_ONCE];
        while (started < options.connections && (double)started < (now - begin) * options.rate) {
            started++;
            begin_one();
        }
        drip_all(now);
        if (started == options.connections && !connecting) {
            const char *next = closed ? "closing" : "standing";
            if (closed == connected) break;
            if (next != phase && strcmp(next, phase)) say(phase = next);
        }
        int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, TICK_MILLISECONDS);
        for (int index = 0; index < count; index++) look_at((int)events[index].data.u32);
    }
    say("over");
}

static int by_size(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return difference < 0 ? -1 : difference > 0;
}

static void report(void) {
    qsort(closed_after, (size_t)closed, sizeof *closed_after, by_size);
    printf("{\"connected\": %ld, \"failed\": %ld, \"closed\": %ld, \"told_bytes\": %lld, \"closed_after\": [", connected,
           failed, closed, told_bytes);
    if (closed) printf("%.2f, %.2f, %.2f", closed_after[0], closed_after[closed / 2], closed_after[closed - 1]);
    printf("]}\n");
    fflush(stdout);
}

static void read_attack_option(char *option) {
    char *value = strchr(option, '=');
    if (!value) die("%s: write NAME=VALUE", option);
    *value++ = 0;
    if (!strcmp(option, "kind")) {
        if (!strcmp(value, "silent")) options.kind = SILENT;
        else if (!strcmp(value, "drip")) options.kind = DRIP;
        else if (!strcmp(value, "churn")) options.kind = CHURN;
        else die("kind=%s: silent, drip and churn are possible", value);
    } else if (!strcmp(option, "port")) options.port = (long)number_within(option, value, 1, 65535);
    else if (!strcmp(option, "connections")) options.connections = (long)number_within(option, value, 1, MAX_SESSIONS);
    else if (!strcmp(option, "rate")) options.rate = number_within(option, value, 0.01, 100000);
    else if (!strcmp(option, "seconds")) options.seconds = number_within(option, value, 0.01, MAX_ATTACK_SECONDS);
    else die("%s: no such option", option);
}

int main(int count, char **arguments) {
    for (int index = 1; index < count; index++) read_attack_option(arguments[index]);
    if (!options.port) die("port=PORT is needed");
    sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
    srandom(1);
    rlim_t limit = raise_file_limit((rlim_t)options.connections + 64);
    attackers = allocate(limit, sizeof *attackers);
    drips = allocate((size_t)options.connections, sizeof *drips);
    closed_after = allocate((size_t)options.connections, sizeof *closed_after);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    attack();
    report();
    return 0; /* what is still open ends with the process */
}
