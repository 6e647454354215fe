"""The road from an edge or an operator's command to a core: what gRPC is told to connect to, and what goes on below.

`PlainRoad` is TCP as gRPC does it by itself; `fleet.tls.road` is the one with certificates.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from wire.errors import TidegateError


class RoadError(TidegateError):
    """There is no way to the other side; the text says why."""

    code = "road"


def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A road that is open. ``target`` is what gRPC connects to; ``say_problem`` says why it broke, if it did."""

    target: str
    say_problem: Callable[[], str] = _nothing


class Road(Protocol):
    """A way to open one connection after the other."""

    def open(self, address: str) -> AbstractAsyncContextManager[Passage]:
        """Open a road to ``HOST:PORT`` for one gRPC channel, which is to be closed first; raises RoadError."""

    async def close(self) -> None:
        """Let go of what all roads share: the process has no use for them any more."""


class PlainRoad:
    """No certificates: on this machine, or where the operator has said that it is to be so."""

    @asynccontextmanager
    async def open(self, address: str) -> AsyncIterator[Passage]:
        """Leave everything to gRPC."""
        yield Passage(address)

    async def close(self) -> None:
        """There is nothing to let go of."""
