"""What ``--version`` prints: our version, Python's, the event loop and the kernel's form.

Imports nothing that is slow: finding uvloop's version by `importlib.metadata` takes five times as long.
"""

import platform
from importlib.util import find_spec
from pathlib import Path

from tidegate import __version__
from wire.kernel import describe


def describe_version() -> str:
    """Return the line for people, such as ``tidegate 0.1.0 (Python 3.11.7, uvloop 0.23.0, kernel compiled)``."""
    parts = (f"Python {platform.python_version()}", _describe_loop(), f"kernel {describe()}")
    return f"tidegate {__version__} ({', '.join(parts)})"


def _describe_loop() -> str:
    spec = find_spec("uvloop")
    if spec is None or spec.origin is None:
        return "asyncio"
    site = Path(spec.origin).parent.parent
    installed = next(site.glob("uvloop-*.dist-info"), None)
    return f"uvloop {installed.name.removesuffix('.dist-info').partition('-')[2]}" if installed else "uvloop"
