"""Gates without gRPC behind them, and strangers of all kinds before them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from fleet.identity import Role
from fleet.port import bind_socket
from fleet.tls.attempts import Attempts
from fleet.tls.certificate_files import CertificateFiles
from fleet.tls.credentials import Credentials
from fleet.tls.gate import Gate
from fleet.tls.refusals import HandshakeError
from fleet.tls.secure_end import SecureEnd
from tests.relays import LOOPBACK


@dataclass
class Watched:
    """A gate, and every byte that came through it."""

    gate: Gate
    port: int
    connections: int = 0
    received: bytearray = field(default_factory=bytearray)
    may_read: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def refused(self, count: int = 1) -> dict[str, int]:
        """Wait until so many are counted; return the counts."""
        async with asyncio.timeout(10):
            while sum(self.gate.refused.values()) < count or self.gate.handshakes:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.005)
        return dict(self.gate.refused)


@asynccontextmanager
async def watched_gate(credentials: Credentials, roles: tuple[Role, ...] = ("edge",)) -> AsyncIterator[Watched]:
    """A gate whose other side echoes, as gRPC's place would be taken by it."""
    gate = Gate("core", credentials, roles=roles)
    made = Watched(gate, 0)
    made.may_read.set()
    serving: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        serving.add(writer)
        try:
            while await made.may_read.wait() and (data := await reader.read(65536)):
                made.received += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, gate.target.removeprefix("unix:"))
    made.port = gate.open(bind_socket(LOOPBACK, 0, shared=False))
    try:
        yield made
    finally:
        await gate.close()
        server.close()
        for writer in serving:
            writer.close()
        await asyncio.sleep(0)


def stranger(files: CertificateFiles | None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that believes everything and shows what it has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if files is not None:
        context.load_cert_chain(files.certificate, files.key)
    if version is not None:
        context.maximum_version = version
    return context


async def knock(context: ssl.SSLContext, port: int) -> str:
    """Try to come in; return what one is told, empty if one is let in."""
    loop = asyncio.get_running_loop()
    end = SecureEnd(context, is_server=False)
    await loop.create_connection(lambda: end, LOOPBACK, port)
    try:
        async with asyncio.timeout(10):
            await end.ready()
    except HandshakeError as error:
        return str(error)
    finally:
        end.abort("seen enough")
        await end.closed.wait()
    return ""


def forgive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no address refused for what failed before: rows follow quickly."""
    monkeypatch.setattr(Attempts, "may_try", lambda *_: True)
