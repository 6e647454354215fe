"""The host: features and sessions of one core, and everything that happens to both."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence, Sized

import pytest
from structlog.testing import capture_logs

from core.features import Event, Feature, PerAccount, PerCharacter, PerSession, Session, command, every, handles
from core.features.containment import MAX_FAILURES
from core.features.host import FeatureHost
from core.features.relay import MAX_WORK, FeatureRelay
from core.store.memory import MemoryStore
from games.pko.chat import Say, SystemInfo
from games.pko.connection import BeginPlay, EndPlayReply, Login, LoginRefused
from tests.core.features.road import Road, accepted, entered, feature_of, host_of, loaded_of, login, settled
from tests.core.features.test_kit import Tally
from wire.errors import MisuseError
from wire.reasons import Reason


class Diary(Feature):
    """Notes what it is told, and what is known of the player then."""

    account = PerAccount(Tally)
    character = PerCharacter(Tally)
    own = PerSession(Tally)

    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self) -> None:
        self.told.append("started")

    def stopped(self) -> None:
        self.told.append("stopped")

    def preface(self, session: Session) -> bytes:
        return b"PREFACE"

    def opened(self, session: Session) -> None:
        self.told.append("opened")

    @handles
    def login(self, session: Session, packet: Login) -> None:
        self.told.append(f"login {session.account}")

    def logged_in(self, session: Session) -> None:
        self.told.append(f"logged in {session.account}")

    def entered(self, session: Session) -> None:
        self.told.append(f"entered {session.character} {session.map_name}")

    def changed_map(self, session: Session) -> None:
        self.told.append(f"changed {session.map_name}")

    def left(self, session: Session) -> None:
        self.told.append(f"left {session.character}")

    def closed(self, session: Session, reason: str) -> None:
        self.told.append(f"closed {reason} {session.is_open}")

    def noticed(self, event: Event) -> None:
        self.told.append(f"event {event.kind} {event.account}")


async def test_what_a_feature_is_told_in_a_players_life() -> None:
    host = await host_of(Diary)
    road = Road(host)
    assert road.preface == b"PREFACE"
    road.says(login())
    await settled()
    road.hears(accepted(b"Anna"))
    road.says(BeginPlay(name=b"Anna"))
    await settled()
    road.hears(entered(), entered(map_name=b"magicsea"), EndPlayReply(characters=()))
    road.end("client_closed")
    diary = feature_of(host, Diary)
    await host.close()
    assert diary.told == [
        "started",
        "opened",
        "login anna",
        "logged in anna",
        "event login anna",
        "entered Anna garner",
        "changed magicsea",
        "left ",
        "closed client_closed False",
        "stopped",
    ]


async def test_sessions_leave_nothing_behind() -> None:
    host = await host_of(Diary)
    feature = feature_of(host, Diary)

    def sizes() -> tuple[int, ...]:
        relay = host._relays[host.plan.features[0]]
        cells = feature.account, feature.character, feature.own
        book = host.book
        held: list[Sized] = [book._values, book._accounts, host._used, relay._timers, relay._by_session, host._gates]
        users = sum(1 for count in book._users.values() if count)
        return (*map(len, held), users, len(list(host.crowd.here)), *(len(each._decoded) for each in cells))

    empty = sizes()
    for number in range(20):
        name = b"player%d" % number
        road = await Road(host).enter(name, name)
        session = road.session
        feature.account[session] = feature.character[session] = feature.own[session] = Tally(number)
        feature.after(100, lambda: None, session=session)
        if number % 2:
            road.hears(EndPlayReply(characters=()))
            road.says(BeginPlay(name=b"other%d" % number))
            await settled()
        if number % 3:
            road.says(login(b"again%d" % number))
            await settled()
        road.end(Reason.CLIENT_CLOSED if number % 4 else Reason.TUNNEL_LOST)
        feature.after(100, lambda: None, session=session)
    assert sizes() == empty


async def test_a_session_that_ends_while_its_state_is_loaded_leaves_nothing_behind() -> None:
    class SlowStore(MemoryStore):
        gate: asyncio.Event | None = None

        async def get(self, keys: Sequence[str]) -> dict[str, bytes]:
            if self.gate is not None:
                await self.gate.wait()
            return dict.fromkeys(keys, b'{"version":1,"value":{"said":5}}')

    store = SlowStore()
    host = await host_of(Diary, store=store)
    store.gate = asyncio.Event()
    road = Road(host)
    road.says(login())
    await settled()
    road.end("client_closed")
    store.gate.set()
    await settled()
    assert (host.book._values, host.book._accounts, host._used) == ({}, {}, {})


async def test_the_state_of_a_session_comes_back_after_a_crash_of_ours_only() -> None:
    store = MemoryStore()
    for reason, expected in ((Reason.TUNNEL_LOST, 7), (Reason.CLIENT_CLOSED, 0)):
        host = await host_of(Diary, store=store)
        road = await Road(host).enter()
        feature_of(host, Diary).own[road.session] = Tally(7)
        road.end(reason)
        await host.close()
        again = await host_of(Diary, store=store)
        back = await Road(again).enter()
        assert feature_of(again, Diary).own[back.session] == Tally(expected)
        back.end(Reason.CLIENT_CLOSED)
        await again.close()


@pytest.mark.parametrize("is_answered", [False, True])
async def test_who_only_claims_an_account_cannot_take_away_what_is_kept_of_it(is_answered: bool) -> None:
    """A login with a wrong password ends in good order; the player whose core crashed is still on the way back."""
    store = MemoryStore()
    host = await host_of(Diary, store=store)
    road = await Road(host).enter()
    feature_of(host, Diary).own[road.session] = Tally(7)
    road.end(Reason.TUNNEL_LOST)
    other = Road(host)
    other.says(login())
    await settled()
    if is_answered:
        other.hears(LoginRefused(error=1001))
    other.end(Reason.CLIENT_CLOSED)
    back = await Road(host).enter()
    assert feature_of(host, Diary).own[back.session] == Tally(7)


async def test_a_refused_login_leaves_nobody_logged_in() -> None:
    host = await host_of(Diary)
    road = Road(host)
    road.says(login())
    await settled()
    road.hears(LoginRefused(error=1001))
    assert (road.session.account, road.session.is_logged_in) == ("", False)


async def test_an_edge_that_gives_two_sessions_one_id_mixes_up_nobody() -> None:
    """Ids come from edges, and a broken one must not reach the state of another's player."""
    host = await host_of(Diary)
    first = await Road(host).enter(b"anna")
    feature = feature_of(host, Diary)
    feature.own[first.session] = Tally(1)
    try:
        second = host.open(first, first.session.peer, None)
    except MisuseError:
        return
    assert feature.own[second.session] == Tally()
    second.ended("client_closed")
    assert host.crowd.find(account="anna") is first.session
    assert feature.own[first.session] == Tally(1)


# Wrong hooks.


@pytest.mark.parametrize("answer", [None, "text", 5, bytearray(b"x")])
async def test_a_preface_that_is_no_bytes_counts_and_the_others_are_sent(answer: object) -> None:
    class Wrong(Feature):
        def preface(self, session: Session) -> bytes:
            return answer  # type: ignore[return-value]

    host = await host_of(Wrong, Diary)
    assert Road(host).preface == b"PREFACE"
    assert host.plan.features[0].counts.failures == 1


async def test_a_feature_that_fails_everywhere_is_taken_out_and_nobody_notices() -> None:
    class Failing(Feature):
        is_stopped = False

        def opened(self, session: Session) -> None:
            raise LookupError

        def preface(self, session: Session) -> bytes:
            raise LookupError

        @handles
        def said(self, session: Session, packet: Say) -> None:
            raise LookupError

        @every(0.05)
        def tick(self) -> None:
            raise LookupError

        def stopped(self) -> None:
            self.is_stopped = True
            raise LookupError

        @command("fail", "fail")
        def fail(self, session: Session, words: str) -> str:
            """Fail."""
            return words

        def closed(self, session: Session, reason: str) -> None:
            raise LookupError

    host = await host_of(Failing, Diary)
    loaded = host.plan.features[0]
    assert "fail" in host.commands
    roads = [Road(host) for _ in range(3)]
    for number in range(MAX_FAILURES):
        for road in roads:
            road.says(Say(text=b"%d" % number))
    assert loaded.is_out
    assert loaded.counts.failures == MAX_FAILURES + 1, "it was told that it is over, and failed once more"
    assert feature_of(host, Failing).is_stopped
    assert "fail" not in host.commands
    for road in roads:
        assert road.at_server() == [Say(text=b"%d" % number) for number in range(MAX_FAILURES)]
        road.end("client_closed")
    relay = host._relays[loaded]
    assert relay._is_closed
    await host.switch([])
    await host.close()


# Timers, work and events.


class Timing(Feature):
    def __init__(self) -> None:
        self.rung: list[str] = []

    def ring(self, name: str) -> Callable[[], None]:
        return lambda: self.rung.append(name)


async def test_timers_ring_once_and_not_for_sessions_that_are_over() -> None:
    host = await host_of(Timing)
    feature, road = feature_of(host, Timing), Road(host)
    relay = host._relays[host.plan.features[0]]
    cancelled = feature.after(0, feature.ring("cancelled"))
    feature.after(0, feature.ring("plain"))
    feature.after(-5, feature.ring("in the past"))
    feature.after(0, feature.ring("session"), session=road.session)
    over = Road(host)
    feature.after(0, feature.ring("over"), session=over.session)
    over.end("client_closed")
    feature.after(0, feature.ring("already over"), session=over.session).cancel()
    cancelled.cancel()
    cancelled.cancel()
    done = asyncio.Event()
    feature.after(0.002, done.set)
    await asyncio.wait_for(done.wait(), 5)
    assert sorted(feature.rung) == ["in the past", "plain", "session"]
    assert (relay._timers, relay._by_session) == (set(), {})


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e300])
async def test_a_timer_that_cannot_be_takes_no_room(seconds: float) -> None:
    host = await host_of(Timing)
    relay = host._relays[host.plan.features[0]]
    with contextlib.suppress(MisuseError, ValueError, OverflowError):
        feature_of(host, Timing).after(seconds, lambda: None).cancel()
    assert not relay._timers


async def test_work_is_bounded_and_ends_with_the_feature() -> None:
    host = await host_of(Timing)
    feature = feature_of(host, Timing)

    async def wait() -> None:
        await asyncio.Event().wait()

    for _ in range(MAX_WORK):
        feature.spawn(wait())
    with pytest.raises(MisuseError, match="this is a leak"):
        feature.spawn(wait())
    await settled()
    await host.switch([])
    await settled()
    feature.spawn(wait())
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("timing-")]


async def test_work_that_was_begun_last_is_closed_too() -> None:
    """A task that is cancelled before its first step has never looked at what it was given."""

    class Leaving(Feature):
        def stopped(self) -> None:
            self.spawn(self.work())

        async def work(self) -> None:
            await asyncio.sleep(0)

    host = await host_of(Leaving)
    await host.switch([])
    await settled()


async def test_work_that_exits_counts_and_the_core_lives() -> None:
    host = await host_of(Timing)

    async def leave() -> None:
        raise SystemExit(3)

    feature_of(host, Timing).spawn(leave())
    await settled()
    assert host.plan.features[0].counts.failures == 1


async def test_work_that_fails_counts() -> None:
    host = await host_of(Timing)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("x")

    feature_of(host, Timing).spawn(fail(), "errand")
    await settled()
    assert host.plan.features[0].counts.failures == 1


async def test_events_that_beget_events_end_somewhere() -> None:
    """Two features that each answer an event by another make twice as many each time."""

    class Echo(Feature):
        def noticed(self, event: Event) -> None:
            self.emit("echo")

    class Answer(Echo):
        pass

    host = await host_of(Echo, Answer)
    feature_of(host, Answer).emit("first")
    calls = [0]
    for _ in range(15):
        await asyncio.sleep(0)
        calls.append(sum(each.counts.calls for each in host.plan.features))
    await host.close()
    assert max(after - before for before, after in itertools.pairwise(calls)) < 5000


async def test_an_event_is_told_after_what_goes_on_now() -> None:
    host = await host_of(Diary)
    diary = feature_of(host, Diary)
    diary.emit("chat", text="x")
    assert "event chat " not in diary.told
    await settled()
    assert "event chat " in diary.told


# Messages, and the end.


async def test_messages_reach_players_and_end_sessions_from_within_a_handler() -> None:
    class Talker(Feature):
        @handles
        def said(self, session: Session, packet: Say) -> None:
            if packet.text == b"all":
                self.players.tell(b"to all")
            elif packet.text == b"bert":
                self.players.close("Out.", account="bert")
            elif packet.text == b"self":
                self.players.close("Out.", session_id=session.id)

    host = await host_of(Talker)
    anna = await Road(host).enter(b"anna", b"Anna")
    bert = await Road(host).enter(b"bert", b"Bert")
    anna.says(Say(text=b"all"))
    await settled()
    assert anna.at_player() == bert.at_player() == [SystemInfo(text=b"to all")]
    anna.says(Say(text=b"bert"), Say(text=b"self"), Say(text=b"behind"))
    await settled()
    assert (anna.reason, bert.reason) == ("feature_closed", "feature_closed")
    assert [each for each in anna.at_server() if isinstance(each, Say)] == [
        Say(text=b"all"),
        Say(text=b"bert"),
        Say(text=b"self"),
    ]
    assert list(host.crowd.here) == []


async def test_a_feature_may_end_a_session_that_has_just_opened() -> None:
    class Closing(Feature):
        def opened(self, session: Session) -> None:
            session.close(b"Not now.")

    host = await host_of(Closing)
    road = Road(host)
    assert road.reason == "feature_closed"
    assert list(host.crowd.here) == []


async def test_a_host_that_is_closed_leaves_no_task() -> None:
    class Slow(Feature):
        async def admits(self, session: Session) -> str | None:
            await asyncio.Event().wait()
            return None

        @every(1)
        def tick(self) -> None: ...

        def started(self) -> None:
            self.spawn(asyncio.Event().wait())  # type: ignore[arg-type]

    host = await host_of(Slow)
    Road(host).says(login())
    await settled()
    await host.close()
    await settled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert list(host.plan.features) == []


async def test_malformed_packets_are_said_now_and_then() -> None:
    host = await host_of(Diary)
    road = Road(host)
    bad = road.codec.dialect.serverbound.seal(Login.OPCODE, b"\x00")
    with capture_logs() as lines:
        for _ in range(150):
            road.client_sends(bad)
    assert host.malformed_frames == {"LoginWithAddress": 150} or host.malformed_frames == {"Login": 150}
    assert [line["count"] for line in lines if line["event"] == "packet_malformed"] == [1, 10, 100]


def test_a_feature_reaches_no_more_than_its_relay() -> None:
    """A feature has no way to the host but the calls of `Relay`."""
    public = {name for name in dir(FeatureRelay) if not name.startswith("_")}
    assert {"host", "containment", "plan"}.isdisjoint(public)
    assert FeatureHost.__name__ not in {type(value).__name__ for value in vars(loaded_of(Diary).feature).values()}
