"""The version stands in two places, and this keeps them equal."""

import re
import tomllib
from pathlib import Path

from tidegate import __version__
from tidegate.version import describe_version


def test_the_constant_is_pyprojects_version() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

    assert __version__ == project["version"]


def test_the_line_names_python_and_the_loop() -> None:
    parts = (r"Python 3\.\d+\.\d+\S*", r"(uvloop \d\S*|asyncio)", "kernel (compiled|interpreted)")
    assert re.fullmatch(rf"tidegate {re.escape(__version__)} \({', '.join(parts)}\)", describe_version())
