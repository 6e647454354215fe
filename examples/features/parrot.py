"""Says back what a player says: the smallest feature there is."""

from core.features import Feature, Session, handles
from games.pko.chat import Say


class Parrot(Feature):
    """One handler; what it returns, None, lets the packet go on."""

    @handles
    def said(self, session: Session, packet: Say) -> None:
        """Show the player their own words."""
        session.tell(b"You said: " + packet.text)
