"""The policy on disk: what is kept comes back, and what cannot be trusted is left alone with a warning."""

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge.policy_cache import HEADER_BYTES, MAGIC, MAX_FILE_BYTES, PolicyCache
from tunnel.policy import EdgePolicy, encode_policy
from wire.layout import RAW

POLICY = EdgePolicy("pko", "classic", RAW, RAW, closing_notices={"origin_lost": b"\x00\x02"})
OTHER = EdgePolicy("pko", "counter", RAW, RAW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edge.policy"


def keep(path: Path, *policies: EdgePolicy) -> None:
    cache = PolicyCache(str(path))
    for policy in policies:
        cache.store(encode_policy(policy))
    cache.close()


def load(path: Path) -> tuple[EdgePolicy | None, list[str]]:
    """What comes back, and the reasons that were said."""
    with capture_logs() as logs:
        policy = PolicyCache(str(path)).load()
    return policy, [log["reason"] for log in logs if log["log_level"] == "warning"]


def test_what_is_kept_comes_back(path: Path) -> None:
    keep(path, OTHER, POLICY)
    assert load(path) == (POLICY, [])
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_without_a_path_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = PolicyCache("")
    cache.store(encode_policy(POLICY))
    cache.close()
    assert cache.load() is None
    assert not os.listdir(tmp_path)


def test_a_first_start_says_nothing(path: Path) -> None:
    assert load(path) == (None, [])


def test_the_same_policy_is_not_written_again(path: Path) -> None:
    keep(path, POLICY)
    before = path.stat().st_ino
    cache = PolicyCache(str(path))
    cache.load()
    cache.store(encode_policy(POLICY))
    cache.close()
    assert path.stat().st_ino == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[HEADER_BYTES + 3] ^= 1
    path.write_bytes(raw)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(MAX_FILE_BYTES))


def replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut, "does not match its checksum"),
        (damage, "does not match its checksum"),
        (lengthen, f"longer than {MAX_FILE_BYTES} bytes"),
        (lambda path: path.write_bytes(b""), "does not hold a policy"),
        (lambda path: path.write_bytes(b"[edge]\nlisten = 5\n"), "does not hold a policy"),
        (lambda path: path.write_bytes(MAGIC), "policy of 0 bytes"),
        (lambda path: path.write_bytes(MAGIC + sha256(b"\x08\x63").digest() + b"\x08\x63"), "policy version 99"),
        (lambda path: path.chmod(0o666), "others than its owner may write it"),
        (replace_by_a_pipe, "it is not a file"),
        (replace_by_a_folder, "it cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_trusted_is_left_alone(path: Path, spoil: Callable[[Path], object], said: str) -> None:
    keep(path, POLICY)
    spoil(path)
    policy, reasons = load(path)
    assert policy is None
    assert len(reasons) == 1
    assert said in reasons[0]


def test_a_refused_file_is_replaced_by_the_next_good_policy(path: Path) -> None:
    path.write_bytes(b"junk")
    keep(path, POLICY)
    assert load(path) == (POLICY, [])


def test_a_folder_that_is_not_there_is_said_once_and_disturbs_nobody(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "edge.policy"
    with capture_logs() as logs:
        keep(path, POLICY, OTHER)
    assert [log["event"] for log in logs] == ["policy_cache_unwritable"]
    path.parent.mkdir()
    keep(path, POLICY)
    assert load(path) == (POLICY, [])


def test_workers_share_the_file(path: Path) -> None:
    """While two write, readers find one whole policy or the other."""
    done = threading.Event()
    seen: list[EdgePolicy | None] = []

    def read() -> None:
        while not done.is_set():
            seen.append(PolicyCache(str(path)).load())

    keep(path, POLICY)
    reader = threading.Thread(target=read)
    with capture_logs():
        reader.start()
        writers = [threading.Thread(target=keep, args=(path, *[POLICY, OTHER] * 20)) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        done.set()
        reader.join()
    assert seen
    assert all(policy in (POLICY, OTHER) for policy in seen)
    assert os.listdir(path.parent) == [path.name]


@given(st.binary(max_size=200), st.booleans())
def test_any_content_is_a_policy_or_a_warning(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ours: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.policy"
    path.write_bytes(MAGIC + sha256(content).digest() + content if ours else content)
    policy, reasons = load(path)
    assert (policy is None) == bool(reasons)


def test_the_message_is_kept_as_it_came(path: Path) -> None:
    message = encode_policy(POLICY)
    keep(path, POLICY)
    assert path.read_bytes() == MAGIC + message.sha256 + message.policy
