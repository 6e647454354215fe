"""What a supervisor keeps when it starts its own program anew: its port, its workers, the memory they count in.

Called by `tidegate.supervisor` and `tidegate.supervisor_upgrade`. The process stays the same one, so its workers stay
its children, and whoever watches it (a service manager, a shell, a container) notices nothing. What is kept is written
as JSON into a file without a name that the next program inherits, as it does the descriptors that are named in it.

Before that the next program is tried: a process of its own gets the same file, reads settings and certificates, says
that it could go on with it, and ends.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

from tidegate.errors import StartError
from tidegate.worker_process import NO_DESCRIPTOR, KeptWorker

SUPERVISION_VARIABLE = "TIDEGATE_SUPERVISION"
"""From a supervisor to its next program, and no setting: what to do with which open file."""

TRIAL, GO_ON = "trial", "go-on"

TRIAL_LINE = "tidegate supervisor: would go on"
"""What a trial says on standard output when all is well."""

FILE_NAME = "tidegate-upgrade"
"""What the file is called among the open files of the process while an upgrade runs: `tidegate.running` looks there."""

VERSION = 1
MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Supervision:
    """All that is kept. Numbers of descriptors, but for the settings file of the workers there are."""

    relay: str
    count: int
    port: int
    settings_file: str
    has_announced: bool
    workers: tuple[KeptWorker, ...] = field(default=())

    @property
    def memories(self) -> set[int]:
        """The files of the memory in which the workers count."""
        return {worker.memory for worker in self.workers} - {NO_DESCRIPTOR}

    @property
    def descriptors(self) -> set[int]:
        """All that the next program has to inherit."""
        ours = {each for worker in self.workers for each in (worker.lifeline, worker.output, worker.orders)}
        return {self.port, *self.memories, *ours} - {NO_DESCRIPTOR}

    def write(self, file: int) -> None:
        """Write it into an open file, in the place of what was there."""
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"version": VERSION, **asdict(self)}).encode(), 0)

    @classmethod
    def read(cls, file: int) -> "Supervision":
        """Read it; raises StartError for what another version has written."""
        try:
            data = json.loads(os.pread(file, MAX_FILE_BYTES, 0))
            version = data.pop("version")
            if version != VERSION:
                raise StartError(f"the running supervisor speaks version {version}, this one {VERSION}")
            workers = tuple(KeptWorker(**each) for each in data.pop("workers"))
            return cls(**data, workers=workers)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StartError(f"what the running supervisor keeps cannot be read: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Kept:
    """What this program finds of the one before it. ``file`` is open as long as the upgrade runs (`close` ends it)."""

    supervision: Supervision
    file: BinaryIO
    is_trial: bool

    def check(self, relay: str, count: int) -> None:
        """Raise StartError where the settings of now want something that an upgrade cannot do."""
        kept = self.supervision
        if relay != kept.relay:
            raise StartError(f"an upgrade makes no {relay} of {kept.relay} workers")
        if count != kept.count:
            raise StartError(
                f"an upgrade does not change how many workers there are: {kept.count} run, {count} are set; drain "
                "this edge, and start the other"
            )

    def port(self) -> socket.socket:
        """Return the port that is reserved for the workers."""
        return socket.socket(fileno=self.supervision.port)

    def close(self) -> None:
        """The upgrade is over: nothing of the program before is needed any more. A second call does nothing."""
        with contextlib.suppress(OSError):
            os.unlink(self.supervision.settings_file)
        self.file.close()


def kept_supervision() -> Kept | None:
    """Return what the program before this one has kept; None where there was none. Raises StartError."""
    said = os.environ.pop(SUPERVISION_VARIABLE, None)
    if said is None:
        return None
    what, _, file = said.partition(":")
    if what not in (TRIAL, GO_ON) or not file.isdecimal():
        raise StartError("a supervisor is upgraded by itself only")
    kept = Kept(Supervision.read(int(file)), os.fdopen(int(file), "rb"), what == TRIAL)
    os.set_inheritable(int(file), False)  # noqa: FBT003 - the system's own signature
    if not kept.is_trial:
        for each in kept.supervision.descriptors:
            os.set_inheritable(each, False)  # noqa: FBT003 - the same
    return kept


def is_kept() -> bool:
    """Whether this process is to go on with workers, or to try whether it could."""
    return SUPERVISION_VARIABLE in os.environ


def with_supervision(environment: Mapping[str, str], what: str, file: int) -> dict[str, str]:
    """Return the environment for the next program."""
    return {**environment, SUPERVISION_VARIABLE: f"{what}:{file}"}


@contextlib.contextmanager
def inheritable(descriptors: set[int]) -> Iterator[None]:
    """Have the next program inherit these; when it has not come after all, nobody inherits them."""
    try:
        for each in descriptors:
            os.set_inheritable(each, True)  # noqa: FBT003 - the system's own signature
        yield
    finally:
        for each in descriptors:
            os.set_inheritable(each, False)  # noqa: FBT003 - the same
