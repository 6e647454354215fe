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

   With "mix" only one frame in twenty is something said, and five are moves; the others are those of which nothing is
   known. A move has 67 bytes, so all of a mix have:

     offset  size  field         value
     0       8     header        as above; opcode 6
     8       4     world id      1, which is what the origin says the player has
     12      4     packet id     the sequence
     16      1     action        1, a move
     17      2     size          of the path, 48
     19      48    path          six points, x and y little-endian: around one place, and in each coordinate's lowest six
                                 bits a part of the monotonic nanoseconds, the lowest first

   tests/bench/test_load.py reads them with the game's own pack. */

#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { LONGEST_SAID_BYTES = 200, SAID = 1, MOVE = 6, OTHER = 9, MOVE_BYTES = 67, COORDINATES = 12, PLACE = 217024 };

static bool is_mix; /* set before the first frame is written */

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

/* In a mix each session is at another place of the turn: players do not all speak in the same tenth of a second. */
static uint16_t opcode_for(long bytes, uint32_t session, uint32_t sequence) {
    uint32_t turn = session + sequence;
    if (is_mix) return turn % 20 == 3 ? SAID : turn % 4 == 0 ? MOVE : OTHER;
    return bytes <= LONGEST_SAID_BYTES ? SAID : OTHER;
}

static void write_move(char *frame, uint32_t sequence) {
    uint64_t time = now();
    store(frame + 8, 1, 4);
    store(frame + 12, sequence, 4);
    frame[16] = 1;
    store(frame + 17, 8 * COORDINATES / 2, 2);
    for (int place = 0; place < COORDINATES; place++, time >>= 6) {
        uint32_t coordinate = htole32(PLACE + (uint32_t)(time & 63));
        memcpy(frame + 19 + 4 * place, &coordinate, 4);
    }
}

static void write_frame(char *frame, long bytes, uint32_t session, uint32_t sequence) {
    uint16_t opcode = opcode_for(bytes, session, sequence);
    store(frame, (uint64_t)bytes, 2);
    store(frame + 2, 0x80000000u, 4);
    store(frame + 6, opcode, 2);
    if (opcode == MOVE) {
        write_move(frame, sequence);
        return;
    }
    store(frame + 8, (uint64_t)bytes - 10, 2);
    store_hex(frame + 10, session, 8);
    store_hex(frame + 18, sequence, 8);
    store_hex(frame + 26, now(), 16);
    memset(frame + 42, 'x', (size_t)bytes - 43);
    frame[bytes - 1] = 0;
}

static bool is_move(const char *frame) { return load(frame + 6, 2) == MOVE; }

static uint32_t sequence_of(const char *frame) {
    return is_move(frame) ? (uint32_t)load(frame + 12, 4) : (uint32_t)load_hex(frame + 18, 8);
}

static uint64_t sent_time_of(const char *frame) {
    if (!is_move(frame)) return load_hex(frame + 26, 16);
    uint64_t time = 0;
    for (int place = COORDINATES - 2; place >= 0; place--) { /* eleven parts hold all 64 bits */
        uint32_t coordinate;
        memcpy(&coordinate, frame + 19 + 4 * place, 4);
        time = time << 6 | ((le32toh(coordinate) - PLACE) & 63);
    }
    return time;
}

/* Whether this is the echo of a frame that the session has sent. */
static bool is_own_frame(const char *frame, uint32_t bytes, uint32_t session, uint32_t sent) {
    uint32_t sequence = sequence_of(frame);
    bool is_ours = load(frame, 2) == bytes && load(frame + 6, 2) == opcode_for(bytes, session, sequence);
    return is_ours && sequence < sent && (is_move(frame) || load_hex(frame + 10, 8) == session);
}
