"""Makes inputs: seeds with something changed, and now and then bytes out of nothing. The same seed, the same inputs."""

from collections.abc import Iterator, Sequence
from random import Random

BLOCK_CASES = 1000
"""Cases of a block have one random generator, so that any block can be run again by itself."""

_ODD = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\x00\x00",
    b"\xff\xff",
    b"\x7f\xff",
    b"\x80\x00\x00\x00",
    b"\xff" * 8,
    b'"',
)


def inputs_of_block(seeds: Sequence[bytes], max_bytes: int, seed: int, block: int) -> Iterator[bytes]:
    """Yield the inputs of a block."""
    random = Random(f"{seed} {block}")
    for _ in range(BLOCK_CASES):
        if random.random() < 0.1:
            yield random.randbytes(random.randrange(1 + random.choice((8, 64, max_bytes))))
            continue
        data = bytearray(random.choice(seeds))
        for _ in range(random.choice((1, 1, 2, 3, 8))):
            _change(random, data, seeds)
        yield bytes(data[:max_bytes])


def _change(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    place = random.randrange(len(data) + 1)
    match random.randrange(8):
        case 0 | 1 if data:
            data[place % len(data)] = random.randrange(256)
        case 2 if data:
            data[place % len(data)] ^= 1 << random.randrange(8)
        case 3:
            data[place:place] = random.randbytes(random.randrange(1, 9))
        case 4:
            del data[place : place + random.randrange(1, 9)]
        case 5:
            odd = random.choice(_ODD)
            data[place : place + len(odd)] = odd
        case 6:
            start = random.randrange(len(data) + 1)
            data[place:place] = data[start : start + random.randrange(1, 40)]
        case _:
            other = random.choice(seeds)
            start = random.randrange(len(other) + 1)
            data[place:] = other[start:]
