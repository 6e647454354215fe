"""What one session came to: as its bot saw it, as the origin saw it, and both as one.

A record is plain data, so that the origin can send it; `join` puts the two halves together by the session's number.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from games.pko.sim.ledger import Tally

NOTHING = Tally()


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRecord:
    """A session at the origin: serverbound frames as they came, clientbound frames it sent.

    ``foreign`` frames belonged to another session.
    """

    session: int
    received: int
    lost: int
    doubled: int
    reordered: int
    foreign: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BotRecord:
    """A session at its bot: serverbound frames it sent, clientbound frames as they came.

    ``ended_because`` is empty for a session that was alive when the bot left by itself.
    """

    session: int
    sent: int
    received: int
    lost: int
    doubled: int
    reordered: int
    foreign: int
    ended_because: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Both directions over all sessions.

    ``cut_off`` frames were under way, or not answered yet, when their session ended: they share its fate and are not
    counted as lost. On a session that lives, whatever was sent and did not come by the end is lost. ``foreign`` frames
    came on another session's connection.
    """

    serverbound: Tally = NOTHING
    clientbound: Tally = NOTHING
    serverbound_cut_off: int = 0
    clientbound_cut_off: int = 0
    foreign: int = 0
    unknown_sessions: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, reordered or given to somebody else."""
        return self.serverbound.is_clean and self.clientbound.is_clean and not self.foreign


def join(bots: Iterable[BotRecord], origin: Iterable[OriginRecord]) -> Ledger:
    """Put the halves together. A session that the origin never heard of has lost, or cut off, all it sent.

    A session number that the origin has twice was opened twice; its frames are added up, so doubles show.
    """
    heard: dict[int, OriginRecord] = {}
    for record in origin:
        heard[record.session] = _add(heard[record.session], record) if record.session in heard else record
    ledger = Ledger()
    for bot in bots:
        theirs = heard.pop(bot.session, None) or _nothing(bot.session)
        ledger = _count(ledger, bot, theirs)
    return Ledger(
        ledger.serverbound,
        ledger.clientbound,
        ledger.serverbound_cut_off,
        ledger.clientbound_cut_off,
        ledger.foreign,
        unknown_sessions=len(heard),
    )


def _count(ledger: Ledger, bot: BotRecord, theirs: OriginRecord) -> Ledger:
    serverbound_tail = max(0, bot.sent - theirs.received - theirs.lost)
    clientbound_tail = max(0, theirs.sent - bot.received - bot.lost)
    has_ended = bool(bot.ended_because)
    return Ledger(
        ledger.serverbound
        + Tally(
            bot.sent,
            theirs.received,
            theirs.lost + (0 if has_ended else serverbound_tail),
            theirs.doubled,
            theirs.reordered,
        ),
        ledger.clientbound
        + Tally(
            theirs.sent,
            bot.received,
            bot.lost + (0 if has_ended else clientbound_tail),
            bot.doubled,
            bot.reordered,
        ),
        ledger.serverbound_cut_off + (serverbound_tail if has_ended else 0),
        ledger.clientbound_cut_off + (clientbound_tail if has_ended else 0),
        ledger.foreign + bot.foreign + theirs.foreign,
    )


def _add(one: OriginRecord, other: OriginRecord) -> OriginRecord:
    return OriginRecord(
        session=one.session,
        received=one.received + other.received,
        lost=one.lost + other.lost,
        doubled=one.doubled + other.doubled,
        reordered=one.reordered + other.reordered,
        foreign=one.foreign + other.foreign,
        sent=one.sent + other.sent,
    )


def _nothing(session: int) -> OriginRecord:
    return OriginRecord(session=session, received=0, lost=0, doubled=0, reordered=0, foreign=0, sent=0)
