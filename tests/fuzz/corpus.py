"""Inputs that once found something, or are worth keeping: ``corpus/TARGET.txt``, a line each, hex and what it is."""

from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def read_corpus(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield what each input of a target is, and its bytes."""
    path = FOLDER / f"{name}.txt"
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        digits, _, what = line.partition("#")
        if digits.strip() or what:
            yield what.strip(), bytes.fromhex(digits)
