"""The test kit, with small features in it."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass, replace

import pytest

from core.features import (
    DROP,
    Feature,
    Fleet,
    PerAccount,
    PerSession,
    RawPacket,
    Scratch,
    Session,
    Settings,
    Verdict,
    command,
    every,
    handles,
    handles_opcode,
)
from core.features.kit import Kit
from games.packet import Direction
from games.pko.chat import Said, Say, SystemInfo, Whisper
from wire.errors import MisuseError


class ParrotSettings(Settings):
    prefix: str = "You said: "


class Parrot(Feature):
    settings: ParrotSettings

    @handles
    def said(self, session: Session, packet: Say) -> None:
        session.tell(session.raw(self.settings.prefix) + packet.text)


def test_a_packet_goes_on_and_is_answered() -> None:
    kit = Kit(Parrot)
    player = kit.player()
    assert player.says(Say(text=b"hello")) == [Say(text=b"hello")]
    assert player.texts == [b"You said: hello"]


def test_settings_reach_the_feature() -> None:
    player = Kit(Parrot, {"prefix": "> "}).player()
    player.says(Say(text=b"hello"))
    assert player.texts == [b"> hello"]


class Editor(Feature):
    @handles
    def said(self, session: Session, packet: Say | Whisper) -> Verdict:
        if b"drop" in packet.text:
            return DROP
        if b"twice" in packet.text:
            return [packet, packet]
        return replace(packet, text=packet.text.upper())


@pytest.mark.parametrize("dialect", ["classic", "counter", "counter+trailer"])
def test_verdicts(dialect: str) -> None:
    player = Kit(Editor, dialect=dialect).player()
    assert player.says(Say(text=b"a")) == [Say(text=b"A")]
    assert player.says(Say(text=b"drop")) == []
    assert player.says(Say(text=b"twice")) == [Say(text=b"twice"), Say(text=b"twice")]
    assert player.says(Whisper(to=b"Bob", text=b"x")) == [Whisper(to=b"Bob", text=b"X")]


class Raw(Feature):
    @handles_opcode(6412, Direction.SERVERBOUND)
    def vip(self, session: Session, packet: RawPacket) -> Verdict:
        return RawPacket(packet.opcode, packet.body + b"!", packet.direction)


def test_an_opcode_without_a_class() -> None:
    player = Kit(Raw).player()
    sent = RawPacket(6412, b"hi", Direction.SERVERBOUND)
    assert player.says(sent) == [RawPacket(6412, b"hi!", Direction.SERVERBOUND)]


@dataclass(frozen=True)
class Tally:
    said: int = 0


class Counting(Feature):
    account = PerAccount(Tally)
    own = PerSession(Tally)
    all = Fleet(Tally)
    scratch = Scratch(list[bytes])

    @handles
    def said(self, session: Session, packet: Say) -> None:
        self.account[session] = replace(self.account[session], said=self.account[session].said + 1)
        self.own[session] = Tally(self.own[session].said + 1)
        self.all.set(Tally(self.all.get().said + 1))
        self.scratch[session].append(packet.text)


def test_what_is_kept_for_whom() -> None:
    kit = Kit(Counting)
    one = kit.player(account="anna")
    two = kit.player(account="Anna", character="Other")
    three = kit.player(account="bert", character="Bert")
    for player in (one, two, three):
        player.says(Say(text=b"x"))
    feature = kit.feature
    assert [feature.account[each.session].said for each in (one, two, three)] == [2, 2, 1]
    assert [feature.own[each.session].said for each in (one, two, three)] == [1, 1, 1]
    assert feature.all.get().said == 3
    assert feature.scratch[one.session] == [b"x"]


def test_kept_state_is_there_at_the_next_login() -> None:
    kit = Kit(Counting)
    player = kit.player()
    player.says(Say(text=b"x"))
    player.leave()
    again = kit.player()
    assert kit.feature.account[again.session].said == 1
    assert kit.feature.own[again.session].said == 0


class Gate(Feature):
    async def admits(self, session: Session) -> str | None:
        return "Not you." if session.account == "mallory" else None


def test_a_login_is_refused_before_the_server_sees_it() -> None:
    kit = Kit(Gate)
    player = kit.player(account="mallory")
    assert (player.sent_to_server, player.popups) == ([], [b"Not you."])
    assert player.reason == "feature_refused"
    assert not kit.player().is_closed


class Clock(Feature):
    rings = 0

    @every(10)
    def ring(self) -> None:
        self.rings += 1

    def opened(self, session: Session) -> None:
        self.after(5, lambda: session.close("Too late."), session=session)

    @command("rings", "how often it rang")
    def count(self, session: Session, words: str) -> str:
        return str(self.rings)


def test_time_passes_only_when_it_is_told_to() -> None:
    kit = Kit(Clock)
    player = kit.player()
    kit.advance(4.9)
    assert not player.is_closed
    kit.advance(30)
    assert (player.reason, player.popups, kit.feature.rings) == ("feature_closed", [b"Too late."], 3)
    assert kit.commands["rings"].run(player.session, "") == "3"


class Broken(Feature):
    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
        return Said(speaker_id=1, text=b"wrong way")


def test_nonsense_is_raised_in_a_test() -> None:
    with pytest.raises(MisuseError, match="other way"):
        Kit(Broken).player().says(Say(text=b"x"))


def test_what_follows_a_packet_of_the_same_direction_stands_behind_it() -> None:
    class Behind(Feature):
        @handles
        def heard(self, session: Session, packet: Said) -> None:
            session.tell("behind")

    player = Kit(Behind).player()
    said = Said(speaker_id=7, text=b"hi")
    assert player.hears(said) == [said, SystemInfo(text=b"behind")]


class Never:
    """Something that a real loop would have to wait for."""

    def __await__(self) -> Generator["Never", None, None]:
        yield self


class Working(Feature):
    """Does work in steps."""

    def __init__(self) -> None:
        self.steps = 0

    async def make_way(self, steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
            self.steps += 1

    async def wait(self) -> None:
        await Never()


def test_work_may_make_way_for_others_and_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.features.kit.MAX_TURNS", 10)
    kit = Kit(Working)
    kit.feature.spawn(kit.feature.make_way(3))
    kit.run_work()
    assert kit.feature.steps == 3
    for work in (kit.feature.wait(), kit.feature.make_way(11)):
        kit.feature.spawn(work)
        with pytest.raises(MisuseError, match="waits for something"):
            kit.run_work()
