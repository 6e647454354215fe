"""The token buckets of one session, each as one number: the time at which it would be full again.

This is the "generic cell rate algorithm". A rule set has a bucket for nearly every packet, and a player uses a few at
a time; so only those stand here that are not full, or were not until nobody needed their place, side by side: what a
frame is charged to is near, and a session holds no kilobyte of zeros. There are as many as were ever not full at the
same time. Times and costs are nanoseconds, on the caller's clock.

An array of buckets holds pairs: which bucket, when it will be full again.
"""

from array import array
from collections.abc import Mapping

from wire import packing


def charge(buckets: "array[int]", place: int, cost: int, limit: int, now: int) -> bool:
    """Take ``cost`` out of a bucket that holds ``limit``; False, and nothing taken, when there is not as much."""
    size = packing.count_amounts(buckets)
    free = size
    index = 0
    while index < size and packing.read_amount(buckets, index) != place:
        if free == size and packing.read_amount(buckets, index + 1) <= now:
            free = index  # it is full again: whoever needs a pair may have it
        index += 2
    full = now
    if index < size:
        full = packing.read_amount(buckets, index + 1)
        if full < now:
            full = now
    full += cost
    if full - now > limit:
        return False
    if index < size:
        packing.write_amount(buckets, index + 1, full)
    elif free < size:
        packing.write_amount(buckets, free, place)
        packing.write_amount(buckets, free + 1, full)
    else:
        buckets.append(place)
        buckets.append(full)
    return True


def save(buckets: "array[int]", now: int) -> dict[int, int]:
    """Return when each bucket that is not full will be, by its place."""
    return {place: full for place, full in zip(buckets[::2], buckets[1::2], strict=True) if full > now}


def restore(saved: Mapping[int, int]) -> "array[int]":
    """Return buckets that are as others were."""
    return array("q", [number for pair in saved.items() for number in pair])
