"""What is read from /proc."""

import os
import subprocess
import sys
from pathlib import Path

from bench.accounting import families_of, machine_seconds, memory_bytes, place, processor_seconds


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


def test_a_process_is_placed_with_all_its_threads_and_children() -> None:
    program = (
        "import subprocess, sys, threading\n"
        "threading.Thread(target=sys.stdin.read).start()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    processors = sorted(os.sched_getaffinity(0))
    relays = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        children = [int(relay.stdout.readline()) for relay in relays if relay.stdout is not None]
        for relay, processor in zip(relays, processors, strict=False):
            place(relay.pid, processor)

        for relay, child, processor in zip(relays, children, processors, strict=False):
            own = {processor}
            tasks = [int(task.name) for task in Path(f"/proc/{relay.pid}/task").iterdir()]
            assert len(tasks) == 2
            assert [os.sched_getaffinity(task) for task in (*tasks, child)] == [own] * 3
    finally:
        for relay in relays:
            relay.communicate("\n")


def test_memory_is_the_proportional_share_where_there_is_one(tmp_path: Path) -> None:
    make_process(
        tmp_path, 10, 1, smaps_rollup="Rss:  90 kB\nPss:    70 kB\nPss_Dirty: 5 kB\n", status="VmRSS:\t90 kB\n"
    )
    make_process(tmp_path, 11, 1, status="VmHWM:\t99 kB\nVmRSS:\t30 kB\n")

    assert memory_bytes([10, 11], tmp_path) == 100 * 1024


def test_this_process_has_memory() -> None:
    assert memory_bytes([os.getpid()]) > 1 << 20


def test_processor_time_is_that_of_all_threads_of_those_asked_for(tmp_path: Path) -> None:
    second = os.sysconf("SC_CLK_TCK")
    for pid, used in ((10, 3), (11, 4)):
        make_process(tmp_path, pid, 1)
        fields = " ".join(str(number) for number in (*range(5, 14), used * second, 2 * second, 7, 7))
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) S 1 {fields}")
    (tmp_path / "stat").write_text(f"cpu  {second} 0 {second} 999 99 0 {second} 0 0 0\ncpu0 1 1 1 1\n")

    assert processor_seconds([10, 11, 99], tmp_path) == 11
    assert machine_seconds(tmp_path) == 3


def test_what_we_use_is_part_of_what_the_machine_does() -> None:
    assert 0 < processor_seconds([os.getpid()]) < machine_seconds()
