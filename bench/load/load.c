/* The benchmark's load generator.

     load port=1973 sessions=1000 rate=20 frame_bytes=64 seconds=5 warm_up_seconds=1 watch=123,124
     load port=1973 sessions=500 flight=8 seconds=5
     load port=1973 sessions=1000 rate=10 frame_bytes=67 mix=1 seconds=5

   Called by bench/generator.py, which compiles it. It is C, because what measures must not be the bottleneck:
   it shares two cores with what it measures. It knows nothing of relays; it is told which processes' CPU time
   to read when the measured interval begins and ends.

   With "rate" each session sends so many frames a second; with "flight" it keeps so many under way; with
   neither it is idle. How a frame looks stands in frames.h.

   The origin speaks first: each session passes over so many bytes as "greeting_bytes" says. Then it sends one
   frame and waits for its echo: only then is it known to reach the origin.
   Prints the line "measuring" when the measured interval begins, and one JSON object at the end. */

#define _GNU_SOURCE
#include <signal.h>
#include <sys/timerfd.h>

#include "frames.h"
#include "options.h"
#include "round_trips.h"
#include "sockets.h"
#include "watched.h"

enum {
    CONNECTING_AT_ONCE = 64, /* far below every backlog, so that no connection is refused for haste */
    CONNECT_SECONDS = 60,    /* for all sessions together */
    DRAIN_SECONDS = 3,       /* for frames still under way at the end */
};
static const uint64_t SHORTEST_TICK = 200000u; /* finer costs the relays CPU time for nothing */
static const uint64_t LONGEST_TICK = 10000000u;
static const uint32_t TIMER = UINT32_MAX; /* instead of a session's number in an event */

static int timer_fd;
static char chunk[CHUNK_BYTES + MAX_FRAME_BYTES];

enum state { NEW, CONNECTING, LISTENING, GREETING, RUNNING, BROKEN };

struct session {
    int fd;
    enum state state;
    bool is_blocked;            /* the socket took less than it was given; waiting until it takes more */
    uint32_t sent, expected;    /* sequence numbers: the next to send, the next to come back */
    uint32_t missing;           /* skipped so far: a late one among them was reordered, not lost */
    uint32_t unwritten_bytes;   /* what the socket did not take yet */
    uint32_t ungreeted_bytes;   /* of the origin's first words, what is still to come */
    uint32_t partial_bytes;     /* the beginning of a frame that is not whole yet */
    char *unwritten, *partial;
};

static struct session *sessions;
static long started, waiting, running, refused, broken;
static bool is_measuring, is_sending;

static struct {
    uint64_t sent, received, lost, doubled, reordered, corrupt, held_back, late_ns;
} total, at_start, at_end;

static uint32_t number_of(const struct session *session) { return (uint32_t)(session - sessions); }

static void close_session(struct session *session) {
    if (session->state == RUNNING) {
        running--;
        broken++;
    } else {
        waiting--;
        refused++;
    }
    session->state = BROKEN;
    close(session->fd);
}

static void flush_session(struct session *session) {
    ssize_t written = send(session->fd, session->unwritten, session->unwritten_bytes, MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) {
        close_session(session);
        return;
    }
    if (written > 0) {
        session->unwritten_bytes -= (uint32_t)written;
        memmove(session->unwritten, session->unwritten + written, session->unwritten_bytes);
    }
    bool is_blocked = session->unwritten_bytes > 0;
    if (is_blocked == session->is_blocked) return;
    session->is_blocked = is_blocked;
    watch_fd(EPOLL_CTL_MOD, session->fd, is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, number_of(session));
}

/* Send frames in one write, as a client does that has several ready. There is room for all that may be under way. */
static void send_frames(struct session *session, long count) {
    for (; count > 0; count--) {
        char *frame = session->unwritten + session->unwritten_bytes;
        write_frame(frame, options.frame_bytes, number_of(session), session->sent);
        session->unwritten_bytes += (uint32_t)options.frame_bytes;
        session->sent++;
        total.sent++;
    }
    flush_session(session);
}

static void check_sequence(struct session *session, uint32_t sequence) {
    if (sequence >= session->expected) {
        session->missing += sequence - session->expected;
        total.lost += sequence - session->expected;
        session->expected = sequence + 1;
    } else if (session->missing > 0) {
        session->missing--;
        total.lost--;
        total.reordered++;
    } else {
        total.doubled++;
    }
}

/* Check the whole frames of the chunk and keep what is behind them. Return how many there were. */
static long take_frames(struct session *session, uint32_t bytes) {
    uint32_t position = 0, size = (uint32_t)options.frame_bytes;
    uint64_t time = now();
    for (; bytes - position >= size; position += size) {
        if (!is_own_frame(chunk + position, size, number_of(session), session->sent)) {
            total.corrupt++;
            close_session(session);
            return 0;
        }
        check_sequence(session, sequence_of(chunk + position));
        if (is_measuring) record(time - sent_time_of(chunk + position));
    }
    session->partial_bytes = bytes - position;
    memcpy(session->partial, chunk + position, session->partial_bytes);
    total.received += position / size;
    return position / size;
}

static void say_hello(struct session *session) {
    session->state = GREETING;
    send_frames(session, 1);
}

/* Pass over the origin's first words; nothing else comes before the first frame is sent. */
static void listen_first(struct session *session) {
    ssize_t received = recv(session->fd, chunk, session->ungreeted_bytes, 0);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) {
        close_session(session);
        return;
    }
    session->ungreeted_bytes -= (uint32_t)received;
    if (session->ungreeted_bytes == 0) say_hello(session);
}

static void receive(struct session *session) {
    if (session->state == LISTENING) {
        listen_first(session);
        return;
    }
    memcpy(chunk, session->partial, session->partial_bytes);
    ssize_t received = recv(session->fd, chunk + session->partial_bytes, CHUNK_BYTES, 0);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) {
        close_session(session);
        return;
    }
    long frames = take_frames(session, session->partial_bytes + (uint32_t)received);
    if (frames && session->state == GREETING) {
        session->state = RUNNING;
        waiting--;
        running++;
    } else if (frames && options.flight && is_sending) {
        /* Not as many as came back: a doubled one must not raise what is under way. */
        send_frames(session, options.flight - (long)(session->sent - session->expected));
    }
}

static void start_session(uint32_t number) {
    struct session *session = &sessions[number];
    struct sockaddr_in address = loopback(options.port);
    /* Closing by a reset leaves no ports in TIME_WAIT, of which a long benchmark would run out. */
    struct linger reset = {.l_onoff = 1};
    session->fd = tcp_socket();
    setsockopt(session->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    session->state = CONNECTING;
    session->partial = allocate(1, (size_t)options.frame_bytes);
    session->unwritten = allocate((size_t)(options.flight ? options.flight : 1), (size_t)options.frame_bytes);
    waiting++;
    if (connect(session->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
        close_session(session);
        return;
    }
    watch_fd(EPOLL_CTL_ADD, session->fd, EPOLLOUT, number);
}

static void greet(struct session *session) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        close_session(session);
        return;
    }
    session->state = LISTENING;
    session->ungreeted_bytes = (uint32_t)options.greeting_bytes;
    session->is_blocked = true; /* as the socket is watched now */
    if (session->ungreeted_bytes == 0) say_hello(session);
    else flush_session(session);
}

static void handle_event(const struct epoll_event *event) {
    uint64_t ticks;
    if (event->data.u32 == TIMER) {
        if (read(timer_fd, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("timer: %s", strerror(errno));
        return;
    }
    struct session *session = &sessions[event->data.u32];
    if (session->state == CONNECTING) {
        greet(session);
        return;
    }
    if (session->state != BROKEN && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(session);
    if (session->state != BROKEN && session->is_blocked && event->events & EPOLLOUT) flush_session(session);
}

/* Wait for something, at the longest until the next tick. */
static void handle_events(void) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, -1);
    for (int index = 0; index < count; index++) handle_event(&events[index]);
}

static void set_tick(uint64_t nanoseconds) {
    struct timespec tick = {.tv_nsec = (long)nanoseconds};
    timerfd_settime(timer_fd, 0, &(struct itimerspec){tick, tick}, NULL);
}

/* ---- run: connect, warm up, measure, drain ---- */

static void connect_all(void) {
    uint64_t deadline = now() + CONNECT_SECONDS * SECOND;
    set_tick(LONGEST_TICK);
    while (running + refused + broken < options.sessions && now() < deadline) {
        while (waiting < CONNECTING_AT_ONCE && started < options.sessions) start_session((uint32_t)started++);
        handle_events();
    }
    for (long number = 0; number < started; number++)
        if (sessions[number].state != RUNNING && sessions[number].state != BROKEN) close_session(&sessions[number]);
    refused += options.sessions - started;
}

/* Send what is due. The phases are spread evenly: one frame every 1 / (sessions × rate) seconds, in turns. */
static void send_due(uint64_t begin, uint64_t time) {
    static uint64_t next;
    double per_nanosecond = (double)options.sessions * options.rate / 1e9;
    double due = (double)(time - begin) * per_nanosecond;
    uint64_t planned = begin + (uint64_t)((double)next / per_nanosecond);
    if (time > planned && time - planned > total.late_ns) total.late_ns = time - planned;
    for (; (double)next < due; next++) {
        struct session *session = &sessions[next % (uint64_t)options.sessions];
        if (session->state == RUNNING && !session->unwritten_bytes) send_frames(session, 1);
        else total.held_back++;
    }
}

static uint64_t begin_measuring(void) {
    puts("measuring");
    fflush(stdout);
    is_measuring = true;
    total.late_ns = 0;
    at_start = total;
    read_cpu(cpu_from, options.watched, options.watched_count);
    return now();
}

/* How often to look what is due, in nanoseconds: once a frame, within bounds. */
static uint64_t sending_tick(void) {
    double frames_per_second = (double)options.sessions * options.rate;
    if (frames_per_second <= (double)(SECOND / LONGEST_TICK)) return LONGEST_TICK;
    uint64_t tick = (uint64_t)((double)SECOND / frames_per_second);
    return tick < SHORTEST_TICK ? SHORTEST_TICK : tick;
}

/* Return how many seconds the measured interval lasted. */
static double run_load(void) {
    uint64_t begin = now(), from = begin + (uint64_t)(options.warm_up_seconds * 1e9);
    uint64_t until = from + (uint64_t)(options.seconds * 1e9), measured_from = 0, time;
    set_tick(sending_tick());
    is_sending = true;
    for (long number = 0; options.flight && number < options.sessions; number++)
        if (sessions[number].state == RUNNING) send_frames(&sessions[number], options.flight);
    while ((time = now()) < until) {
        if (!is_measuring && time >= from) measured_from = begin_measuring();
        if (options.rate > 0) send_due(begin, time);
        handle_events();
    }
    if (!is_measuring) measured_from = begin_measuring();
    read_cpu(cpu_until, options.watched, options.watched_count);
    is_sending = is_measuring = false;
    at_end = total;
    return (double)(now() - measured_from) / 1e9;
}

/* Wait for what is under way; return how many frames never came back. */
static uint64_t drain(void) {
    uint64_t deadline = now() + DRAIN_SECONDS * SECOND, unanswered = 0;
    set_tick(LONGEST_TICK);
    while (total.received - total.doubled + total.lost < total.sent && now() < deadline) handle_events();
    for (long number = 0; number < options.sessions; number++)
        if (sessions[number].sent) unanswered += sessions[number].sent - sessions[number].expected;
    return unanswered;
}

static void print_count(const char *name, uint64_t value) { printf("\"%s\": %lu, ", name, value); }

static void print_amount(const char *name, double value) { printf("\"%s\": %.6f, ", name, value); }

static void print_result(double seconds, uint64_t unanswered) {
    printf("{");
    print_count("sessions", (uint64_t)options.sessions);
    print_count("refused", (uint64_t)refused);
    print_count("broken", (uint64_t)broken);
    print_amount("seconds", seconds);
    print_count("sent", at_end.sent - at_start.sent);
    print_count("received", at_end.received - at_start.received);
    print_count("lost", total.lost);
    print_count("doubled", total.doubled);
    print_count("reordered", total.reordered);
    print_count("corrupt", total.corrupt);
    print_count("unanswered", unanswered);
    print_count("held_back", at_end.held_back - at_start.held_back);
    print_amount("late_max_us", (double)at_end.late_ns / 1000);
    print_amount("p50_us", percentile_us(0.5));
    print_amount("p99_us", percentile_us(0.99));
    print_amount("p999_us", percentile_us(0.999));
    print_amount("max_us", (double)longest / 1000);
    print_amount("own_cpu_seconds", cpu_until[options.watched_count] - cpu_from[options.watched_count]);
    print_watched(options.watched, options.watched_count);
    puts("}");
}

static void run(void) {
    rlim_t needed = (rlim_t)options.sessions + 64;
    if (raise_file_limit(needed) < needed)
        die("%ld sessions need %lu open files; 'ulimit -n' allows fewer", options.sessions, needed);
    /* A safeguard: whatever happens, the load ends. */
    alarm((unsigned)(CONNECT_SECONDS + options.warm_up_seconds + options.seconds + DRAIN_SECONDS + 10));
    sessions = allocate((size_t)options.sessions, sizeof *sessions);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    watch_fd(EPOLL_CTL_ADD, timer_fd, EPOLLIN, TIMER);
    connect_all();
    double seconds = run_load();
    print_result(seconds, drain());
}

int main(int count, char **arguments) {
    if (count < 2) die("usage: load NAME=VALUE ...; the options are explained in bench/load/load.c");
    for (int index = 1; index < count; index++) read_option(arguments[index]);
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run();
    return 0;
}
