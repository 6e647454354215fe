"""Greets players with the time since their last visit, which is kept per account."""

from dataclasses import dataclass

from core.features import Feature, PerAccount, Session

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Visit:
    """When the account was here last, in seconds since 1970; 0 for never."""

    last: float = 0.0


class WelcomeBack(Feature):
    """Remembers the end of each visit, and tells of it at the next."""

    visits = PerAccount(Visit)

    def entered(self, session: Session) -> None:
        """The player is in the game."""
        last = self.visits[session].last
        if last:
            session.tell(f"Welcome back, {session.character}: you were away for {_spoken(self.wall_time() - last)}.")
        else:
            session.tell(f"Welcome, {session.character}.")

    def closed(self, session: Session, reason: str) -> None:
        """The player is gone."""
        if session.is_logged_in:
            self.visits[session] = Visit(last=self.wall_time())


def _spoken(seconds: float) -> str:
    for unit_seconds, unit in ((DAY_SECONDS, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_seconds:
            return f"{seconds / unit_seconds:.0f} {unit}"
    return "a moment"
