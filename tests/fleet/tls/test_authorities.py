"""Several authorities in the files: who is let in, and which sets cannot be."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fleet.authority.certificates import make_authority, make_list, new_key, pem
from fleet.identity import Identity
from fleet.road import RoadError
from fleet.tls.authorities import MAX_AUTHORITIES, issuer_of
from fleet.tls.certificate_files import CertificateFiles, load
from fleet.tls.credentials import Credentials
from fleet.tls.pem_files import CertificateError
from fleet.tls.road import SecureRoad
from tests.certificates import DAY, Office, office, trust
from tests.fleet.tls.ends import forgive, knock, stranger, watched_gate

EDGE, CORE = Identity("edge", "e", "r"), Identity("core", "c", "r")


@pytest.fixture
def ours(tmp_path: Path) -> Office:
    return office(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Office:
    return office(tmp_path / "theirs")


@pytest.fixture
def files(ours: Office) -> CertificateFiles:
    return ours.issue(CORE)


@pytest.mark.parametrize("ours_first", [True, False])
async def test_a_gate_lets_in_who_is_of_either(
    ours: Office, theirs: Office, files: CertificateFiles, monkeypatch: pytest.MonkeyPatch, ours_first: bool
) -> None:
    forgive(monkeypatch)
    taken = theirs.issue(Identity("edge", "taken", "r"))
    theirs.authority.revoke("taken")
    trust(files, *((ours, theirs) if ours_first else (theirs, ours)))
    core = Credentials(files, "core")
    assert core.loaded.authority == issuer_of(der(files))
    async with watched_gate(core) as watched:
        for who in (ours, theirs):
            assert await knock(stranger(who.issue(EDGE)), watched.port) == ""
        assert "was revoked" in await knock(stranger(taken), watched.port)
        third = office(files.key.parent.parent / "third")
        assert "another authority" in await knock(stranger(third.issue(EDGE)), watched.port)
        assert await watched.refused(2) == {"revoked": 1, "unknown_authority": 1}


async def test_a_road_takes_a_core_of_either(ours: Office, theirs: Office) -> None:
    edge_files = ours.issue(EDGE)
    trust(edge_files, ours, theirs)
    road = SecureRoad(Credentials(edge_files, "edge"))
    core_files = theirs.issue(CORE)
    trust(core_files, ours, theirs)
    async with watched_gate(Credentials(core_files, "core")) as watched, road.open(watched.address) as passage:
        assert passage.say_problem() == ""
    await road.close()
    doubtful = SecureRoad(ours.edge("f"))
    async with watched_gate(Credentials(core_files, "core")) as watched:
        with pytest.raises(RoadError, match="has a certificate of another authority"):
            async with doubtful.open(watched.address):
                pass
    await doubtful.close()


def der(files: CertificateFiles) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("raw", [b"", b"\0" * 100, b"\x30\x82\xff\xff"])
def test_a_certificate_that_cannot_be_read_is_of_nobody(raw: bytes) -> None:
    assert issuer_of(raw) == ""


def expired() -> tuple[bytes, bytes]:
    """An authority that has ended, and its list."""
    key, then = new_key(), datetime.now(UTC) - 20 * DAY
    certificate = make_authority(key, then, timedelta(days=10))
    return pem(certificate), pem(make_list(certificate, key, (), 1, then))


@pytest.mark.parametrize("has_list", [True, False])
def test_one_that_has_ended_disturbs_nobody_and_is_not_trusted(
    files: CertificateFiles, ours: Office, has_list: bool
) -> None:
    authority, its_list = expired()
    assert files.revoked is not None
    files.authority.write_bytes(authority + files.authority.read_bytes())
    if has_list:
        files.revoked.write_bytes(its_list + files.revoked.read_bytes())
    loaded = load(files, "core")
    assert loaded.trusted == {loaded.authority}


def only_expired(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    files.authority.write_bytes(expired()[0])


def no_list(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    trust(files, ours, theirs)
    assert files.revoked is not None
    files.revoked.write_bytes((ours.authority.folder / "revoked.pem").read_bytes())


def list_too_many(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    trust(files, ours, theirs)
    files.authority.write_bytes((ours.authority.folder / "authority.pem").read_bytes())


def list_twice(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    assert files.revoked is not None
    files.revoked.write_bytes(files.revoked.read_bytes() * 2)


def key_beside(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    files.authority.write_bytes(files.authority.read_bytes() + files.key.read_bytes())


def trusted_in_openssls_way(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    other = (theirs.authority.folder / "authority.pem").read_bytes()
    files.authority.write_bytes(files.authority.read_bytes() + other.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"))


def no_authority(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    files.authority.write_bytes(files.authority.read_bytes() + files.certificate.read_bytes())


def too_many(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    files.authority.write_bytes(files.authority.read_bytes() * (MAX_AUTHORITIES + 1))


def not_of_it(files: CertificateFiles, ours: Office, theirs: Office) -> None:
    trust(files, theirs)


BAD: list[tuple[Callable[[CertificateFiles, Office, Office], None], str]] = [
    (only_expired, "the authority expired on"),
    (no_list, r"revoked\.pem has no list of the authority [0-9a-f]{12} in .*; copy both"),
    (list_too_many, "is not the list of the authority in"),
    (list_twice, "is not the list of the authority in"),
    (key_beside, "does not hold certificates in PEM, and nothing else"),
    (trusted_in_openssls_way, "does not hold certificates in PEM, and nothing else"),
    (no_authority, "is no authority's certificate"),
    (too_many, "holds 5 certificates; more than 4 are none of ours"),
    (not_of_it, "was not issued by the authority in"),
]


@pytest.mark.parametrize(("do", "says"), BAD, ids=[do.__name__ for do, _ in BAD])
def test_a_set_that_cannot_be_is_said(
    files: CertificateFiles,
    ours: Office,
    theirs: Office,
    do: Callable[[CertificateFiles, Office, Office], None],
    says: str,
) -> None:
    do(files, ours, theirs)
    with pytest.raises(CertificateError, match=says):
        load(files, "core")
