"""A bot's session and the origin's, joined in memory: numbers in both directions, and who notices what."""

import asyncio
from typing import cast

import pytest

from games.pko.notices import popup
from tidegate.gameday.bot_session import BotSession, Watch
from tidegate.gameday.frames import FLOOD_FRAME_BYTES, FRAME_BYTES, flood_template, greeting, session_text
from tidegate.gameday.origin_session import OriginSession
from tidegate.gameday.pauses import Longest


class Wire:
    """A transport that keeps what is written, until somebody carries it on."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def take(self) -> bytes:
        taken, self.written = self.written, b""
        return taken

    def set_write_buffer_limits(self, high: int) -> None: ...

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> None: ...


class Registry:
    greeting = greeting()

    def opened(self, session: OriginSession) -> None: ...

    def named(self, session: OriginSession) -> None: ...

    def closed(self, session: OriginSession) -> None: ...


class Pair:
    """A bot and the origin, and the wires between them."""

    def __init__(self, number: int = 7) -> None:
        self.longest = Longest()
        self.watch = Watch()
        self.bot = BotSession(number, self.watch, self.longest)
        self.origin = OriginSession(Registry(), lambda _session, _data: None)
        self.up, self.down = Wire(), Wire()
        self.bot.connection_made(cast("asyncio.Transport", self.up))
        self.origin.connection_made(cast("asyncio.Transport", self.down))

    def play(self) -> None:
        """Carry everything until the bot is in the game."""
        self.bot.data_received(self.down.take())
        self.carry()
        assert self.bot.is_playing

    def carry(self) -> None:
        self.origin.data_received(self.up.take())
        self.bot.data_received(self.down.take())

    def say(self, count: int) -> list[bytes]:
        """Let the bot say something so often; return the frames."""
        for _ in range(count):
            self.bot.say(1)
        data = self.up.take()
        return [data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES)]


async def test_both_directions_are_counted() -> None:
    pair = Pair()
    pair.play()
    for _ in range(3):
        pair.bot.say(1)
        pair.carry()
    assert (pair.bot.sent, pair.bot.answered, pair.bot.frames_received) == (4, 4, 4)
    record = pair.origin.record()
    assert (record.session, record.received, record.sent) == (7, 4, 4)
    assert pair.bot.record().received == 4
    assert pair.watch.round_trips.count == 4
    assert pair.longest.silent_ns > 0


@pytest.mark.parametrize("size", [1, 7, 64, 100, 1000])
async def test_frames_may_be_cut_anywhere(size: int) -> None:
    pair = Pair()
    pair.play()
    said = b"".join(pair.say(20))
    for at in range(0, len(said), size):
        pair.origin.data_received(said[at : at + size])
    answers = pair.down.take()
    for at in range(0, len(answers), size):
        pair.bot.data_received(answers[at : at + size])
    assert pair.origin.record().received == pair.bot.record().received == 21


async def test_the_origin_notices_what_is_wrong_serverbound() -> None:
    pair = Pair()
    pair.play()
    frames = pair.say(6)
    for index in (0, 0, 2, 1, 5):  # numbers 2, 2, 4, 3, 7: one doubled, one late, and 5 and 6 are missing
        pair.origin.data_received(frames[index])
    record = pair.origin.record()
    assert (record.lost, record.doubled, record.reordered) == (2, 1, 1)


async def test_the_bot_notices_what_is_wrong_clientbound() -> None:
    pair = Pair()
    pair.play()
    for frame in pair.say(6):
        pair.origin.data_received(frame)
    data = pair.down.take()
    answers = [data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES)]
    for index in (0, 0, 2, 1, 5):
        pair.bot.data_received(answers[index])
    record = pair.bot.record()
    assert (record.lost, record.doubled, record.reordered) == (2, 1, 1)
    assert pair.origin.record().lost == 0


async def test_another_sessions_frames_are_noticed_at_both_ends() -> None:
    pair, other = Pair(7), Pair(8)
    pair.play()
    other.play()
    (said,) = other.say(1)
    pair.origin.data_received(said)
    assert pair.origin.record().foreign == 1
    pair.bot.data_received(pair.down.take())
    assert pair.bot.record().foreign == 1


async def test_a_flood_is_counted_and_has_no_round_trip() -> None:
    pair = Pair()
    pair.play()
    trips = pair.watch.round_trips.count
    flood = flood_template(session_text(7))
    assert len(flood % 2) == FLOOD_FRAME_BYTES
    pair.bot.data_received(flood % 2 + flood % 3 + (flood % 4)[:100])
    assert pair.bot.frames_received == 3
    assert pair.bot.is_answered
    assert pair.watch.round_trips.count == trips


async def test_a_flood_ends_where_the_connection_takes_no_more() -> None:
    pair = Pair()
    pair.play()
    pair.origin.pause_writing()
    pair.origin.flood(is_on=True)
    assert pair.origin.take_is_blocked()
    assert pair.down.take() == b""
    pair.origin.flood(is_on=False)
    pair.origin.resume_writing()
    assert not pair.origin.take_is_blocked()
    assert pair.down.take() == b""


async def test_lateness_counts_from_the_healing() -> None:
    pair = Pair()
    pair.play()
    pair.longest.begin()
    pair.bot.say(1)  # sent long before the road was healed
    pair.watch.healed()
    pair.carry()
    assert 0 < pair.longest.late_ns < 1_000_000_000, "not since it was sent"
    assert 0 < pair.longest.silent_after_ns < 1_000_000_000


async def test_a_session_that_ends_says_what_the_bot_was_told() -> None:
    pair = Pair()
    pair.play()
    pair.bot.data_received(popup("The way to the game server broke."))
    pair.bot.connection_lost(None)
    assert pair.bot.ended_because == "told: The way to the game server broke."
    assert pair.bot.gone.is_set()
    assert not pair.bot.is_playing


@pytest.mark.parametrize(
    ("error", "reason"),
    [(None, "the connection was closed"), (ConnectionResetError(), "the connection was reset")],
)
async def test_a_session_that_ends_without_a_word(error: Exception | None, reason: str) -> None:
    pair = Pair()
    pair.play()
    pair.bot.connection_lost(error)
    assert pair.bot.ended_because == reason
