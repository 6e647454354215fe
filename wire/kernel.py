"""Which modules are the kernel, and which of their two forms runs: compiled, or the same file interpreted.

The modules listed here are ordinary Python with C types beside them in a ``.pxd``; where there is a C compiler
at install time they are compiled (`setup.py`). ``TIDEGATE_PURE=1`` has the interpreted form run even where a
compiled one lies beside it. Imported by the packages that hold kernel modules, before any of those.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

MODULES = (
    "wire.scanner",
    "wire.chunks",
    "wire.batches",
    "wire.data_frames",
    "wire.delivery",
    "wire.histogram",
    "wire.liveness",
    "wire.credits",
    "wire.program",
    "wire.buckets",
    "wire.tables",
    "wire.watcher",
    "wire.guard",
    "wire.interest",
    "wire.numbering",
    "tunnel.counters",
    "tunnel.flow",
    "tunnel.turn",
    "tunnel.writer",
    "tunnel.messages",
    "tunnel.outbox",
    "tunnel.inbox",
    "tunnel.attachment",
    "tunnel.calls.message_cutter",
    "tunnel.calls.call",
    "tunnel.calls.connection",
    "tunnel.link",
    "tunnel.poller",
    "tunnel.session",
    "tunnel.socket_link",
)

PURE_VARIABLE = "TIDEGATE_PURE"


class _SourceFinder:
    """Finds the source of kernel modules, where the usual search would prefer what was compiled."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the source of a kernel module, and nothing for any other."""
        del target
        if name not in MODULES:
            return None
        for folder in path or ():
            source = Path(folder) / f"{name.rpartition('.')[2]}.py"
            if source.exists():
                return spec_from_file_location(name, source)
        return None


def choose() -> None:
    """Have the interpreted form run if the environment says so; called before any kernel module is imported."""
    if os.environ.get(PURE_VARIABLE) == "1":
        sys.meta_path.insert(0, _SourceFinder())


def compiled_modules() -> tuple[str, ...]:
    """Return the kernel modules that run compiled in this process."""
    return tuple(name for name in MODULES if _is_compiled(name))


def describe() -> str:
    """Say which form runs: ``compiled``, ``interpreted``, or how many of the modules are compiled."""
    count = len(compiled_modules())
    if count == len(MODULES):
        return "compiled"
    return "interpreted" if count == 0 else f"{count} of {len(MODULES)} modules compiled"


def _is_compiled(name: str) -> bool:
    spec = find_spec(name)
    return spec is not None and spec.origin is not None and spec.origin.endswith(tuple(EXTENSION_SUFFIXES))
