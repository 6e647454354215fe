"""Runs a target guided by coverage: atheris watches which lines an input reaches and keeps those that reach new ones.

A process of its own for each target, with the interpreted kernel: compiled code cannot be watched. What it finds is
written as a file, as libFuzzer does (``crash-…``); interesting inputs stay in ``build/fuzz/TARGET`` for the next time.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType

from tests.fuzz.targets import load_target
from wire.kernel import PURE_VARIABLE

MAX_CASE_SECONDS = 25
MEMORY_LIMIT_MIB = 1024


def is_available() -> bool:
    """Whether atheris is installed (``pip install -e '.[fuzz]'``)."""
    return find_spec("atheris") is not None


def run_guided(name: str, *, cases: int, seconds: float, seed: int, folder: Path) -> bool:
    """Run a target in a process of its own; return whether all was well."""
    from tests.fuzz.loop import seeds_of

    target = load_target(name)
    kept = folder / name
    kept.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds_of(target)):
        (kept / f"seed-{number}").write_bytes(data)
    limits = [
        f"-runs={cases}",
        f"-max_total_time={seconds:.0f}",
        f"-seed={seed}",
        f"-max_len={target.max_bytes}",
        f"-timeout={MAX_CASE_SECONDS}",
        f"-rss_limit_mb={MEMORY_LIMIT_MIB}",
        f"-artifact_prefix={folder}/{name}-",
        "-print_final_stats=1",
    ]
    environment = {**os.environ, PURE_VARIABLE: "1"}
    command = [sys.executable, "-m", "tests.fuzz.guided", name, *limits, str(kept)]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def _main() -> None:
    """Be the process of one target: its name, then libFuzzer's arguments."""
    atheris = import_module("atheris")
    target = load_target(sys.argv[1])
    for module in map(import_module, target.modules):
        for function in _functions_of(module):
            atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.fuzz_one)
    atheris.Fuzz()


def _functions_of(module: ModuleType) -> Iterator[FunctionType]:
    """Yield all functions and methods that a module has defined."""
    for value in vars(module).values():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, FunctionType):
            yield value
        elif isinstance(value, type):
            for method in vars(value).values():
                plain = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
                if isinstance(plain, FunctionType):
                    yield plain


if __name__ == "__main__":
    _main()
