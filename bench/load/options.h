/* The load generator's options, written NAME=VALUE; each is bounded, and a wrong one ends the program. */

#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "frames.h"
#include "sockets.h"

enum {
    MIN_FRAME_BYTES = 48,
    MAX_FRAME_BYTES = 1024,
    MAX_FLIGHT = 256,
    MAX_GREETING_BYTES = 4096,
    MAX_SECONDS = 600,
    MAX_WATCHED = 64,
};

static struct {
    long port, sessions, frame_bytes, flight, greeting_bytes;
    double rate, seconds, warm_up_seconds;
    pid_t watched[MAX_WATCHED];
    int watched_count;
} options = {.sessions = 1, .frame_bytes = 64, .seconds = 1};

static void read_watched(char *list) {
    for (char *pid = strtok(list, ","); pid; pid = strtok(NULL, ",")) {
        if (options.watched_count == MAX_WATCHED) die("watch: at most %d processes", MAX_WATCHED);
        options.watched[options.watched_count++] = (pid_t)number_within("watch", pid, 1, INT32_MAX);
    }
}

static inline void read_option(char *option) {
    char *value = strchr(option, '=');
    if (!value) die("%s: write NAME=VALUE", option);
    *value++ = 0;
    if (!strcmp(option, "port")) options.port = (long)number_within(option, value, 0, 65535);
    else if (!strcmp(option, "sessions")) options.sessions = (long)number_within(option, value, 1, MAX_SESSIONS);
    else if (!strcmp(option, "rate")) options.rate = number_within(option, value, 0, 10000);
    else if (!strcmp(option, "flight")) options.flight = (long)number_within(option, value, 0, MAX_FLIGHT);
    else if (!strcmp(option, "frame_bytes"))
        options.frame_bytes = (long)number_within(option, value, MIN_FRAME_BYTES, MAX_FRAME_BYTES);
    else if (!strcmp(option, "mix")) is_mix = number_within(option, value, 0, 1) > 0;
    else if (!strcmp(option, "greeting_bytes"))
        options.greeting_bytes = (long)number_within(option, value, 0, MAX_GREETING_BYTES);
    else if (!strcmp(option, "seconds")) options.seconds = number_within(option, value, 0.01, MAX_SECONDS);
    else if (!strcmp(option, "warm_up_seconds")) options.warm_up_seconds = number_within(option, value, 0, MAX_SECONDS);
    else if (!strcmp(option, "watch")) read_watched(value);
    else die("%s: no such option", option);
}
