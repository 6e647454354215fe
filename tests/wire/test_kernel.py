"""The kernel's two forms: which one runs, and that both do the same."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire.chunks
import wire.credits
import wire.scanner
from tests.wire.strategies import cuts_of, frames_of, layouts
from wire.errors import TidegateError
from wire.kernel import MODULES, PURE_VARIABLE, compiled_modules, describe

ROOT = Path(__file__).parents[2]


def interpreted(module: str) -> ModuleType:
    """A second copy of a kernel module, from its source, under another name."""
    spec = spec_from_file_location(f"interpreted_{module.replace('.', '_')}", ROOT / f"{module.replace('.', '/')}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


PURE_SCANNER = interpreted("wire.scanner")
PURE_CHUNKS = interpreted("wire.chunks")
PURE_CREDITS = interpreted("wire.credits")


def outcome(call: Any, *arguments: Any) -> object:
    """What a call gives: its value, or its error's text."""
    try:
        return call(*arguments)
    except TidegateError as error:
        return str(error)


@given(st.data())
def test_both_scanners_do_the_same(data: st.DataObject) -> None:
    layout = data.draw(layouts())
    stream = b"".join(data.draw(frames_of(layout))) + data.draw(st.binary(max_size=80))
    ours, theirs = wire.scanner.Scanner(layout), PURE_SCANNER.Scanner(layout)
    for piece in data.draw(cuts_of(stream)):
        assert ours.feed(piece) == theirs.feed(piece)
        assert (ours.frames, ours.carried_bytes, str(ours.fault)) == (
            theirs.frames,
            theirs.carried_bytes,
            str(theirs.fault),
        )


@given(st.binary(max_size=300))
def test_both_unpackers_do_the_same_with_anything(junk: bytes) -> None:
    assert outcome(wire.chunks.unpack_chunks, junk) == outcome(PURE_CHUNKS.unpack_chunks, junk)


@given(st.integers(0, 1 << 33), st.integers(0, 255), st.binary(max_size=40))
def test_both_packers_do_the_same_with_anything(slot: int, kind: int, payload: bytes) -> None:
    results = []
    for module in (wire.chunks, PURE_CHUNKS):
        batch = bytearray(b"before")
        results.append((outcome(module.append_chunk, batch, slot, kind, payload), bytes(batch)))
    assert results[0] == results[1]


@given(st.lists(st.tuples(st.sampled_from(["spend_all", "grant"]), st.integers(-10, 1500))))
def test_both_send_credits_do_the_same(steps: list[tuple[str, int]]) -> None:
    ours, theirs = wire.credits.SendCredit(1000), PURE_CREDITS.SendCredit(1000)
    for method, size in steps:
        assert outcome(getattr(ours, method), size) == outcome(getattr(theirs, method), size)
        assert ours.available == theirs.available


@given(st.lists(st.tuples(st.sampled_from(["receive", "take"]), st.integers(0, 1500))))
def test_both_receive_credits_do_the_same(steps: list[tuple[str, int]]) -> None:
    ours, theirs = wire.credits.ReceiveCredit(1000), PURE_CREDITS.ReceiveCredit(1000)
    for method, size in steps:
        assert outcome(getattr(ours, method), size) == outcome(getattr(theirs, method), size)
        assert ours.outstanding == theirs.outstanding


def run_python(code: str, **environment: str) -> str:
    finished = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


@pytest.mark.parametrize("first", MODULES)
def test_the_environment_has_the_source_run_whatever_is_imported_first(first: str) -> None:
    code = f"import {first}, sys; from wire.kernel import describe; print(describe(), sys.modules['{first}'].__file__)"
    said, file = run_python(code, **{PURE_VARIABLE: "1"}).split()
    assert said == "interpreted"
    assert file.endswith(".py")


def test_what_was_compiled_is_this_source() -> None:
    for name in compiled_modules():
        source = ROOT / f"{name.replace('.', '/')}.py"
        built = Path(str(sys.modules[name].__file__)) if name in sys.modules else None
        if built is not None:
            assert built.stat().st_mtime >= source.stat().st_mtime, f"{name} is older than its source: 'make setup'"


def test_the_form_that_runs_is_all_or_nothing() -> None:
    assert describe() in ("compiled", "interpreted")
