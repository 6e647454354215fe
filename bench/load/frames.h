/* The frames of the load: legal ones of the classic dialect of the game "pko", big-endian.

     offset  size  field         value
     0       2     length        the whole frame, itself included
     2       4     session word  0x80000000, an ordinary message
     6       2     opcode        6, begin-action
     8       4     world id      the session's number
     12      4     packet id     counts up from 0 in each session: the sequence that is checked
     16      1     action        100, one of a fork's own, so that the rest may be anything
     17      8     sent          monotonic nanoseconds
     25      ...   filler        zeros

   tests/bench/test_load.py reads them with the game's own pack. */

#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

static const uint64_t SECOND = 1000000000u;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static void store(char *at, uint64_t value, int bytes) {
    value = htobe64(value << (64 - 8 * bytes));
    memcpy(at, &value, (size_t)bytes);
}

static uint64_t load(const char *at, int bytes) {
    uint64_t value = 0;
    memcpy(&value, at, (size_t)bytes);
    return be64toh(value) >> (64 - 8 * bytes);
}

static void write_frame(char *frame, long bytes, uint32_t session, uint32_t sequence) {
    memset(frame, 0, (size_t)bytes);
    store(frame, (uint64_t)bytes, 2);
    store(frame + 2, 0x80000000u, 4);
    store(frame + 6, 6, 2);
    store(frame + 8, session, 4);
    store(frame + 12, sequence, 4);
    store(frame + 16, 100, 1);
    store(frame + 17, now(), 8);
}

static uint32_t sequence_of(const char *frame) { return (uint32_t)load(frame + 12, 4); }

static uint64_t sent_time_of(const char *frame) { return load(frame + 17, 8); }

/* Whether this is the echo of a frame that the session has sent. */
static bool is_own_frame(const char *frame, uint32_t bytes, uint32_t session, uint32_t sent) {
    bool is_ours = load(frame, 2) == bytes && load(frame + 6, 2) == 6 && load(frame + 8, 4) == session;
    return is_ours && sequence_of(frame) < sent;
}
