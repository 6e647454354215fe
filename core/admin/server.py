"""The admin service's own listener: a unix socket that only its owner can write to, and a port where one is set.

The socket is there in any case, unless the service is off. The port is behind a gate (`fleet.tls.gate`) that lets in
who has an operator's certificate, where the core has certificates; where it has none, only loopback is allowed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import structlog

from core.admin.service import AdminService
from fleet.address import Address
from fleet.admin_place import (
    AdminPlace,
    PlaceError,
    check_folder,
    is_answering,
    make_folder,
    remove_stale,
    socket_name,
)
from protos.tidegate.admin.v1 import admin_pb2_grpc

if TYPE_CHECKING:  # they load what reads certificates, which not every core needs
    from fleet.tls.credentials import Credentials
    from fleet.tls.gate import Gate

_log = structlog.get_logger("core.admin")

MAX_REQUEST_BYTES = 64 * 1024
MAX_CALLS = 16
STOP_SECONDS = 0.5

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_metadata_size", 8192),
    ("grpc.max_concurrent_streams", MAX_CALLS),
    ("grpc.so_reuseport", 0),
)


class AdminServer:
    """One core worker's. ``path`` is the socket once it has started; None where there is none.

    ``gate`` stands before the port, where the core has ``credentials`` and a port is set.
    """

    def __init__(
        self,
        place: AdminPlace,
        worker: int,
        environment: Mapping[str, str],
        service: AdminService,
        credentials: Credentials | None = None,
    ) -> None:
        self.path: Path | None = None
        self.gate: Gate | None = None
        self._credentials = credentials
        self._place = place
        self._worker = worker
        self._environment = environment
        self._service = service
        self._server: grpc.aio.Server | None = None
        self._inode = 0

    async def start(self, listen: Address) -> None:
        """Listen; raises PlaceError where what was set cannot be had. A default that cannot be had is only said."""
        place = self._place
        if place.is_off:
            return
        if place.address is not None and not place.address.is_loopback and self._credentials is None:
            raise PlaceError(
                f"core.admin {place.address}: other machines can reach that, and without certificates "
                "(tls.certificate_file) nobody is asked who he is; set a loopback address or unix:PATH"
            )
        try:
            path = self._choose_path(listen)
        except PlaceError as error:
            if place.path is not None:
                raise
            _log.warning("admin_unavailable", reason=str(error), action="the core runs without its admin service")
            return
        server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        admin_pb2_grpc.add_AdminServiceServicer_to_server(self._service, server)
        try:
            self._bind(server, path)
            if place.address is not None and self._worker == 1:
                self._bind_port(server, place.address)
        except PlaceError:
            await self._stop(server, None)
            del server  # while there is a loop: it is not to wait for the garbage collector
            path.unlink(missing_ok=True)
            raise
        await server.start()
        self._server, self.path = server, path
        self._inode = path.lstat().st_ino
        _log.info("admin_listening", socket=str(path), port=str(place.address or ""))

    async def stop(self) -> None:
        """Listen no more; harmless when done twice."""
        server, self._server = self._server, None
        if server is None:
            return
        path, self.path = self.path, None
        await self._stop(server, STOP_SECONDS)
        with contextlib.suppress(OSError):
            if path is not None and path.lstat().st_ino == self._inode:  # not the one of who came after us
                path.unlink()

    async def _stop(self, server: grpc.aio.Server, grace_seconds: float | None) -> None:
        gate, self.gate = self.gate, None
        if gate is not None:
            gate.stop_accepting()
        await server.stop(grace_seconds)
        if gate is not None:
            await gate.close()

    def _choose_path(self, listen: Address) -> Path:
        """Return a path for the socket that is free; raises PlaceError."""
        path = self._place.path
        try:
            if path is None:
                folder = make_folder(self._environment)
                remove_stale(folder)
                path = folder / socket_name(listen, self._worker)
            else:
                check_folder(path.parent)
                path = path if self._worker == 1 else path.with_name(f"{path.name}.{self._worker}")
            if path.is_symlink() or (path.exists() and not path.is_socket()):
                raise PlaceError(f"{path}: there is something else in the place of the socket")
        except OSError as error:
            raise PlaceError(f"{error.filename or path}: {error.strerror}") from error
        if path.exists() and is_answering(path):
            raise PlaceError(f"{path}: another core listens there")
        return path

    def _bind_port(self, server: grpc.aio.Server, address: Address) -> None:
        try:
            if self._credentials is None:
                server.add_insecure_port(str(address))
            else:
                self._open_gate(server, address, self._credentials)
        except (RuntimeError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else "the port cannot be had"
            raise PlaceError(f"core.admin {address}: {why}") from error

    def _open_gate(self, server: grpc.aio.Server, address: Address, credentials: Credentials) -> None:
        """Let in on the port who has an operator's certificate; raises OSError and RuntimeError."""
        from fleet.port import bind_socket
        from fleet.tls.gate import Gate

        self.gate = Gate("admin", credentials, roles=("admin",))
        server.add_insecure_port(self.gate.target)
        self.gate.open(bind_socket(address.host, address.port, shared=False))

    def _bind(self, server: grpc.aio.Server, path: Path) -> None:
        mask = os.umask(0o177)  # it is never open to others, not even for a moment
        try:
            server.add_insecure_port(f"unix:{path}")
            path.chmod(0o600)
        except (RuntimeError, OSError) as error:
            raise PlaceError(f"{path}: the socket cannot be made ({error})") from error
        finally:
            os.umask(mask)
