/* The frames of the load: legal ones of the classic dialect of the game "pko", big-endian, as a player in the game
   sends them.

     offset  size  field         value
     0       2     length        the whole frame, itself included
     2       4     session word  0x80000000, an ordinary message
     6       2     opcode        1, something said; 9, of which nothing is known, where that would be too long
     8       2     size          of the text, its NUL included
     10      8     session       the session's number, hexadecimal
     18      8     sequence      counts up from 0 in each session
     26      16    sent          monotonic nanoseconds, hexadecimal
     42      ...   filler        the letter x, and a NUL

   tests/bench/test_load.py reads them with the game's own pack. */

#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { LONGEST_SAID_BYTES = 200 };

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

static void store_hex(char *at, uint64_t value, int digits) {
    for (int place = digits; place-- > 0; value >>= 4) at[place] = "0123456789abcdef"[value & 15];
}

static uint64_t load_hex(const char *at, int digits) {
    uint64_t value = 0;
    for (int place = 0; place < digits; place++) value = value << 4 | (uint64_t)(at[place] <= '9' ? at[place] - '0' : (at[place] - 'a' + 10) & 15);
    return value;
}

static uint16_t opcode_for(long bytes) { return bytes <= LONGEST_SAID_BYTES ? 1 : 9; }

static void write_frame(char *frame, long bytes, uint32_t session, uint32_t sequence) {
    store(frame, (uint64_t)bytes, 2);
    store(frame + 2, 0x80000000u, 4);
    store(frame + 6, opcode_for(bytes), 2);
    store(frame + 8, (uint64_t)bytes - 10, 2);
    store_hex(frame + 10, session, 8);
    store_hex(frame + 18, sequence, 8);
    store_hex(frame + 26, now(), 16);
    memset(frame + 42, 'x', (size_t)bytes - 43);
    frame[bytes - 1] = 0;
}

static uint32_t sequence_of(const char *frame) { return (uint32_t)load_hex(frame + 18, 8); }

static uint64_t sent_time_of(const char *frame) { return load_hex(frame + 26, 16); }

/* Whether this is the echo of a frame that the session has sent. */
static bool is_own_frame(const char *frame, uint32_t bytes, uint32_t session, uint32_t sent) {
    bool is_ours = load(frame, 2) == bytes && load(frame + 6, 2) == opcode_for(bytes) && load_hex(frame + 10, 8) == session;
    return is_ours && sequence_of(frame) < sent;
}
