"""The authority in its folder: what it makes, what it refuses, and what is never half there."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fleet.authority import authority as module
from fleet.authority.authority import Authority, create_authority, open_authority
from fleet.authority.files import AuthorityError, write
from fleet.identity import Identity

EDGE = Identity("edge", "fra-1", "eu")


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return create_authority(tmp_path / "certs")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    monkeypatch.setattr(module, "_now", lambda: now)


def certificate_in(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())


def revoked_in(folder: Path) -> list[str]:
    listed = x509.load_pem_x509_crl((folder / "revoked.pem").read_bytes())
    return [f"{each.serial_number:x}" for each in listed]


def test_what_is_issued(ours: Authority) -> None:
    before = os.umask(0)
    try:
        issued = ours.issue(EDGE, days=30)
    finally:
        os.umask(before)
    assert sorted(each.name for each in issued.folder.iterdir()) == [
        "authority.pem",
        "certificate.pem",
        "key.pem",
        "revoked.pem",
    ]
    assert (mode(ours.folder), mode(issued.folder)) == (0o700, 0o700)
    assert (mode(ours.folder / "authority.key"), mode(issued.folder / "key.pem")) == (0o600, 0o600)
    made = certificate_in(issued.folder)
    assert made.not_valid_after_utc - datetime.now(UTC) < timedelta(days=30, minutes=1)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["tidegate://edge/eu/fra-1"]
    assert f"{made.serial_number:x}" == issued.entry.serial
    assert not any("PRIVATE" in path.read_text() for path in ours.folder.glob("*.*") if path.suffix != ".key")


def test_renewing_keeps_the_name_and_changes_the_key(ours: Authority) -> None:
    first = ours.issue(EDGE)
    key = (first.folder / "key.pem").read_bytes()
    second = ours.renew("edge", "fra-1")
    assert second.entry.identity == EDGE
    assert second.entry.serial != first.entry.serial
    assert (second.folder / "key.pem").read_bytes() != key
    assert [entry.serial for entry in ours.newest()] == [second.entry.serial]
    assert len(ours.entries()) == 2


def test_what_ends_soon_is_renewed_and_nothing_else(ours: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.issue(EDGE, days=40)
    ours.issue(Identity("core", "c", "eu"), days=90)
    ours.issue(Identity("edge", "gone", "eu"), days=40)
    ours.revoke("gone")
    assert not ours.renew_soon(30)
    later(monkeypatch, 20)
    assert [issued.entry.identity for issued in ours.renew_soon(30)] == [EDGE]
    assert not ours.renew_soon(30)
    later(monkeypatch, 200)
    assert len(ours.renew_soon(30)) == 2, "what has ended is renewed, too"


@pytest.mark.parametrize("which", ["fra-1", "edge/fra-1", "SERIAL"])
def test_what_is_revoked_is_in_every_list(ours: Authority, which: str) -> None:
    first = ours.issue(EDGE)
    other = ours.issue(Identity("core", "c", "eu"))
    second = ours.renew("edge", "fra-1")
    taken = ours.revoke(first.entry.serial.upper() if which == "SERIAL" else which)
    wanted = [first.entry.serial] if which == "SERIAL" else [first.entry.serial, second.entry.serial]
    assert [entry.serial for entry in taken] == wanted
    for folder in (ours.folder, first.folder, other.folder):
        assert revoked_in(folder) == wanted
    assert open_authority(ours.folder).find("fra-1")[0].revoked


def test_a_list_holds_as_long_as_the_authority(ours: Authority) -> None:
    listed = x509.load_pem_x509_crl((ours.folder / "revoked.pem").read_bytes())
    assert listed.next_update_utc == ours.certificate.not_valid_after_utc


def test_no_certificate_outlives_the_authority(tmp_path: Path) -> None:
    short = create_authority(tmp_path / "short", days=10)
    assert certificate_in(short.issue(EDGE).folder).not_valid_after_utc == short.certificate.not_valid_after_utc


def test_one_name_of_two_roles_has_to_be_said_whole(ours: Authority) -> None:
    ours.issue(EDGE)
    ours.issue(Identity("core", "fra-1", "eu"))
    with pytest.raises(AuthorityError, match="fra-1 is core and edge: write core/fra-1 or edge/fra-1"):
        ours.revoke("fra-1")
    assert len(ours.revoke("core/fra-1")) == 1


def test_refusals_are_sentences(ours: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuthorityError, match="has an authority already"):
        create_authority(ours.folder)
    with pytest.raises(AuthorityError, match="has no authority; make one: tidegate certs init"):
        open_authority(tmp_path / "elsewhere")
    ours.issue(EDGE)
    with pytest.raises(AuthorityError, match=r"edge fra-1 in eu has a certificate until .* renew it"):
        ours.issue(EDGE)
    for days in (0, -1, 826):
        with pytest.raises(AuthorityError, match="is for 1 to 825 days"):
            ours.renew("edge", "fra-1", days)
    with pytest.raises(AuthorityError, match="there is no core fra-1"):
        ours.renew("core", "fra-1")
    ours.revoke("fra-1")
    with pytest.raises(AuthorityError, match="is revoked; issue another one"):
        ours.renew("edge", "fra-1")
    with pytest.raises(AuthorityError, match="revoked or expired already"):
        ours.revoke("fra-1")
    ours.issue(EDGE)
    later(monkeypatch, 3651)
    with pytest.raises(AuthorityError, match=r"the authority in .* expired on"):
        ours.issue(Identity("edge", "new", "eu"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("authority.key", b"garbage", "key or certificate cannot be read"),
        ("authority.pem", b"garbage", "key or certificate cannot be read"),
        ("ledger.jsonl", b'{"serial": "xyz"}\n', "ledger.jsonl:1 is no entry of this ledger"),
        ("ledger.jsonl", b"\xff\xfe\n", "is no entry of this ledger"),
        ("ledger.jsonl", b"[" * 100_000, "is no entry of this ledger"),
    ],
)
def test_a_spoilt_folder_is_said(ours: Authority, name: str, content: bytes, says: str) -> None:
    (ours.folder / name).write_bytes(content)
    with pytest.raises(AuthorityError, match=says):
        open_authority(ours.folder).issue(EDGE)


def test_the_key_of_another_authority_is_found_out(ours: Authority, tmp_path: Path) -> None:
    theirs = create_authority(tmp_path / "theirs")
    (ours.folder / "authority.key").write_bytes((theirs.folder / "authority.key").read_bytes())
    with pytest.raises(AuthorityError, match="is not the key of"):
        open_authority(ours.folder)


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write(path, b"before", 0o600)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AuthorityError, match="No space left on device"):
        write(path, b"after", 0o600)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]
