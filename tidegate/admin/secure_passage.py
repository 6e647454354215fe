"""The way from an admin command to a core on another machine: TLS with an operator's certificate, kept up by a thread.

The commands use gRPC's blocking calls, and the road (`fleet.tls.road`) needs an event loop: it has one of its own here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

from fleet.road import RoadError
from fleet.tls.certificate_files import CertificateFiles
from fleet.tls.credentials import POLL_SECONDS, Credentials
from fleet.tls.pem_files import CertificateError
from fleet.tls.road import SecureRoad
from tidegate.errors import StartError


@contextmanager
def secure_passage(address: str, folder: Path) -> Iterator[str]:
    """Open a road to ``HOST:PORT`` with what ``tidegate certs issue admin`` has made; gives what gRPC connects to.

    Raises StartError where the certificate cannot be used or the core is not reached, refuses us, or is none.
    """
    target: Future[str] = Future()
    ended = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def keep() -> None:
        try:
            credentials = Credentials(_files_in(folder), "admin")
            road = SecureRoad(credentials)
            try:
                async with road.open(address) as passage:
                    target.set_result(passage.target)
                    while not ended.is_set():
                        with suppress(TimeoutError):
                            async with asyncio.timeout(POLL_SECONDS):
                                await ended.wait()
                        credentials.look()  # `--watch` may outlast the core's certificate
            finally:
                await road.close()
        except (CertificateError, RoadError, OSError) as error:
            if not target.done():
                target.set_exception(error)

    thread = threading.Thread(target=loop.run_until_complete, args=(keep(),), name="road to a core", daemon=True)
    thread.start()
    try:
        try:
            found = target.result()
        except (CertificateError, RoadError, OSError) as error:
            raise StartError(f"the core at {address} cannot be asked: {error}") from error
        yield found
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def _files_in(folder: Path) -> CertificateFiles:
    revoked = folder / "revoked.pem"
    return CertificateFiles(
        folder / "certificate.pem",
        folder / "key.pem",
        folder / "authority.pem",
        revoked if revoked.exists() else None,
    )
