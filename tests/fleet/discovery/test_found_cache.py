"""The relays on disk: what is kept comes back, and what cannot be trusted is left alone with a warning."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from fleet.discovery.found_cache import HEADER_BYTES, MAGIC, MAX_FILE_BYTES, REWRITE_SECONDS, FoundCache, Kept
from fleet.discovery.metadata import Wanted
from fleet.records import Record
from tests.fleet.discovery.answers import CORE

WANTED = Wanted("core", "pko", 3)
SERVICE = "tidegate-core"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.cores"


def keep(path: Path, *answers: tuple[tuple[Record, ...], float]) -> None:
    cache = FoundCache(str(path), SERVICE)
    for records, heard_seconds in answers:
        cache.store(records, heard_seconds)
    cache.close()


def load(path: Path, service: str = SERVICE, wanted: Wanted = WANTED) -> tuple[Kept | None, list[str]]:
    cache = FoundCache(str(path), service)
    with capture_logs() as logs:
        kept = cache.load(wanted)
    cache.close()
    return kept, [log["reason"] for log in logs if log["log_level"] == "warning"]


def test_what_is_kept_comes_back(path: Path) -> None:
    keep(path, ((CORE,), 1000.5))
    assert load(path) == (Kept((CORE,), (), 1000.5), [])
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_a_first_start_says_nothing(path: Path) -> None:
    assert load(path) == (None, [])


def test_without_a_path_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = FoundCache("", SERVICE)
    cache.store((CORE,), 1.0)
    cache.close()
    assert cache.load(WANTED) is None
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("second", "is_written"),
    [
        (((CORE,), 1000.0 + REWRITE_SECONDS - 1), False),
        (((CORE,), 1000.0 + REWRITE_SECONDS), True),
        (((), 5000.0), False),
    ],
)
def test_it_is_written_when_it_says_something_else(
    path: Path, second: tuple[tuple[Record, ...], float], is_written: bool
) -> None:
    keep(path, ((CORE,), 1000.0), second)
    kept, _ = load(path)
    assert kept is not None
    assert kept.heard_seconds == (second[1] if is_written else 1000.0)


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(MAGIC + sha256(content).digest() + content)


def change(path: Path, **values: object) -> None:
    rewrite(path, json.dumps({**json.loads(path.read_bytes()[HEADER_BYTES:]), **values}).encode())


def damage(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "does not match its checksum"),
        (damage, "does not match its checksum"),
        (lambda path: path.write_bytes(MAGIC), "does not match its checksum"),
        (lambda path: path.write_bytes(path.read_bytes() + bytes(MAX_FILE_BYTES)), f"longer than {MAX_FILE_BYTES}"),
        (lambda path: path.write_bytes(b""), "does not hold a fleet"),
        (lambda path: path.write_bytes(b"tidegate-policy\n" + bytes(100)), "does not hold a fleet"),
        (lambda path: path.chmod(0o666), "others than its owner may write it"),
        (lambda path: rewrite(path, b"\xff"), "does not hold JSON"),
        (lambda path: rewrite(path, b"[" * 100_000), "does not hold JSON"),
        (lambda path: rewrite(path, b"[]"), "does not hold relays"),
        (lambda path: change(path, relays={}), "does not hold relays"),
        (lambda path: change(path, heard_seconds="now"), "does not hold relays and a time"),
        (lambda path: change(path, heard_seconds=float("nan")), "does not hold relays and a time"),
        (lambda path: change(path, heard_seconds=-1), "does not hold relays and a time"),
        (lambda path: change(path, service="other-core"), "another service than tidegate-core"),
        (lambda path: change(path, relays=[5, {}, {"at": 5}, {"at": "x"}]), "no core that can be used"),
    ],
)
def test_what_cannot_be_trusted_is_left_alone(path: Path, spoil: Callable[[Path], object], said: str) -> None:
    keep(path, ((CORE,), 1000.0))
    spoil(path)
    kept, reasons = load(path)
    assert kept is None
    assert len(reasons) == 1
    assert said in reasons[0]


def test_a_relay_that_does_not_fit_any_more_is_ignored_alone(path: Path) -> None:
    keep(path, ((CORE,), 1000.0))
    relays = json.loads(path.read_bytes()[HEADER_BYTES:])["relays"]
    change(path, relays=[{**relays[0], "game": "echo"}, relays[0]])
    kept, reasons = load(path)
    assert kept is not None
    assert kept.records == (CORE,)
    assert [each.reason for each in kept.ignored] == ["its game is echo, not pko"]
    assert reasons == []


def test_a_folder_that_is_not_there_is_said_once_and_disturbs_nobody(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "fleet.cores"
    with capture_logs() as logs:
        keep(path, ((CORE,), 1000.0), ((CORE,), 2000.0))
    assert [log["event"] for log in logs] == ["fleet_cache_unwritable"]
    path.parent.mkdir()
    keep(path, ((CORE,), 1000.0))
    assert load(path)[0] is not None


@given(st.binary(max_size=200), st.booleans())
def test_any_content_is_a_fleet_or_a_warning(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ours: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.cores"
    path.write_bytes(MAGIC + sha256(content).digest() + content if ours else content)
    kept, reasons = load(path)
    assert (kept is None) == bool(reasons)
