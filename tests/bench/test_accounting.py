"""What is read from /proc."""

import os
from pathlib import Path

from bench.accounting import families_of, memory_bytes


def make_process(proc: Path, pid: int, parent: int, **files: str) -> None:
    (proc / str(pid)).mkdir()
    # A name may hold spaces and brackets; what counts stands behind the last one.
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b) S {parent} 0 0")
    for name, text in files.items():
        (proc / str(pid) / name).write_text(text)


def test_a_family_is_a_process_with_all_its_descendants(tmp_path: Path) -> None:
    for pid, parent in ((1, 0), (10, 1), (11, 10), (12, 11), (20, 1)):
        make_process(tmp_path, pid, parent)

    assert families_of([10], tmp_path) == (10, 11, 12)
    assert families_of([11, 20], tmp_path) == (11, 12, 20)
    assert families_of([99], tmp_path) == ()


def test_memory_is_the_proportional_share_where_there_is_one(tmp_path: Path) -> None:
    make_process(
        tmp_path, 10, 1, smaps_rollup="Rss:  90 kB\nPss:    70 kB\nPss_Dirty: 5 kB\n", status="VmRSS:\t90 kB\n"
    )
    make_process(tmp_path, 11, 1, status="VmHWM:\t99 kB\nVmRSS:\t30 kB\n")

    assert memory_bytes([10, 11], tmp_path) == 100 * 1024


def test_this_process_has_memory() -> None:
    assert memory_bytes([os.getpid()]) > 1 << 20
