"""The bans of a core on their way to its edges: who is banned now, and what each tunnel has not been told yet.

Called by the tunnel service. For each tunnel a sender remembers *whom* there is something to say about, and says what
holds when the message is made: however often bans change, an edge that reads slowly costs no more than that memory.
Messages go out one after another between players' bytes, the next when there is room, so that a hundred thousand bans
hold nobody up.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.bans import MAX_BANS, Ban, Banned, check_notice
from tunnel.bans_codec import BansPacker
from tunnel.outbox import Outbox
from wire.errors import FrameFault, MisuseError
from wire.layout import FrameLayout


class BanRoad:
    """All bans of one core. ``clock`` gives monotonic seconds; a ban's time runs from when it is heard of here."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._bans: dict[Banned, tuple[Ban, float]] = {}  # by whom: the ban, and when it ends
        self._is_whole = False  # somebody has said who is banned; until then edges keep the bans they have
        self._senders: dict[Outbox, _Sender] = {}

    def __len__(self) -> int:
        return len(self._bans)

    def set(self, bans: Sequence[Ban], layout: FrameLayout) -> None:
        """Put these in the place of all; raises MisuseError, and changes nothing."""
        _check(bans, layout)
        fresh = self._timed(bans)
        if len(fresh) > MAX_BANS:
            raise MisuseError(f"{len(fresh)} bans: at most {MAX_BANS} are possible")
        self._bans = fresh
        self._is_whole = True
        for sender in self._senders.values():
            sender.tell_all()

    def change(self, added: Sequence[Ban], removed: Sequence[Banned], layout: FrameLayout) -> None:
        """Take some out, then put others in; raises MisuseError, and changes nothing."""
        _check(added, layout)
        fresh = self._timed(added)
        gone = {whom for whom in removed if whom not in fresh}
        if self._count_after(fresh, gone) > MAX_BANS:
            gone.update(whom for whom in self._over() if whom not in fresh)
        count = self._count_after(fresh, gone)
        if count > MAX_BANS:
            raise MisuseError(f"{count} bans: at most {MAX_BANS} are possible")
        for whom in gone:
            self._bans.pop(whom, None)
        self._bans.update(fresh)
        for sender in self._senders.values():
            sender.tell(fresh, gone)

    def lead_to(self, outbox: Outbox) -> None:
        """Tell another tunnel, behind the policy it has been sent, and keep telling it."""
        sender = self._senders[outbox] = _Sender(self, outbox)
        if self._is_whole:
            sender.tell_all()
        else:
            sender.tell(self._bans, ())

    def leave(self, outbox: Outbox) -> None:
        """A tunnel is gone."""
        self._senders.pop(outbox).end()

    def everybody(self) -> dict[Banned, None]:
        """Return who is banned; not by a view of the table, because from the table itself that takes 2 ms for all."""
        return dict.fromkeys(self._bans)

    def now(self, whom: Banned) -> Ban | None:
        """Return the ban that holds now, with what is left of its time; None when there is none or it is over."""
        ban, until = self._bans[whom]
        if until == inf:
            return ban
        left = until - self._clock()
        return Ban(whom, left, ban.notice) if left > 0 else None

    def _timed(self, bans: Sequence[Ban]) -> dict[Banned, tuple[Ban, float]]:
        now = self._clock()
        return {ban.whom: (ban, now + ban.seconds_left if ban.seconds_left else inf) for ban in bans}

    def _count_after(self, fresh: Iterable[Banned], gone: Iterable[Banned]) -> int:
        more = sum(whom not in self._bans for whom in fresh)
        return len(self._bans) + more - sum(whom in self._bans for whom in gone)

    def _over(self) -> list[Banned]:
        now = self._clock()
        return [whom for whom, (_, until) in self._bans.items() if until <= now]


class _Sender:
    """What one tunnel has not been told yet, the latest first.

    Those who are gone are told before those who are new: so an edge never holds more than the core does.
    """

    def __init__(self, road: BanRoad, outbox: Outbox) -> None:
        self._road = road
        self._outbox = outbox
        self._resets = False
        self._added: dict[Banned, None] = {}
        self._removed: dict[Banned, None] = {}
        self._is_under_way = False  # a message was queued, and has not been written yet

    def tell_all(self) -> None:
        """Tell about all bans anew."""
        self._resets = True
        self._removed.clear()
        self._added = self._road.everybody()
        self._go_on()

    def tell(self, added: Iterable[Banned], removed: Iterable[Banned]) -> None:
        """Tell about some who are banned now, and some who are not any more."""
        for whom in removed:
            self._added.pop(whom, None)
            self._removed[whom] = None
        for whom in added:
            self._removed.pop(whom, None)
            self._added[whom] = None
        if len(self._removed) > MAX_BANS:  # the edge is stuck: a whole set is shorter by now
            self.tell_all()
        self._go_on()

    def end(self) -> None:
        """Tell nothing more: the tunnel is gone, or another sender begins anew, and this one may not finish for it."""
        self._resets = False
        self._added.clear()
        self._removed.clear()

    def tunnel_relieved(self) -> None:
        """The tunnel has room for the next message; called by the outbox."""
        self._is_under_way = False
        self._go_on()

    def _go_on(self) -> None:
        if self._is_under_way or not (self._resets or self._added or self._removed):
            return
        packer = BansPacker(resets=self._resets)
        self._resets = False
        while self._removed and packer.has_room:
            whom, _ = self._removed.popitem()
            packer.remove(whom)
        while self._added and packer.has_room:
            whom, _ = self._added.popitem()
            ban = self._road.now(whom)
            if ban is None:  # over; an edge may have one that was to last longer
                packer.remove(whom)
            else:
                packer.add(ban)
        message = packer.message(is_complete=not (self._added or self._removed))
        self._is_under_way = True
        self._outbox.add(tunnel_pb2.AttachResponse(bans=message))
        self._outbox.wait_for_relief(self)


def _check(bans: Sequence[Ban], layout: FrameLayout) -> None:
    """Raise MisuseError where an edge would refuse a notice."""
    for notice in {ban.notice for ban in bans}:
        try:
            check_notice(notice, layout)
        except FrameFault as fault:
            raise MisuseError(f"no edge would accept these bans: {fault}") from fault
