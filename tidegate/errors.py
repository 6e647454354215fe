"""Reasons not to start: the errors that the command shows as text, with exit status 2 and no traceback.

::

    TidegateError (wire.errors)
    └── StartError             the process cannot do what was asked: a port in use, no permission
        └── SettingsError      the settings are wrong; holds every mistake of every source

Raised by the settings and by whatever starts a process; caught in `tidegate.cli` only. Nothing here may
import a third-party library, because ``--help`` and ``--version`` load this module.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from wire.errors import TidegateError


class StartError(TidegateError):
    """The process cannot start; the text says why and what to do, and is all that people see."""

    code = "start"


def cannot_listen(address: object, error: OSError, key: str) -> StartError:
    """Return the error for a port that cannot be had; ``key`` is the setting that names another."""
    why = error.strerror or str(error)
    return StartError(
        f"cannot listen on {address}: {why}; stop what listens there or set another {key} (port 0 takes any)"
    )


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with the settings.

    ``place`` is where it was written (``tidegate.toml:3``, an environment name, a flag), ``key`` the dotted
    setting (empty where there is none), ``text`` what is wrong and what would be right.
    """

    place: str
    key: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.text) if part)


class SettingsError(StartError):
    """The settings are wrong; ``mistakes`` holds all there are, and the text has a line for each."""

    code = "settings"

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        heading = "1 mistake in the settings" if count == 1 else f"{count} mistakes in the settings"
        super().__init__("\n".join((f"{heading}:", *(f"  {mistake}" for mistake in self.mistakes))))
