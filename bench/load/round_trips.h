/* The table of round trips: 64 equal steps in every power of two nanoseconds, so an error of at most 1.6 %.

   Its size is fixed, however long the load runs; recording costs a few instructions. */

#pragma once
#include <stdint.h>

enum { STEPS = 64, LARGEST_BIT = 40, BUCKETS = (LARGEST_BIT - 6) * STEPS + 2 * STEPS };
static uint64_t histogram[BUCKETS], recorded, longest;

static void record(uint64_t nanoseconds) {
    if (nanoseconds > longest) longest = nanoseconds;
    if (nanoseconds >> LARGEST_BIT) nanoseconds = (1ull << LARGEST_BIT) - 1;
    int shift = nanoseconds < 2 * STEPS ? 0 : 63 - __builtin_clzll(nanoseconds) - 6;
    histogram[shift * STEPS + (int)(nanoseconds >> shift)]++;
    recorded++;
}

static double percentile_us(double share) {
    uint64_t wanted = (uint64_t)(share * (double)recorded), seen = 0;
    for (int index = 0; index < BUCKETS; index++) {
        seen += histogram[index];
        if (seen <= wanted) continue;
        int shift = index < 2 * STEPS ? 0 : index / STEPS - 1;
        uint64_t low = (uint64_t)(index - shift * STEPS) << shift;
        return ((double)low + (double)(1ull << shift) / 2) / 1000;
    }
    return 0;
}
