/* The CPU time of the processes that are watched: user and system, all threads, those that ended included.

   By the processes' CPU clocks: /proc/PID/stat says the same in steps of 10 ms, a tenth of a quiet load. */

#pragma once
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

static double cpu_seconds_of(pid_t pid) {
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time)) return -1; /* it has ended */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_from[MAX_WATCHED + 1], cpu_until[MAX_WATCHED + 1]; /* the last is our own */

static void read_cpu(double *seconds, const pid_t *watched, int count) {
    for (int index = 0; index < count; index++) seconds[index] = cpu_seconds_of(watched[index]);
    seconds[count] = cpu_seconds_of(getpid());
}

static void print_watched(const pid_t *watched, int count) {
    printf("\"watched_cpu_seconds\": {");
    for (int index = 0; index < count; index++) {
        bool is_alive = cpu_from[index] >= 0 && cpu_until[index] >= 0;
        double seconds = is_alive ? cpu_until[index] - cpu_from[index] : -1;
        printf("%s\"%d\": %.6f", index ? ", " : "", watched[index], seconds);
    }
    printf("}");
}
