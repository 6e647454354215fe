"""What time demands of the scripted server: greeting stamps, pings, keep-alives, and patience that ends.

Used by `world` alone, with the time it is given. Sections 1.3, 4.5 and 5 of the protocol file.
"""

import math

from games.pko.framing import KEEP_ALIVE
from games.pko.ping import CheckPing
from games.pko.sim.effects import CloseReason
from games.pko.sim.histogram import Histogram
from games.pko.sim.options import WorldOptions
from games.pko.sim.outlet import Outlet
from games.pko.sim.visit import State, Visit


class Pulse:
    """Pings characters in play, keeps connections alive, and says whose time is up."""

    def __init__(self, options: WorldOptions, outlet: Outlet) -> None:
        self._options = options
        self._outlet = outlet
        self.round_trips = Histogram()

    def overdue(self, visit: Visit) -> tuple[CloseReason, str] | None:
        """Return why a connection must end now, or None."""
        now = self._outlet.now_seconds
        if visit.state is State.GREETED and now - visit.connected_seconds >= self._options.login_seconds:
            return CloseReason.LOGIN, f"no login within {self._options.login_seconds:g} s"
        if now - visit.last_received_seconds >= self._options.silence_seconds:
            return CloseReason.PING_LIMIT, f"nothing received for {self._options.silence_seconds:g} s"
        return None

    def beat(self, visit: Visit) -> None:
        """Send the ping that is due, and a keep-alive where nothing was sent for long; note when to come again."""
        now = self._outlet.now_seconds
        if visit.state is State.PLAYING and now >= visit.next_ping_seconds:
            visit.next_ping_seconds = now + self._options.ping_interval_seconds
            visit.pinged_seconds = now
            self._outlet.send(visit, CheckPing())
        if now - visit.last_sent_seconds >= self._options.keep_alive_seconds:
            self._outlet.send_frame(visit, KEEP_ALIVE)
        visit.due_seconds = min(
            visit.last_sent_seconds + self._options.keep_alive_seconds,
            visit.last_received_seconds + self._options.silence_seconds,
            visit.next_ping_seconds if visit.state is State.PLAYING else math.inf,
            visit.connected_seconds + self._options.login_seconds if visit.state is State.GREETED else math.inf,
        )

    def take_reply(self, visit: Visit) -> bool:
        """Take the answer to a ping; False when there was none to answer."""
        if visit.pinged_seconds is None:
            return False
        visit.round_trip_seconds = self._outlet.now_seconds - visit.pinged_seconds
        visit.pinged_seconds = None
        self.round_trips.record(visit.round_trip_seconds)
        return True


def stamp(now_seconds: float) -> bytes:
    """Return a greeting's stamp, "[MM-DD hh:mm:ss:mmm]": the client only enciphers it, so any clock will do."""
    seconds, milliseconds = divmod(int(now_seconds * 1000), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    date = b"%02d-%02d" % (days // 28 % 12 + 1, days % 28 + 1)
    return b"[%b %02d:%02d:%02d:%03d]" % (date, hours, minutes, seconds, milliseconds)
