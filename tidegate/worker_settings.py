"""The file by which workers are told their settings, for as long as there is a supervisor.

It stands in the temporary folder, with secrets in it, for its owner only. Systems clean that folder of what nobody has
touched for days, and a worker that died after that could never be started again: so it is made anew where it is gone.
"""

import contextlib
import os
import tempfile
from types import TracebackType
from typing import Self


class WorkerSettings:
    """A file with ``text`` in it, until the end of the ``with`` block."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._path = ""
        self._identity = (0, 0)

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_ours():
            os.unlink(self._path)

    @property
    def path(self) -> str:
        """Where the file is; raises OSError where it is gone and cannot be made anew."""
        if not self._is_ours():
            self._write()
        return self._path

    def _is_ours(self) -> bool:
        """Whether the file is there; not one that somebody else has put in its place."""
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(self._path)
            return (status.st_dev, status.st_ino) == self._identity
        return False

    def _write(self) -> None:
        descriptor, self._path = tempfile.mkstemp(prefix="tidegate-", suffix=".toml")
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(self._text)
            status = os.fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)
