"""The gate: a login that is held, what waits behind it, and everything that can happen meanwhile."""

import asyncio

import pytest

from core.features import DROP, Feature, PerAccount, Session, Verdict, handles
from core.features import host as host_module
from core.features.host import FeatureHost
from core.store.protocol import StoreDataError
from games.pko.chat import Said, Say
from games.pko.connection import BeginPlay, Login, LoginRefused
from tests.core.features.road import Road, accepted, feature_of, host_of, loaded_of, login, numbers_of, settled
from tests.core.features.test_kit import Tally

COUNTED = ["classic", "counter", "counter+trailer"]


class Gate(Feature):
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[str | None]] = []
        self.seen: list[str] = []

    async def admits(self, session: Session) -> str | None:
        self.seen.append(f"admits {session.account}")
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.answers.append(future)
        return await future

    @handles
    def login(self, session: Session, packet: Login) -> None:
        self.seen.append("login")

    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
        self.seen.append("said")
        return DROP if packet.text == b"drop" else None

    def closed(self, session: Session, reason: str) -> None:
        self.seen.append(f"closed {reason}")


async def held(dialect: str = "classic") -> tuple[FeatureHost, Gate, Road]:
    """A session with a login that is held, and a word behind it."""
    host = await host_of(Gate, dialect=dialect)
    road = Road(host, dialect)
    road.says(login(), Say(text=b"behind"))
    await settled()
    return host, feature_of(host, Gate), road


@pytest.mark.parametrize("dialect", COUNTED)
async def test_what_is_behind_a_held_login_waits_and_comes_in_order(dialect: str) -> None:
    _, gate, road = await held(dialect)
    assert road.to_server == b""
    road.says(Say(text=b"drop"), Say(text=b"later"))
    road.hears(Said(speaker_id=1, text=b"the other way nothing waits"))
    assert len(road.at_player()) == 1
    assert gate.seen == ["admits anna"]
    gate.answers[0].set_result(None)
    await settled()
    if dialect != "classic":
        numbers_of(road.to_server)
    assert road.at_server() == [login(), Say(text=b"behind"), Say(text=b"later")]
    assert gate.seen == ["admits anna", "login", "said", "said", "said"]


async def test_what_stood_before_the_login_does_not_wait() -> None:
    host = await host_of(Gate)
    road = Road(host)
    road.says(Say(text=b"before"), login())
    assert road.at_server() == [Say(text=b"before")]
    await settled()


async def test_features_may_send_while_a_login_is_held() -> None:
    _, gate, road = await held("counter")
    assert road.session.send(Say(text=b"from a feature"))
    assert road.session.tell(b"Please wait.")
    gate.answers[0].set_result(None)
    await settled()
    assert numbers_of(road.to_server) == [0, 0, 1]


async def test_a_refused_login_is_told_why_and_never_seen_by_the_server() -> None:
    _, gate, road = await held()
    gate.answers[0].set_result("Not you.")
    await settled()
    assert (road.to_server, road.reason) == (b"", "feature_refused")
    assert b"Not you." in road.to_player
    assert gate.seen == ["admits anna", "closed feature_refused"]
    assert road.discarded > 0, "what was held is gone, and has to be counted"


async def test_a_session_that_ends_meanwhile_is_left_alone() -> None:
    _, gate, road = await held()
    road.end("client_closed")
    assert road.discarded > 0
    gate.answers[0].set_result("Not you.")
    await settled()
    assert (road.to_server, road.to_player) == (b"", b"")
    assert gate.seen == ["admits anna", "closed client_closed"]


async def test_a_session_that_a_feature_ends_meanwhile_is_over() -> None:
    _, gate, road = await held()
    road.session.close(b"Enough.")
    gate.answers[0].set_result(None)
    await settled()
    assert (road.to_server, road.reason) == (b"", "feature_closed")


async def test_a_gate_that_never_answers_is_taken_for_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "ADMIT_SECONDS", 0.01)
    host, _, road = await held()
    async with asyncio.timeout(5):
        await road.released_or_over.wait()
    assert road.at_server() == [login(), Say(text=b"behind")]
    assert host.late_admissions == 1


async def test_a_gate_that_does_not_even_let_itself_be_cancelled_is_taken_for_a_yes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bare except around an await is a common mistake; it must not keep everybody out."""
    monkeypatch.setattr(host_module, "ADMIT_SECONDS", 0.01)
    ending = asyncio.Event()

    class Stubborn(Feature):
        async def admits(self, session: Session) -> str | None:
            while not ending.is_set():
                try:
                    await ending.wait()
                except:  # noqa: E722 - the mistake
                    continue
            return None

    road = Road(await host_of(Stubborn))
    road.says(login())
    try:
        async with asyncio.timeout(0.3):
            await road.released_or_over.wait()
    finally:
        ending.set()
        await settled()


class Banning(Feature):
    async def admits(self, session: Session) -> str | None:
        return "You are banned."


async def test_a_feature_that_never_answers_does_not_speak_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a slow feature hang must not get past a ban by it."""
    monkeypatch.setattr(host_module, "ADMIT_SECONDS", 0.01)
    road = Road(await host_of(Gate, Banning))
    road.says(login())
    async with asyncio.timeout(5):
        await road.released_or_over.wait()
    assert (road.to_server, road.reason) == (b"", "feature_refused")


class _Unprintable:
    def __str__(self) -> str:
        raise LookupError("no")


def _raises(error: BaseException) -> type[Feature]:
    class Raising(Feature):
        async def admits(self, session: Session) -> str | None:
            raise error

    return Raising


def _answers(answer: object) -> type[Feature]:
    class Answering(Feature):
        async def admits(self, session: Session) -> str | None:
            return answer  # type: ignore[return-value]

    return Answering


@pytest.mark.parametrize(
    "cls",
    [
        _raises(LookupError("a mistake")),
        _raises(TimeoutError()),
        _raises(asyncio.CancelledError()),
        _raises(SystemExit(3)),
        _raises(GeneratorExit()),
        _answers(_Unprintable()),
    ],
    ids=["a mistake", "a time-out of its own", "a cancellation", "an exit", "a generator's exit", "an unprintable"],
)
async def test_a_gate_that_fails_is_taken_for_a_yes(cls: type[Feature]) -> None:
    host = await host_of(cls)
    road = Road(host)
    road.says(login())
    await settled()
    assert road.at_server() == [login()]
    assert host.plan.features[0].counts.failures == 1


class Remembering(Feature):
    tally = PerAccount(Tally)


async def test_a_store_that_cannot_be_read_does_not_keep_the_player_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    host = await host_of(Remembering)

    async def broken(keys: object) -> dict[str, bytes]:
        raise StoreDataError("something else stands under our name")

    monkeypatch.setattr(host.store, "get", broken)
    road = Road(host)
    road.says(login())
    await settled()
    assert road.at_server() == [login()]


@pytest.mark.parametrize("name", ["größe", "x" * 300], ids=["not ASCII", "too long"])
async def test_a_feature_with_a_name_that_the_store_does_not_take_keeps_nobody_waiting(name: str) -> None:
    """The file's name is the feature's, and stands in each of its keys."""
    host = await host_of()
    await host.switch([loaded_of(Remembering, name=name)])
    road = Road(host)
    road.says(login())
    await settled()
    assert road.at_server() == [login()]


async def test_a_second_login_behind_the_first_is_no_way_to_another_name() -> None:
    """The server's yes is to the first; whoever writes a second behind it must not be taken for that."""
    host = await host_of(Remembering)
    host.operators = frozenset({"root"})
    road = Road(host)
    road.says(login(b"anna"), login(b"root"))
    await settled()
    road.hears(accepted(b"Anna"))
    feature = feature_of(host, Remembering)
    assert not (road.session.is_logged_in and road.session.account == "root")
    assert not feature.is_operator(road.session)


async def test_each_login_passes_the_gate_even_when_features_change_meanwhile() -> None:
    host, gate, road = await held()
    loaded = host.plan.features
    await host.switch([])
    gate.answers[0].set_result(None)
    await settled()
    road.to_server = b""
    await host.switch([loaded_of(Gate)])
    road.hears(LoginRefused(error=2))
    road.says(login(b"mallory"))
    await settled()
    assert road.to_server == b""
    assert feature_of(host, Gate).seen == ["admits mallory"]
    assert loaded[0].feature is not feature_of(host, Gate)


async def test_the_choice_of_a_character_is_held_only_for_what_is_kept_of_it() -> None:
    host = await host_of(Gate)
    road = Road(host)
    road.says(login())
    await settled()
    feature_of(host, Gate).answers[0].set_result(None)
    await settled()
    road.hears(accepted(b"Anna"))
    road.to_server = b""
    road.says(BeginPlay(name=b"Anna"))
    assert road.at_server() == [BeginPlay(name=b"Anna")]
