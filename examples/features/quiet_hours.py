"""No world chat at night: what is said there is swallowed, and the player is told why."""

from pydantic import Field

from core.features import DROP, Feature, Session, Settings, Verdict, handles
from games.pko.chat import SayToAll


class QuietHoursSettings(Settings):
    """Stands in features.toml as [quiet_hours]."""

    from_hour: int = Field(23, ge=0, le=23, description="When the quiet begins.")
    until_hour: int = Field(7, ge=0, le=23, description="When it ends.")
    utc_offset_hours: float = Field(0.0, ge=-14, le=14, description="Your clock's distance from UTC.")
    text: str = Field("The world channel is quiet at night.", max_length=200, description="What players are told.")


class QuietHours(Feature):
    """Drops packets of one kind at some times."""

    settings: QuietHoursSettings

    @handles
    def said_to_all(self, session: Session, packet: SayToAll) -> Verdict:
        """Swallow it at night, except from operators."""
        if not self.is_quiet() or self.is_operator(session):
            return None
        session.tell(self.settings.text)
        return DROP

    def is_quiet(self) -> bool:
        """Whether it is night; the night may go past midnight."""
        ours = self.settings
        hour = (self.wall_time() / 3600 + ours.utc_offset_hours) % 24
        if ours.from_hour <= ours.until_hour:
            return ours.from_hour <= hour < ours.until_hour
        return hour >= ours.from_hour or hour < ours.until_hour
