"""Where a core's admin service is found on its machine: the setting ``core.admin``, and the socket meant without it.

The core (`core.admin.server`) makes the socket, the admin commands look for it. Whoever can write to it is the
operator, so the folder and the socket must be nobody else's: both sides check that.

========================  ==========================================================================================
``core.admin``            what is meant
========================  ==========================================================================================
(empty)                   ``core-HOST-PORT.sock`` in a folder of one's own: the first that can be had of
                          ``$XDG_RUNTIME_DIR/tidegate``, ``/run/tidegate``, ``/tmp/tidegate-UID``
``unix:PATH``             that socket
``HOST:PORT``             a port: of this machine, for every user of it, or with certificates for who has an
                          operator's; and the socket that is meant by nothing
``off``                   nothing
========================  ==========================================================================================
"""

import contextlib
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.address import Address, parse_address

OFF = "off"
UNIX = "unix:"
MAX_PATH_BYTES = 107
"""Of a socket's path (sun_path of unix(7), without the end)."""

RUN_FOLDER = Path("/run/tidegate")
MAX_SOCKETS = 1000
_EXAMPLE = "write unix:/run/tidegate/admin.sock, 127.0.0.1:7402 or off"


class PlaceError(Exception):
    """A place that cannot be used; the text says why and what would be right."""


@dataclass(frozen=True, slots=True)
class AdminPlace:
    """What ``core.admin`` says. At most one of ``path`` and ``address`` is given; without both it is the default."""

    path: Path | None = None
    address: Address | None = None
    is_off: bool = False


def parse_place(text: str) -> AdminPlace:
    """Read ``core.admin``; raises ValueError with a sentence."""
    if not text:
        return AdminPlace()
    if text == OFF:
        return AdminPlace(is_off=True)
    if text.startswith(UNIX):
        path = Path(text.removeprefix(UNIX))
        if not path.is_absolute() or len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise ValueError(f"{text[:80]!r}: a socket's path begins with / and has at most {MAX_PATH_BYTES} bytes")
        return AdminPlace(path=path)
    try:
        return AdminPlace(address=parse_address(text))
    except ValueError as error:
        raise ValueError(f"{error}; {_EXAMPLE}") from error


def socket_name(listen: Address, worker: int = 1) -> str:
    """Return what the socket of a core is called that listens there."""
    host = re.sub(r"[^A-Za-z0-9.]", "_", listen.host)[:64]
    return f"core-{host}-{listen.port}{'' if worker == 1 else f'.{worker}'}.sock"


def folders(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield where sockets may be, the best place first."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        yield Path(runtime) / "tidegate"
    yield RUN_FOLDER
    yield Path(f"/tmp/tidegate-{os.geteuid()}")  # noqa: S108 - it is checked whose it is


def make_folder(environment: Mapping[str, str]) -> Path:
    """Return a folder for our socket, made if need be; raises PlaceError where none can be had."""
    reasons = []
    for folder in folders(environment):
        try:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            check_folder(folder)
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
        except PlaceError as error:
            reasons.append(str(error))
        else:
            return folder
    raise PlaceError(f"there is no folder for a socket: {'; '.join(reasons)}")


def check_folder(folder: Path) -> None:
    """Raise PlaceError for a folder in which somebody else could put a socket in the place of ours, and OSError."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise PlaceError(f"{folder}: it is no folder")
    if found.st_uid not in (os.geteuid(), 0):
        raise PlaceError(f"{folder}: it belongs to another user (number {found.st_uid})")
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        raise PlaceError(f"{folder}: other users can write there (mode {stat.S_IMODE(found.st_mode):o})")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PlaceError(f"{folder}: this user may not write there")


def check_socket(path: Path) -> None:
    """Raise PlaceError for what is no socket of ours to talk to, and OSError."""
    found = path.lstat()
    if not stat.S_ISSOCK(found.st_mode):
        raise PlaceError(f"{path}: it is no socket")
    own = os.geteuid()
    if own and found.st_uid not in (own, 0):
        raise PlaceError(f"{path}: it belongs to another user (number {found.st_uid})")


def is_answering(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def find_sockets(environment: Mapping[str, str]) -> list[Path]:
    """Return the sockets of cores on this machine that may be talked to and answer."""
    found = []
    for folder in folders(environment):
        with contextlib.suppress(OSError):
            for path in sorted(folder.glob("core-*.sock"))[:MAX_SOCKETS]:
                with contextlib.suppress(PlaceError, OSError):
                    check_socket(path)
                    if is_answering(path):
                        found.append(path)
    return found


def remove_stale(folder: Path) -> None:
    """Remove the sockets that killed cores have left; what answers, or is not ours, stays."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("core-*.sock"))[:MAX_SOCKETS]:
            with contextlib.suppress(OSError):
                found = path.lstat()
                if stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid() and not is_answering(path):
                    path.unlink()
