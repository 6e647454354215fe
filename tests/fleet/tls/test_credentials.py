"""Certificate files that change while the process runs, and certificates that end."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleet.identity import Identity
from fleet.tls.certificate_files import CertificateFiles, load
from fleet.tls.credentials import SOON, Credentials
from fleet.tls.pem_files import CertificateError
from tests.certificates import Office, files_in, office

EDGE = Identity("edge", "e", "r")


@pytest.fixture
def ours(tmp_path: Path) -> Office:
    return office(tmp_path / "ours")


def settle(credentials: Credentials) -> None:
    """Two looks: a change is believed when the second finds the same."""
    credentials.poll()
    credentials.poll()


def test_new_files_are_taken_and_those_who_asked_are_told(ours: Office) -> None:
    credentials = Credentials(ours.issue(EDGE), "edge")
    told: list[int] = []
    credentials.on_look.append(lambda: told.append(credentials.loaded.serial))
    before = credentials.loaded
    settle(credentials)
    assert not told
    ours.authority.renew("edge", "e")
    credentials.poll()
    assert credentials.loaded is before, "it may still be written"
    credentials.poll()
    assert credentials.loaded.serial != before.serial
    assert told == [credentials.loaded.serial]
    settle(credentials)
    assert len(told) == 1


def spoil(name: str, content: bytes | None) -> Callable[[CertificateFiles, Office], None]:
    def do(files: CertificateFiles, ours: Office) -> None:
        path = files.certificate.parent / name
        path.unlink() if content is None else path.write_bytes(content)

    return do


def take_others_key(files: CertificateFiles, ours: Office) -> None:
    files.key.write_bytes(ours.issue(Identity("edge", "f", "r")).key.read_bytes())


def take_others(files: CertificateFiles, ours: Office) -> None:
    other = ours.issue(Identity("edge", "f", "r"))
    files.key.write_bytes(other.key.read_bytes())
    files.certificate.write_bytes(other.certificate.read_bytes())


def be_revoked(files: CertificateFiles, ours: Office) -> None:
    ours.authority.revoke("edge/e")


def take_half(files: CertificateFiles, ours: Office) -> None:
    files.certificate.write_bytes(files.certificate.read_bytes()[:200])


def take_list_with_certificate(files: CertificateFiles, ours: Office) -> None:
    assert files.revoked is not None
    files.revoked.write_bytes(files.revoked.read_bytes() + files.authority.read_bytes())


BAD = [
    ("no certificate", spoil("certificate.pem", None), "certificate.pem: No such file"),
    ("no key", spoil("key.pem", None), "key.pem: No such file"),
    ("no list", spoil("revoked.pem", None), "revoked.pem: No such file"),
    ("garbage", spoil("certificate.pem", b"\0" * 100), "does not hold one certificate in PEM"),
    (
        "garbage for an authority",
        spoil("authority.pem", b"-----BEGIN"),
        "authority.pem does not hold certificates in PEM",
    ),
    ("garbage for a list", spoil("revoked.pem", b"x"), "does not hold one list"),
    ("garbage for a key", spoil("key.pem", b"x"), "is no private key without a password"),
    ("huge", spoil("revoked.pem", bytes(5 << 20)), "is longer than"),
    ("half", take_half, "does not hold one certificate"),
    ("another's key", take_others_key, "is not the key of"),
    ("another's name", take_others, "is of edge f in r, and this process is edge e in r"),
    ("revoked", be_revoked, "this certificate of edge e in r is revoked"),
    ("a certificate in the list", take_list_with_certificate, "does not hold one list"),
]


@pytest.mark.parametrize(("do", "says"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_set_changes_nothing_and_is_said_once(
    ours: Office, do: Callable[[CertificateFiles, Office], None], says: str
) -> None:
    files = ours.issue(EDGE)
    credentials = Credentials(files, "edge")
    told: list[str] = []
    credentials.on_look.append(lambda: told.append("changed"))
    before = credentials.loaded
    do(files, ours)
    with capture_logs() as logs:
        for _ in range(5):
            settle(credentials)
            credentials.reload()
    assert credentials.loaded is before
    assert not told
    (log,) = [log for log in logs if log["event"] == "certificates_unusable"]
    assert says in log["reason"]
    assert log["log_level"] == "error"


def test_a_key_that_comes_after_its_certificate_completes_the_set(ours: Office) -> None:
    files = ours.issue(EDGE)
    credentials = Credentials(files, "edge")
    before = files.key.read_bytes()
    ours.authority.renew("edge", "e")
    after = files.key.read_bytes()
    files.key.write_bytes(before)
    with capture_logs() as logs:
        settle(credentials)
        files.key.write_bytes(after)
        settle(credentials)
    assert [log["event"] for log in logs] == ["certificates_unusable", "certificates_loaded"]


def test_the_list_of_another_authority_is_refused(ours: Office, tmp_path: Path) -> None:
    files = ours.issue(EDGE)
    theirs = office(tmp_path / "theirs")
    assert files.revoked is not None
    files.revoked.write_bytes((theirs.authority.folder / "revoked.pem").read_bytes())
    with pytest.raises(CertificateError, match="is not the list of the authority in"):
        load(files, "edge")


def test_without_a_list_nobody_is_revoked(ours: Office) -> None:
    files = ours.issue(EDGE)
    ours.authority.revoke("e")
    assert not load(files_in(files.key.parent, with_list=False), "edge").revoked


def test_a_certificate_that_ends_soon_is_said_once_a_day_and_its_end_at_once(ours: Office) -> None:
    credentials = Credentials(ours.issue(EDGE), "edge")
    end = credentials.loaded.expires_at
    with capture_logs() as logs:
        for left in (2 * SOON, SOON, SOON / 2, timedelta(seconds=1), timedelta(), -timedelta(days=1)):
            credentials._now = lambda left=left: end - left  # type: ignore[misc]
            credentials.remind()
            credentials.remind()
            assert bool(credentials.problem) is (left <= timedelta())
    assert [log["event"] for log in logs] == ["certificate_ends_soon", "certificate_expired"]
    assert logs[0]["days"] == 7


def test_a_key_that_everybody_can_read_is_said(ours: Office) -> None:
    files = ours.issue(EDGE)
    files.key.chmod(0o644)
    with capture_logs() as logs:
        Credentials(files, "edge")
    assert [log["event"] for log in logs] == ["key_is_open"]
