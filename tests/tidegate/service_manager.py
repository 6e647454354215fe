"""What a service manager has for its services: a socket that hears what they say, and who said it."""

import asyncio
import contextlib
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

CREDENTIALS = struct.Struct("3i")
MESSAGE_BYTES = 4096


@dataclass(frozen=True)
class Said:
    """One message: from which process, and its fields."""

    pid: int
    fields: Mapping[str, str]


@dataclass
class Manager:
    """A real notify socket. ``place`` is what NOTIFY_SOCKET says."""

    place: str
    socket: socket.socket
    messages: list[Said] = field(default_factory=list)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, wanted: Callable[[Said], bool], since: int = 0) -> Said:
        """Wait until something was said, of what came after the first ``since`` messages."""
        async with asyncio.timeout(30):
            while True:
                for said in self.messages[since:]:
                    if wanted(said):
                        return said
                since = len(self.messages)
                self._heard.clear()
                await self._heard.wait()

    async def until_field(self, name: str, value: str = "", since: int = 0) -> Said:
        """Wait for a field, whatever its value, or with this one."""
        return await self.until(lambda said: name in said.fields and value in ("", said.fields[name]), since)

    def all(self, name: str) -> list[str]:
        """Every value of a field so far."""
        return [said.fields[name] for said in self.messages if name in said.fields]

    def hear(self) -> None:
        """Read all that waits."""
        self._heard.set()
        with contextlib.suppress(BlockingIOError):
            while True:
                message, ancillary, _, _ = self.socket.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(CREDENTIALS.size))
                ((_, _, credentials),) = ancillary
                fields = dict(line.split("=", 1) for line in message.decode().split("\n"))
                self.messages.append(Said(CREDENTIALS.unpack(credentials)[0], fields))


@contextlib.asynccontextmanager
async def service_manager(*, is_abstract: bool = False, is_deaf: bool = False) -> AsyncIterator[Manager]:
    """A manager that listens until the end; its socket is there and nobody reads when it ``is_deaf``."""
    loop = asyncio.get_running_loop()
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        path = str(Path(folder) / "notify")
        listening.bind(f"\0{path}" if is_abstract else path)
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager = Manager(f"@{path}" if is_abstract else path, listening)
        if not is_deaf:
            loop.add_reader(listening, manager.hear)
        try:
            yield manager
        finally:
            loop.remove_reader(listening)
