"""Runs a target as fast as it goes, without guidance: over the compiled kernel, where there is one."""

import resource
import time
from pathlib import Path

from tests.fuzz.case import FuzzFailure, hang_alarm, run_case, run_case_measured
from tests.fuzz.corpus import read_corpus
from tests.fuzz.mutation import BLOCK_CASES, inputs_of_block
from tests.fuzz.targets import Target

BLOCK_SECONDS = 60.0
PROGRESS_SECONDS = 5.0


def seeds_of(target: Target) -> list[bytes]:
    """Return all inputs to begin with."""
    return [*target.seeds(), *(data for _, data in read_corpus(target.name))] or [b""]


def run_block(target: Target, seeds: list[bytes], seed: int, block: int) -> int:
    """Run one block of cases; return how many there were. Raises FuzzFailure."""
    count = 0
    with hang_alarm(BLOCK_SECONDS):
        for data in inputs_of_block(seeds, target.max_bytes, seed, block):
            run = run_case if count else run_case_measured  # measuring takes ten times as long
            run(target, data)
            count += 1
    return count


def run_loop(target: Target, *, cases: int, seconds: float, seed: int, folder: Path) -> bool:
    """Run so many cases, or so long; print progress. Return whether all was well; if not, the input is a file."""
    seeds = seeds_of(target)
    began = said = time.monotonic()
    done = 0
    try:
        for data in seeds:
            run_case_measured(target, data)
        for block in range(-(-cases // BLOCK_CASES)):
            done += run_block(target, seeds, seed, block)
            now = time.monotonic()
            if now - said >= PROGRESS_SECONDS:
                said = now
                print(describe(target, done, now - began), flush=True)
            if seconds and now - began >= seconds:
                break
    except FuzzFailure as failure:
        print(describe(target, done, time.monotonic() - began))
        print(describe_failure(failure, keep_failure(failure, folder)), flush=True)
        return False
    print(f"{describe(target, done, time.monotonic() - began)}: nothing found", flush=True)
    return True


def describe(target: Target, cases: int, seconds: float) -> str:
    """Say how far it has come."""
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rate = cases / seconds if seconds else 0
    return f"{target.name:<13} {cases:>11,} cases {rate:>9,.0f}/s {seconds:>7.1f} s  peak {peak_kib / 1024:.0f} MiB"


def keep_failure(failure: FuzzFailure, folder: Path) -> Path:
    """Write the input into a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{failure.name}-{time.strftime('%Y%m%d-%H%M%S')}.bin"
    path.write_bytes(failure.data)
    return path


def describe_failure(failure: FuzzFailure, path: Path) -> str:
    """Say what was found and how to run it again."""
    return (
        f"FAILED {failure.name}: {failure.why}\n"
        f"  input  {failure.data.hex()}\n"
        f"  again  python -m tests.fuzz {failure.name} --input {path}\n"
        f"  keep   tests/fuzz/corpus/{failure.name}.txt: the hex, then '# what it is'"
    )
