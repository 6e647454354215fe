"""Calls the admin service of one core, and turns what goes wrong into sentences and exit statuses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, TypeVar

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read once, when gRPC is imported

import grpc

from protos.tidegate.admin.v1 import admin_pb2, admin_pb2_grpc
from tidegate.admin.errors import RefusedError
from tidegate.errors import StartError

MAX_RESPONSE_BYTES = 64 << 20
"""A fleet of ten thousand edges takes a tenth of it."""

_OPTIONS = (("grpc.max_receive_message_length", MAX_RESPONSE_BYTES), ("grpc.enable_http_proxy", 0))

_REFUSED = frozenset(
    (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED)
)  # what the service says; everything else is wrong use, or no service at all

T = TypeVar("T")


class AdminClient:
    """One core; every call raises RefusedError, or StartError where it was asked wrongly or cannot be reached."""

    def __init__(self, target: str, timeout_seconds: float) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._stub: Any = admin_pb2_grpc.AdminServiceStub(self._channel)

    def __enter__(self) -> AdminClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def status(self) -> admin_pb2.GetStatusResponse:
        """Return the fleet."""
        return self._call(admin_pb2.GetStatusResponse, self._stub.GetStatus, admin_pb2.GetStatusRequest())

    def sessions(self, request: admin_pb2.ListSessionsRequest) -> list[admin_pb2.ListSessionsResponse]:
        """Return sessions, in parts."""
        return self._gather(self._stub.ListSessions, request)

    def kick(self, request: admin_pb2.KickSessionsRequest) -> admin_pb2.KickSessionsResponse:
        """End sessions."""
        return self._call(admin_pb2.KickSessionsResponse, self._stub.KickSessions, request)

    def ban(self, request: admin_pb2.AddBanRequest) -> admin_pb2.AddBanResponse:
        """Ban somebody."""
        return self._call(admin_pb2.AddBanResponse, self._stub.AddBan, request)

    def unban(self, request: admin_pb2.RemoveBanRequest) -> admin_pb2.RemoveBanResponse:
        """Lift a ban."""
        return self._call(admin_pb2.RemoveBanResponse, self._stub.RemoveBan, request)

    def bans(self, request: admin_pb2.ListBansRequest) -> list[admin_pb2.ListBansResponse]:
        """Return bans, in parts."""
        return self._gather(self._stub.ListBans, request)

    def announce(self, request: admin_pb2.AnnounceRequest) -> admin_pb2.AnnounceResponse:
        """Tell players a text."""
        return self._call(admin_pb2.AnnounceResponse, self._stub.Announce, request)

    def drain(self, request: admin_pb2.DrainRequest) -> admin_pb2.DrainResponse:
        """Take a relay out."""
        return self._call(admin_pb2.DrainResponse, self._stub.Drain, request)

    def _call(self, kind: type[T], method: Any, request: object) -> T:
        try:
            answer = method(request, timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            raise self._explained(error) from error
        if not isinstance(answer, kind):
            raise StartError(f"what answers at {self._target} is no admin service")
        return answer

    def _gather(self, method: Callable[..., Iterable[T]], request: object) -> list[T]:
        try:
            return list(method(request, timeout=self._timeout_seconds))
        except grpc.RpcError as error:
            raise self._explained(error) from error

    def _explained(self, error: Any) -> RefusedError | StartError:
        code, details = error.code(), plain(error.details() or "")
        if code in _REFUSED:
            return RefusedError(details)
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            return StartError(details)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return StartError(f"the core at {self._target} did not answer within {self._timeout_seconds:g} s")
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return StartError(f"what answers at {self._target} has no admin service, or an older one")
        return StartError(f"the core at {self._target} cannot be asked: {details or code.name}")


def plain(text: str) -> str:
    """Return a text without what a terminal could take for a command."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
