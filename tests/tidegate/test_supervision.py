"""What a supervisor keeps over its own upgrade: written, read, and refused where it cannot be."""

import contextlib
import json
import os
from collections.abc import Iterator

import pytest

from tidegate.errors import StartError
from tidegate.supervision import (
    SUPERVISION_VARIABLE,
    TRIAL,
    Kept,
    Supervision,
    inheritable,
    is_kept,
    kept_supervision,
    with_supervision,
)
from tidegate.worker_process import NO_DESCRIPTOR, KeptWorker

WORKER = KeptWorker(1, 4711, 10, 11, 12, 13, 2, "ready", is_heard=True)
KEPT = Supervision("edge", 1, 9, "/nowhere/settings.toml", has_announced=True, workers=(WORKER,))


@pytest.fixture
def file() -> Iterator[int]:
    file = os.memfd_create("test")
    yield file
    with contextlib.suppress(OSError):  # whoever was given it has closed it
        os.close(file)


def test_what_is_written_is_read_and_names_all_descriptors(file: int) -> None:
    os.write(file, b"x" * 5000)
    KEPT.write(file)
    assert Supervision.read(file) == KEPT
    assert KEPT.memories == {13}
    assert KEPT.descriptors == {9, 10, 11, 12, 13}


def test_a_core_has_no_memory_to_keep() -> None:
    worker = KeptWorker(1, 4711, 10, 11, NO_DESCRIPTOR, NO_DESCRIPTOR, NO_DESCRIPTOR, "", is_heard=False)
    assert Supervision("core", 1, 9, "", has_announced=False, workers=(worker,)).descriptors == {9, 10, 11}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"\xff", "cannot be read"),
        (json.dumps({"version": 2}).encode(), "speaks version 2, this one 1"),
        (json.dumps({"version": 1, "workers": [{"number": 1}]}).encode(), "cannot be read"),
        (json.dumps({"version": 1, "workers": [], "whatever": 1}).encode(), "cannot be read"),
    ],
)
def test_what_another_version_has_written_is_refused(file: int, written: bytes, why: str) -> None:
    os.write(file, written)
    with pytest.raises(StartError, match=why):
        Supervision.read(file)


@pytest.mark.parametrize(
    ("relay", "count", "why"),
    [("core", 1, "makes no core of edge workers"), ("edge", 3, "how many workers there are: 1 run, 3 are set")],
)
def test_what_an_upgrade_cannot_do_is_said(file: int, relay: str, count: int, why: str) -> None:
    with os.fdopen(file, "rb") as opened, pytest.raises(StartError, match=why):
        Kept(KEPT, opened, is_trial=True).check(relay, count)


def test_a_trial_is_found_in_the_environment_once(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    KEPT.write(file)
    monkeypatch.setenv(SUPERVISION_VARIABLE, with_supervision({}, TRIAL, file)[SUPERVISION_VARIABLE])
    assert is_kept()
    kept = kept_supervision()
    assert kept is not None
    assert kept.is_trial
    assert kept.supervision == KEPT
    assert not os.get_inheritable(file)
    kept.close()
    kept.close()
    assert not is_kept()
    assert kept_supervision() is None


@pytest.mark.parametrize("said", ["", "go-on", "go-on:x", "whatever:3"])
def test_an_environment_that_makes_no_sense_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SUPERVISION_VARIABLE, said)
    with pytest.raises(StartError, match="by itself only"):
        kept_supervision()


def test_descriptors_are_inherited_as_long_as_wanted(file: int) -> None:
    with inheritable({file}):
        assert os.get_inheritable(file)
    assert not os.get_inheritable(file)
