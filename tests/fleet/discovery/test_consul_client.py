"""The client: by TLS against a real agent, and against things that are no agent. It raises one error and no other."""

import asyncio
import datetime
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleet.address import Address
from fleet.discovery.consul_client import MAX_ANSWER_BYTES, ConsulClient, ConsulConfig, ConsulError, check_files
from tests.consul_server import LOOPBACK, consul_server
from tests.servers import serving


@asynccontextmanager
async def connected(config: ConsulConfig) -> AsyncIterator[ConsulClient]:
    client = ConsulClient(config)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Address]:
    """Something that sends the same to whatever comes, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with serving(serve) as place:
        yield place


def ok(body: bytes, *headers: bytes) -> bytes:
    lines = (b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), b"Connection: close", *headers)
    return b"\r\n".join((*lines, b"", body))


INDEX = b"X-Consul-Index: 7"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "Server disconnected"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "Bad status line"),
        (ok(b"[]"), "Missing index header"),
        (ok(b"hello", INDEX), "Failed to decode JSON"),
        (ok(b"\xff\xfe", INDEX), "can't decode"),
        (ok(b"[" * 100_000, INDEX), "recursion"),
        (ok(b"1" * 10_000, INDEX), "integer string"),
        (ok(b"{}", INDEX), "not a list of services"),
        (ok(b"null", INDEX), "not a list of services"),
        (ok(b"[]" + b" " * MAX_ANSWER_BYTES, INDEX), f"longer than {MAX_ANSWER_BYTES} bytes"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", "sends us elsewhere"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 17\r\n\r\nNo cluster leader", "500 No cluster leader"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 17\r\n\r\nPermission denied", "Permission denied"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "more than"),
    ],
)
async def test_what_is_no_agent_is_an_error(answer: bytes, said: str) -> None:
    async with answering(answer) as address, connected(ConsulConfig(address)) as client:
        with pytest.raises(ConsulError) as caught:
            await client.find("tidegate-core", index=0, wait_seconds=1)
    assert said.lower() in str(caught.value).lower()
    assert len(str(caught.value)) < 300


async def test_an_index_that_is_no_number_is_none() -> None:
    async with answering(ok(b"[]", b"X-Consul-Index: -5")) as address, connected(ConsulConfig(address)) as client:
        answer = await client.find("tidegate-core", index=0, wait_seconds=1)
    assert (answer.index, answer.entries) == (0, [])


def certificate(
    folder: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Write NAME.pem and NAME.key: an authority, or what it issues for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), critical=False)
        .sign(key if issuer is None else issuer[1], hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, plain))
    return made, key


@pytest.mark.timeout(60)
async def test_an_agent_that_wants_certificates(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "authority")
    certificate(tmp_path, "agent", authority)
    certificate(tmp_path, "relay", authority)
    certificate(tmp_path, "other")
    place = {
        name: str(tmp_path / name) for name in ("authority.pem", "agent.pem", "agent.key", "relay.pem", "relay.key")
    }
    tls = {"ca_file": place["authority.pem"], "cert_file": place["agent.pem"], "key_file": place["agent.key"]}
    with consul_server(tls={**tls, "verify_incoming_https": True}) as consul:
        address = Address(LOOPBACK, consul.port)
        ours = {"certificate_file": place["relay.pem"], "key_file": place["relay.key"]}
        good = ConsulConfig(address, authority_file=place["authority.pem"], **ours)
        async with connected(good) as client:
            assert (await client.find("consul", index=0, wait_seconds=1)).index > 0
        for wrong in (
            ConsulConfig(address),
            ConsulConfig(address, authority_file=place["authority.pem"]),
            ConsulConfig(address, authority_file=str(tmp_path / "other.pem"), **ours),
        ):
            async with connected(wrong) as client:
                with pytest.raises(ConsulError):
                    await client.find("consul", index=0, wait_seconds=1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe", "does not hold a token"),
        (b"a\x00b", "does not hold a token"),
    ],
)
def test_a_token_that_cannot_be_is_said_without_it(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConsulError, match=said):
        check_files(ConsulConfig(Address(LOOPBACK, 1), token_file=str(file)))


def test_a_token_is_not_shown() -> None:
    assert "sekrit" not in repr(ConsulConfig(Address(LOOPBACK, 1), token="sekrit"))
