"""``python -m tests.fuzz``: fuzz one target or all of them at length."""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.fuzz.case import FuzzFailure, hang_alarm, run_case_measured
from tests.fuzz.guided import is_available, run_guided
from tests.fuzz.loop import BLOCK_SECONDS, run_loop
from tests.fuzz.targets import NAMES, load_target
from wire.kernel import describe

FOLDER = Path("build/fuzz")
CASES = 1_000_000


def main() -> int:
    """Return the exit status: 1 if something was found, 2 for wrong use."""
    options = _parse()
    names = NAMES if options.target == "all" else (options.target,)
    if options.input is not None:
        return _run_input(options.target, options.input)
    guided = options.how == "guided" or (options.how == "auto" and is_available())
    if guided and not is_available():
        print("atheris is not installed: pip install -e '.[fuzz]'", file=sys.stderr)
        return 2
    print("guided by atheris, kernel interpreted" if guided else f"unguided, kernel {describe()}", flush=True)
    run = run_guided if guided else run_unguided
    one = partial(run, cases=options.cases, seconds=options.seconds, seed=options.seed, folder=FOLDER)
    with ProcessPoolExecutor(options.jobs) as pool:
        return 0 if all(list(pool.map(one, names))) else 1


def run_unguided(name: str, *, cases: int, seconds: float, seed: int, folder: Path) -> bool:
    """Run a target in this process; return whether all was well."""
    return run_loop(load_target(name), cases=cases, seconds=seconds, seed=seed, folder=folder)


def _run_input(name: str, path: Path) -> int:
    try:
        with hang_alarm(BLOCK_SECONDS):
            run_case_measured(load_target(name), path.read_bytes())
    except FuzzFailure as failure:
        print(f"FAILED {failure}", file=sys.stderr)
        raise
    print("nothing found")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=["all", *NAMES], help="what to fuzz")
    parser.add_argument("--cases", type=int, default=CASES, help="at most so many cases of each target")
    parser.add_argument("--seconds", type=float, default=0, help="at most so long for each target; 0 for no limit")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same cases (unguided)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    parser.add_argument("--input", type=Path, help="run this file once, and show the traceback")
    parser.add_argument(
        "--how",
        choices=["auto", "guided", "fast"],
        default="auto",
        help="guided by coverage (atheris), or fast over the compiled kernel; auto: guided where atheris is installed",
    )
    options = parser.parse_args()
    if options.input is not None and options.target == "all":
        parser.error("--input needs a target")
    return options


if __name__ == "__main__":
    sys.exit(main())
