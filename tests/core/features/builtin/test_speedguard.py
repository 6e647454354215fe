"""Speedguard on whole packets: what becomes of findings, limits by map and ship, strikes, events."""

from random import Random

import pytest

from core.features import DROP, Direction, RawPacket
from core.features.builtin.speedguard import CANNOT_MOVE, WAITING, Speedguard, SpeedguardSettings
from core.features.errors import FeatureError
from core.features.kit import Kit, KitPlayer, Sent
from games.packet import Packet
from games.pko.action import ActionNotice, Face, Move, MoveNotice, Point, UseSkill
from games.pko.chat import Say
from games.pko.connection import EnterMap
from tests.core.features.builtin.test_track import Walker

X, Y = 217_000, 278_000  # where the kit's players enter
FAR = 50_000


def path(*flat: int) -> tuple[Point, ...]:
    return tuple(Point(x=flat[at], y=flat[at + 1]) for at in range(0, len(flat), 2))


def move(*flat: int, world_id: int = 1, packet_id: int = 7) -> Move:
    return Move(world_id=world_id, packet_id=packet_id, path=path(*flat))


def skill(*flat: int) -> UseSkill:
    return UseSkill(world_id=1, packet_id=8, fight_id=3, path=path(*flat), skill_id=4, target_1=5, target_2=6)


def guarded(mode: str = "audit", **settings: object) -> tuple[Kit[Speedguard], KitPlayer]:
    kit = Kit(Speedguard, {"mode": mode, **settings}, operators=("root",))
    return kit, kit.player()


def run(kit: Kit[Speedguard], player: KitPlayer, speed: int, seconds: int) -> bool:
    """Run straight on with a click every half second; whether anything was found."""
    before = sum(kit.feature._counts.values())
    x = X
    for _ in range(2 * seconds):
        player.says(move(x, Y, x + 5000, Y))
        kit.advance(0.5)
        x += speed // 2
    return sum(kit.feature._counts.values()) > before


def test_an_honest_player_is_let_through_untouched() -> None:
    kit, player = guarded("correct", centimetres_per_second=800)
    walker = Walker(760.0, Random(1), place=(X, Y), time=kit.time)
    for now, flat, _ in walker.paths(1000):
        kit.advance(now - kit.time)
        sent = move(*flat)
        assert player.says(sent) == [sent]
    assert kit.events == []


def test_an_audit_changes_nothing() -> None:
    kit, player = guarded("audit")
    for sent in (move(X, Y, X + 100, Y), move(X + FAR, Y, X + FAR + 9, Y), skill(X, Y, X + 9, Y)):
        assert player.says(sent) == [sent]
    assert dict(kit.feature._counts) == {("garner", "teleport"): 2}
    event = kit.events[0]
    assert (event.kind, event.account, event.character, event.feature) == ("incident", "anna", "Anna", "Speedguard")
    assert event.fields == {
        "what": "teleport",
        "map": "garner",
        "on": "foot",
        "x": X + FAR,
        "y": Y,
        "from_x": X,
        "from_y": Y,
        "strikes": 1,
        "more": 0,
        "mode": "audit",
        "cm": FAR - 100,
    }


@pytest.mark.parametrize("dialect", ["classic", "counter", "counter+trailer"])
def test_a_corrected_move_is_swallowed_and_the_client_put_back(dialect: str) -> None:
    kit = Kit(Speedguard, {"mode": "correct"}, dialect=dialect)
    player = kit.player()
    player.says(move(X, Y, X + 1000, Y))
    player.hears(MoveNotice(world_id=1, packet_id=7, path=path(X, Y, X + 240, Y)))
    before = len(player.sent_to_player)
    assert player.says(move(X + FAR, Y, X, Y, packet_id=9)) == []
    answer = MoveNotice(world_id=1, packet_id=9, state=CANNOT_MOVE, stop=WAITING, path=path(X + 240, Y, X + 240, Y))
    assert player.sent_to_player[before:] == [answer]
    kit.advance(0.4)
    onwards = move(X + 240, Y, X, Y)
    assert player.says(onwards) == [onwards]
    assert player.says(Say(text=b"x")) == [Say(text=b"x")]


def test_a_corrected_skill_goes_on_from_where_the_character_is() -> None:
    _, player = guarded("correct")
    assert player.says(skill(X + FAR, Y, X + FAR, Y + 10)) == [skill(X, Y, X, Y)]


def test_a_corrected_runner_comes_no_further_than_allowed() -> None:
    kit, player = guarded("correct")
    x = furthest = X
    for _ in range(200):
        if player.says(move(x, Y, x + 5000, Y)):
            furthest = x
        else:
            x = furthest
        kit.advance(0.3)
        x += 360
    assert 0.6 * 800 * 60 < furthest - X < 800 * 60 + 3200 + 360


def test_a_session_is_closed_after_so_many_findings() -> None:
    kit, player = guarded("close", strikes=3)
    for _ in range(2):
        assert player.says(move(X + FAR, Y, X, Y)) == []
        assert not player.is_closed
    assert player.says(move(X + FAR, Y, X, Y)) == []
    assert player.reason == "feature_closed"
    assert player.popups == [b"Your character moved in a way this server does not allow."]
    assert [event.fields["strikes"] for event in kit.events] == [1, 3]
    assert [event.fields["more"] for event in kit.events] == [0, 1]


def test_strikes_are_forgotten() -> None:
    kit, player = guarded("close", strikes=2, strike_seconds=60.0)
    for _ in range(10):
        player.says(move(X + FAR, Y, X, Y))
        kit.advance(61)
    assert not player.is_closed
    assert len(kit.events) == 10


def test_events_are_few() -> None:
    kit, player = guarded("correct")
    for _ in range(50):
        player.says(move(X + FAR, Y, X, Y))
        kit.advance(0.5)
    assert [event.fields["more"] for event in kit.events] == [0, 19, 19]


@pytest.mark.parametrize(
    ("settings", "map_name", "slow", "fast"),
    [
        ({}, "garner", 800, 1200),
        ({"centimetres_per_second": 400}, "garner", 400, 600),
        ({"maps": {"Garner": {"centimetres_per_second": 400}}}, "garner", 400, 600),
        ({"maps": {"garner": {"centimetres_per_second": 400}}}, "darkblue", 800, 1200),
        ({"maps": {"garner": {"jump_centimetres": 400}}}, "garner", 800, 1200),
    ],
)
def test_limits_by_map(settings: dict[str, object], map_name: str, slow: int, fast: int) -> None:
    kit = Kit(Speedguard, settings)
    assert not run(kit, kit.player(map_name=map_name), slow, 30)
    assert run(kit, kit.player(map_name=map_name), fast, 12)


def change(world_id: int, to: int) -> ActionNotice:
    return ActionNotice(world_id=world_id, packet_id=1, action=17, rest=to.to_bytes(4, "big"))


def test_a_ship_has_limits_of_its_own() -> None:
    kit, player = guarded(maps={"garner": {"ship": {"centimetres_per_second": 1000}}})
    player.hears(change(1, 77))
    assert not run(kit, player, 1000, 30)
    player.hears(change(77, 1))
    assert run(kit, player, 1000, 30)
    player.hears(change(5, 77))  # somebody else's
    assert run(kit, player, 1000, 30)


def test_who_enters_a_map_on_a_ship_is_on_a_ship() -> None:
    kit, player = guarded()
    player.hears(EnterMap(map_name=b"magicsea", character_id=600, world_id=9, comm_id=2, name=b"Anna", x=X, y=Y))
    assert not run(kit, player, 2000, 20)
    assert run(kit, player, 3000, 12)
    assert kit.events[0].fields["on"] == "ship"


def test_a_feature_that_is_loaded_late_takes_the_wider_limits() -> None:
    kit, player = guarded()
    player.session.scratch.clear()
    assert not run(kit, player, 2000, 20)


def test_the_servers_word_moves_the_character() -> None:
    kit, player = guarded("correct")
    player.says(move(X, Y, X + 100, Y))
    player.hears(MoveNotice(world_id=2, packet_id=1, path=path(X + FAR, Y)))  # of somebody else
    assert player.says(move(X + FAR, Y, X, Y)) == []
    player.hears(MoveNotice(world_id=1, packet_id=1, state=4, stop=1, path=path(X, Y, X + FAR, Y)))
    assert player.says(move(X + FAR, Y, X, Y)) != []
    player.hears(EnterMap(map_name=b"garner", character_id=1, world_id=1, name=b"Anna", x=1000, y=1000))
    assert player.says(move(1000, 1000, 2000, 1000)) != []
    assert sum(kit.feature._counts.values()) == 1


def test_exempt_accounts_are_not_looked_at() -> None:
    kit = Kit(Speedguard, {"mode": "close", "strikes": 1, "exempt": ["Anna"]})
    player = kit.player(account="anna")
    assert player.says(move(X + FAR, Y, X, Y)) != []
    other = kit.player(account="bert")
    assert other.says(move(X + FAR, Y, X, Y)) == []


@pytest.mark.parametrize(("mode", "verdict"), [("audit", None), ("correct", DROP), ("close", DROP)])
def test_a_path_that_cannot_be_is_counted_and_stopped(mode: str, verdict: object) -> None:
    kit, player = guarded(mode)
    for body in (bytes(8) + b"\x01\x00\x08" + bytes(7), bytes(8) + b"\x01\x00\x08\xff\xff\xff\xff" + bytes(4)):
        assert kit.feature.moved(player.session, RawPacket(6, body, Direction.SERVERBOUND)) is verdict
    assert dict(kit.feature._counts) == {("garner", "malformed"): 2}


@pytest.mark.parametrize(
    "packet",
    [
        Face(world_id=1, packet_id=2, angle=3, pose=4),
        UseSkill(world_id=1, packet_id=2, move_flag=1, fight_id=3, path=None, skill_id=4, target_1=5, target_2=6),
    ],
)
def test_other_actions_pass(packet: Packet) -> None:
    _, player = guarded("close", strikes=1)
    sent: list[Sent] = [packet]
    assert player.says(packet) == sent


def test_what_was_found_can_be_asked_for_and_is_logged() -> None:
    kit, player = guarded()
    ask = kit.commands["speedguard"]
    assert ask.for_operators
    assert ask.run(player.session, "") == "Nothing was found yet."
    player.says(move(X + FAR, Y, X, Y))
    assert ask.run(player.session, "") == "garner: 1 teleport"
    kit.advance(200)
    expected = ("speedguard_found", {"map": "garner", "what": "teleport", "count": 1, "total": 1})
    assert kit.log.lines == [expected]  # type: ignore[attr-defined]


def test_what_is_not_set_is_taken_from_the_level_above() -> None:
    reaches = SpeedguardSettings.model_validate(
        {
            "centimetres_per_second": 500,
            "burst_centimetres": 5000,
            "ship": {"jump_centimetres": 9000},
            "maps": {
                "a": {"jump_centimetres": 100},
                "b": {"centimetres_per_second": 2000, "ship": {"burst_centimetres": 9999}},
            },
        }
    ).reaches()
    rows = {key: (each.speed, each.burst, each.jump) for key, each in reaches.items()}
    assert rows == {
        ("", False): (500, 5000, 2000),
        ("", True): (2000, 8000, 9000),
        ("a", False): (500, 5000, 100),
        ("a", True): (2000, 8000, 9000),
        ("b", False): (2000, 8000, 2000),
        ("b", True): (2000, 9999, 9000),
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"burst_centimetres": 1500}, "all maps: burst_centimetres 1500 is less than 2 seconds of the speed, 1600"),
        ({"maps": {"x": {"ship": {"burst_centimetres": 200}}}}, "x, ship: burst_centimetres 200"),
        ({"mode": "kill"}, "mode"),
        ({"maps": {"x": {"speed": 1}}}, "maps.x.speed"),
        ({"centimetres_per_second": 0}, "centimetres_per_second"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], said: str) -> None:
    with pytest.raises(FeatureError, match=said):
        Kit(Speedguard, settings)
