"""The targets by name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

NAMES = (
    "scanner",
    "program",
    "guard",
    "policy",
    "chunks",
    "data_frames",
    "batches",
    "session",
    "proxy_header",
    "probe",
    "overrides",
    "log",
)

SPARE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """One target. ``max_bytes`` bounds its inputs, ``modules`` is what a coverage-guided fuzzer watches.

    A case may take ten times its input in memory, and beside that ``spare_bytes`` for what the target's own checks
    need: the case made in several forms, explanations, reference results.
    """

    name: str
    fuzz_one: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    max_bytes: int
    modules: tuple[str, ...]
    spare_bytes: int = SPARE_BYTES


def load_target(name: str) -> Target:
    """Import a target; only then what it needs is loaded."""
    module = import_module(f"tests.fuzz.targets.{name}")
    spare_bytes = getattr(module, "SPARE_BYTES", SPARE_BYTES)
    return Target(name, module.fuzz_one, module.seeds, module.MAX_BYTES, module.MODULES, spare_bytes)
