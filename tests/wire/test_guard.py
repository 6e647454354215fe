"""The guard: every check as a row, rates, states, counters, and that cuts of the input change nothing."""

from array import array
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.small_game import (
    ACCEPTED,
    ACT,
    BUCKETS,
    ECHO,
    ENCRYPTED,
    KEEP_ALIVE,
    LAYOUT,
    LOGIN,
    LOGOUT,
    OFF,
    OPENED,
    ORDINARY,
    PING,
    REFUSED,
    RULES,
    SAY,
    SHOP,
    frame,
    header,
    rule_set,
    text,
    wide_frame,
    wide_rules,
)
from wire.errors import TunnelFault
from wire.guard import MAX_REFUSALS, Guard
from wire.layout import FrameLayout
from wire.reasons import Reason
from wire.rules import Action, Bucket, Check, Mode, PacketRule, RuleSet, Selector
from wire.scanner import Scanner
from wire.tables import Tables
from wire.watcher import Watcher

SECOND = 1_000_000_000
NAME = text(b"admin")
WALK = b"\x01\x00\x00\x00\x05"


class Client:
    """A client's stream into a guard, and the game server's words through a watcher."""

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules or rule_set()
        self.refused: Counter[str] = Counter()
        self.audited: Counter[str] = Counter()
        self.guard = Guard(Tables(self.rules), self.refused, self.audited)
        self.scanner = Scanner(LAYOUT)
        self.watcher = Watcher(self.rules)
        self.now = 100 * SECOND

    def send(self, *frames: bytes) -> bytes:
        """What of some frames goes on."""
        return self.guard.check(self.scanner.feed(b"".join(frames)), self.scanner, self.now)

    def server_says(self, *frames: bytes) -> None:
        """The game server says something; the grace that follows is over at once."""
        for event in self.watcher.find(b"".join(frames), Scanner(LAYOUT)):
            self.guard.apply(event, self.now)
        self.now += 10 * SECOND

    def reasons(self) -> list[str]:
        """Why frames were refused since the last call."""
        return [str(refusal.reason) for refusal in self.guard.take_refusals()]

    def log_in(self) -> "Client":
        """Be in the game."""
        login = frame(LOGIN, NAME, counter=0 if self.rules.serverbound.trailer else None)
        assert self.send(login) == login
        self.server_says(frame(ACCEPTED, b"\0\0"))
        assert self.guard.state == "playing"
        return self


def test_what_is_good_goes_on_as_it_came() -> None:
    client = Client().log_in()
    span = frame(SAY, text(b"hello")) + KEEP_ALIVE + frame(ACT, WALK) + frame(ACT, b"\x07")
    assert client.guard.check(span, client.scanner, client.now) is span
    assert not client.guard.has_findings()
    assert client.guard.identity == {"account": b"admin"}
    assert client.guard.is_logged_in


BAD = [
    ("a band that only servers use", frame(531), Reason.CLIENT_OPCODE, True),
    ("an opcode that is nobody's", frame(2), Reason.CLIENT_OPCODE, True),
    ("a session word of an answer", frame(SAY, text(b"x"), word=ORDINARY + 1), Reason.CLIENT_SESSION_WORD, True),
    ("a call that is none", frame(SAY, text(b"x"), word=1), Reason.CLIENT_SESSION_WORD, True),
    ("a call of an unknown opcode", frame(3, word=1), Reason.CLIENT_SESSION_WORD, True),
    ("a logout that is no call", frame(LOGOUT), Reason.CLIENT_SESSION_WORD, True),
    ("a second login", frame(LOGIN, NAME), Reason.CLIENT_STATE, False),
    ("a shop that is not open", frame(SHOP), Reason.CLIENT_STATE, True),
    ("too short", frame(ACT, b"\x01\x00"), Reason.CLIENT_SIZE, True),
    ("too long", frame(ACT, bytes(10)), Reason.CLIENT_SIZE, True),
    ("a layout that does not fit", frame(SAY, text(b"hello") + b"!"), Reason.CLIENT_LAYOUT, True),
    ("a phrase", frame(SAY, text(b"say /BYE now")), Reason.CLIENT_LAYOUT, True),
    ("an echo of nothing", frame(PING, bytes(8)), Reason.CLIENT_LAYOUT, False),
]


@pytest.mark.parametrize(("bad", "reason", "closes"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_refused_is_cut_out(bad: bytes, reason: Reason, closes: bool) -> None:
    client = Client().log_in()
    good = frame(SAY, text(b"before"))
    behind = frame(ACT, WALK)
    passed = client.send(good, bad, behind)
    assert passed == (good if closes else good + behind)
    assert client.guard.closing == (reason if closes else "")
    assert client.refused == {reason: 1}
    (refusal,) = client.guard.take_refusals()
    assert (refusal.reason, refusal.frame, refusal.frame_bytes) == (reason, bad, len(bad))
    assert refusal.offset_bytes == len(frame(LOGIN, NAME) + good)
    assert client.send(good) == (b"" if closes else good)


def test_frames_before_the_login_are_refused_and_one_login_at_a_time_passes() -> None:
    client = Client()
    assert client.send(frame(SAY, text(b"hi"))) == b""
    login = frame(LOGIN, NAME)
    assert client.send(login, login) == login
    assert client.reasons() == [Reason.CLIENT_STATE, Reason.CLIENT_STATE]
    client.server_says(frame(REFUSED, b"\0\7"))
    assert client.guard.state == "greeted"
    assert not client.guard.is_logged_in
    assert client.send(login) == login


def test_the_second_layout_of_an_opcode_will_do() -> None:
    client = Client()
    login = frame(LOGIN, b"\x7f\0\0\1" + NAME)
    assert client.send(login) == login


def test_what_was_legal_before_the_server_spoke_stays_so_for_a_while() -> None:
    client = Client().log_in()
    walk = frame(ACT, WALK)
    for event in client.watcher.find(frame(REFUSED, b"\0\1"), Scanner(LAYOUT)):
        client.guard.apply(event, client.now)
    assert client.send(walk) == walk
    client.now += 6 * SECOND
    assert client.send(walk) == b""


def test_flags_of_the_server_and_of_the_client() -> None:
    client = Client().log_in()
    client.server_says(frame(OPENED))
    assert client.guard.flags == ("shop_open",)
    shop, once = frame(SHOP), frame(OFF)
    assert client.send(once, once, shop) == once + shop
    assert client.guard.flags == ("opened_once",)
    assert client.reasons() == [Reason.CLIENT_STATE]


def test_a_flag_of_the_client_holds_at_once_even_after_the_server_spoke() -> None:
    client = Client().log_in()
    for event in client.watcher.find(frame(OPENED), Scanner(LAYOUT)):
        client.guard.apply(event, client.now)
    once = frame(OFF)
    assert client.send(once, once) == once


def test_an_echo_must_be_the_last_one_heard() -> None:
    client = Client().log_in()
    client.server_says(frame(ECHO, b"abcdefgh..."))
    echo = frame(PING, b"abcdefgh")
    assert client.send(echo, frame(PING, b"abcdefgH")) == echo
    assert client.guard.take_replies() == [KEEP_ALIVE]
    client.server_says(frame(ECHO, b"12345678"))
    assert client.send(echo) == b""


def test_names_that_are_denied() -> None:
    client = Client()
    tables = Tables(client.rules)
    tables.denied = {"account": frozenset({b"admin"})}
    client.guard.adopt(tables)
    assert client.send(frame(LOGIN, text(b"ADMIN"))) == b""
    assert client.guard.closing == Reason.CLIENT_ACCOUNT_DENIED
    assert client.reasons() == [Reason.CLIENT_ACCOUNT_DENIED]


@pytest.mark.parametrize(
    ("modes", "passes", "refused", "audited"),
    [
        ({Check.LAYOUT: Mode.AUDIT}, True, 0, 1),
        ({Check.LAYOUT: Mode.OFF}, True, 0, 0),
        ({Check.LAYOUT: Mode.ENFORCE}, False, 1, 0),
    ],
)
def test_modes_of_a_check(modes: dict[Check, Mode], passes: bool, refused: int, audited: int) -> None:
    client = Client(rule_set(modes=modes)).log_in()
    bad = frame(SAY, b"junk")
    assert client.send(bad) == (bad if passes else b"")
    assert (client.refused.total(), client.audited.total()) == (refused, audited)
    assert [refusal.is_audit for refusal in client.guard.take_refusals()] == [True] * audited + [False] * refused


@pytest.mark.parametrize("mode", Mode)
def test_modes_of_a_rule(mode: Mode) -> None:
    rules = tuple(replace(rule, mode=mode) for rule in RULES)
    client = Client(rule_set(rules=rules))
    bad = frame(SAY, b"junk")
    assert client.send(bad) == (b"" if mode is Mode.ENFORCE else bad)


@pytest.mark.parametrize("check", Check)
def test_every_check_can_be_switched_off(check: Check) -> None:
    rules = rule_set(modes=dict.fromkeys(Check, Mode.OFF), is_counted=check in (Check.COUNTER, Check.TRAILER))
    client = Client(rules)
    frames = [row[1] for row in BAD] + [frame(SAY, b"", counter=9), KEEP_ALIVE * 100, frame(SAY, bytes(60)) * 100]
    assert client.send(*frames) == b"".join(frames)
    assert not client.refused
    assert not client.audited


def test_an_action_of_a_check_and_of_a_rule() -> None:
    client = Client(rule_set(actions={Check.OPCODE: Action.DROP, Check.STATE: Action.CLOSE})).log_in()
    assert client.send(frame(2)) == b""
    assert client.guard.closing == ""
    assert client.send(frame(OFF), frame(OFF)) == frame(OFF)  # the rule's own action
    assert client.guard.closing == ""
    client.send(frame(LOGIN, NAME))
    assert client.guard.closing == Reason.CLIENT_STATE


# Rates.


def flood(client: Client, frames: list[bytes], seconds: float, per_second: int) -> Counter[bytes]:
    """Send the frames in turn at a steady rate; count what passes, by frame."""
    passed: Counter[bytes] = Counter()
    for number in range(int(seconds * per_second)):
        client.now += SECOND // per_second
        each = frames[number % len(frames)]
        if client.send(each):
            passed[each] += 1
        assert client.guard.closing == ""
    return passed


NO_REFUSAL_LIMIT = rule_set(refusal_bucket=-1)


def test_a_flood_gets_the_rate_and_not_less() -> None:
    client = Client(NO_REFUSAL_LIMIT).log_in()
    passed = flood(client, [frame(SAY, text(b"hi"))], 30, 400)
    assert passed.total() == pytest.approx(30 * 10 + 10, rel=0.01)


def test_interleaving_does_not_raise_the_rate_of_an_opcode_nor_of_the_session() -> None:
    client = Client(NO_REFUSAL_LIMIT).log_in()
    say, walk = frame(SAY, text(b"hi")), frame(ACT, WALK)
    passed = flood(client, [say, walk, walk], 30, 590)
    assert 0 < passed[say] <= 30 * 10 + 10
    # What an opcode's own rate refuses has taken its part of the session's rate all the same.
    assert passed.total() + client.refused[Reason.CLIENT_PACKET_RATE] == pytest.approx(30 * 50 + 50, rel=0.01)
    client = Client(rule_set(refusal_bucket=-1, frame_bucket=-1, byte_bucket=-1)).log_in()
    passed = flood(client, [say, walk, walk], 30, 590)
    assert passed[say] == pytest.approx(30 * 10 + 10, rel=0.05)
    assert client.refused == {Reason.CLIENT_PACKET_RATE: 30 * 590 // 3 - passed[say]}


def test_bytes_are_limited_too() -> None:
    client = Client(rule_set(refusal_bucket=-1, frame_bucket=-1)).log_in()
    big = frame(SAY, bytes(992))
    client.guard.adopt(
        Tables(rule_set(refusal_bucket=-1, frame_bucket=-1, modes={Check.LAYOUT: Mode.OFF}, rules=RULES[2:3]))
    )
    passed = flood(client, [big], 30, 9)
    assert passed.total() * len(big) == pytest.approx(30 * 5000 + 5000, rel=0.05)


def test_bursts_up_to_the_limit_pass_and_the_time_fills_the_bucket_again() -> None:
    client = Client(NO_REFUSAL_LIMIT).log_in()
    say = frame(SAY, text(b"hi"))
    assert client.send(say * 12) == say * 10
    client.now += SECOND // 2
    assert client.send(say * 12) == say * 5


def test_too_many_keep_alives_are_dropped() -> None:
    client = Client()
    assert client.send(KEEP_ALIVE * 10) == KEEP_ALIVE * 4
    assert client.refused == {Reason.CLIENT_FRAME_RATE: 6}


def test_over_its_rate_a_player_is_told_once_a_second() -> None:
    client = Client().log_in()
    client.send(frame(SAY, text(b"hi")) * 15)
    (notice,) = client.guard.take_replies()
    assert notice == client.rules.notices["client_packet_rate"]
    client.now += SECOND
    client.send(frame(SAY, text(b"hi")) * 15)
    assert client.guard.take_replies() == [notice]


def test_a_session_with_too_many_refusals_ends() -> None:
    client = Client()
    client.send(frame(SAY, text(b"hi")) * 25)
    assert client.guard.closing == Reason.CLIENT_REFUSALS
    assert client.refused == {Reason.CLIENT_STATE: 21}
    assert len(client.reasons()) == MAX_REFUSALS
    assert client.guard.unkept_refusals == 21 - MAX_REFUSALS


# Packet counters and trailers.

COUNTED = rule_set(is_counted=True)


def test_behind_a_dropped_frame_the_others_are_numbered_anew() -> None:
    client = Client(COUNTED).log_in()
    dropped = frame(LOGIN, NAME, counter=1)  # in the wrong state
    client.guard.adopt(Tables(replace(COUNTED, counter_resets=frozenset())))
    frames = [frame(ACT, b"\x07", counter=1), *(frame(SAY, text(b"%d" % n), counter=n) for n in (3, 4))]
    passed = client.send(frames[0], dropped.replace(b"\0\0\0\1", b"\0\0\0\2"), KEEP_ALIVE, *frames[1:])
    expected = [frame(SAY, text(b"%d" % n), counter=n - 1) for n in (3, 4)]
    assert passed == frames[0] + KEEP_ALIVE + b"".join(expected)
    logout = frame(LOGOUT, word=1, counter=5)
    assert client.send(logout) == logout


def test_numbers_stay_right_where_a_frame_out_of_its_turn_is_only_dropped() -> None:
    client = Client(rule_set(is_counted=True, actions={Check.COUNTER: Action.DROP})).log_in()
    acts = [frame(ACT, b"\7", counter=n) for n in (1, 3, 4, 5)]
    assert client.send(*acts) == b"".join(frame(ACT, b"\7", counter=n) for n in (1, 2, 3))
    assert client.reasons() == [Reason.CLIENT_COUNTER]


def test_a_refused_login_has_begun_the_clients_count_anew() -> None:
    client = Client(COUNTED).log_in()
    frames = [frame(ACT, b"\7", counter=1), frame(LOGIN, NAME, counter=0), frame(ACT, b"\7", counter=1)]
    assert client.send(*frames) == frames[0] + frame(ACT, b"\7", counter=2)
    assert client.reasons() == [Reason.CLIENT_STATE]


def test_a_frame_that_ends_before_its_session_word_is_a_bare_one() -> None:
    odd = replace(header(), opcode_offset_bytes=2, session_word_offset_bytes=4)
    client = Client(rule_set(serverbound=odd))
    client.scanner = Scanner(FrameLayout(min_frame_bytes=4, max_frame_bytes=100))
    assert client.send(b"\0\4\0\1") == b"\0\4\0\1"


@pytest.mark.parametrize("counter", [0, 2, 0xFFFFFFFF])
def test_a_frame_out_of_its_turn_is_refused(counter: int) -> None:
    client = Client(COUNTED).log_in()
    assert client.send(frame(ACT, b"\x07", counter=counter)) == b""
    assert client.guard.closing == Reason.CLIENT_COUNTER


def test_a_client_may_count_a_call_or_not() -> None:
    for following in (1, 2):
        client = Client(COUNTED).log_in()
        logout, back = frame(LOGOUT, word=1, counter=1), frame(ACT, b"\x07", counter=following)
        assert client.send(logout, back) == logout + back


def test_a_wrong_trailer_and_a_frame_too_short_for_one() -> None:
    for bad, reason in (
        (frame(ACT, b"\x07", counter=1)[:-2] + b"\x8d\x1d", Reason.CLIENT_TRAILER),
        (frame(ACT, b"\0\0\0\1\0"), Reason.CLIENT_SIZE),
        (frame(ACT, b""), Reason.CLIENT_SIZE),
    ):
        client = Client(COUNTED).log_in()
        assert client.send(bad) == b""
        assert client.guard.closing == reason


# Streams that cannot be read any more.


def test_opaque_frames_are_framed_and_rated_only() -> None:
    client = Client()
    client.send(frame(LOGIN, NAME))
    client.server_says(frame(ENCRYPTED, b"..\0\0\0\1") + frame(ACCEPTED, b"\0\0"))
    assert client.guard.state == "opaque"
    junk = frame(0xBEEF, b"\x13\x37")
    assert client.send(junk, KEEP_ALIVE) == junk + KEEP_ALIVE
    assert client.send(*[junk] * 60) == junk * 49
    assert client.guard.closing == Reason.CLIENT_FRAME_RATE  # a cipher would lose its place
    assert client.reasons() == [Reason.CLIENT_FRAME_RATE]


def test_an_opaque_frame_with_a_wrong_session_word() -> None:
    client = Client(rule_set(opaque_session_words=(1, 9)))
    client.server_says(frame(ENCRYPTED, b"\0\0\0\1"))
    call = frame(0xBEEF, word=9)
    assert client.send(call, frame(0xBEEF, word=10)) == call
    assert client.guard.closing == Reason.CLIENT_SESSION_WORD


# Another policy, other games, hostile peers.


def test_another_policy_keeps_place_rates_and_memory() -> None:
    client = Client(NO_REFUSAL_LIMIT).log_in()
    client.server_says(frame(OPENED) + frame(ECHO, b"abcdefgh"))
    say = frame(SAY, text(b"hi"))
    client.send(say * 12)
    moved = rule_set(
        states=("opaque", "waiting", "playing", "greeted"),
        flags=("x", "shop_open"),
        opaque_state=0,
        buckets=(*BUCKETS[:4], Bucket(name="new", per_second=1, burst=1), BUCKETS[4]),
        rules=(replace(RULES[2], bucket=5), RULES[5]),
    )
    client.guard.adopt(Tables(moved))
    assert client.guard.state == "playing"
    assert client.guard.flags == ("shop_open",)
    assert client.send(say) == b""
    echo = frame(PING, b"abcdefgh")
    assert client.send(echo) == echo


def test_a_game_without_opcodes_has_rates_only() -> None:
    bare = replace(
        header(), opcode_width_bytes=0, opcode_offset_bytes=0, body_offset_bytes=0, session_word_offset_bytes=-1
    )
    client = Client(rule_set(serverbound=bare, rules=(), triggers=(), refusal_bucket=-1))
    anything = frame(2, b"whatever", word=7)
    assert client.send(anything * 60) == anything * 50


@pytest.mark.parametrize(
    "event",
    [b"", bytes(9), bytes(11), bytes(75), b"\5" + bytes(9), b"\0\0\0\0\4" + bytes(5), b"\0" * 9 + b"\1" + bytes(7)],
)
def test_events_that_the_policy_does_not_have(event: bytes) -> None:
    with pytest.raises(TunnelFault, match="event"):
        Client().guard.apply(event, 0)


@given(st.data())
def test_cuts_of_the_input_change_nothing(data: st.DataObject) -> None:
    rules = data.draw(st.sampled_from([rule_set(), COUNTED]))
    whole = Client(rules).log_in()
    pool = [row[1] for row in BAD if not row[3]] + [KEEP_ALIVE, frame(SAY, text(b"hi")), frame(ACT, WALK)]
    if rules is COUNTED:
        pool = [KEEP_ALIVE, *(frame(ACT, b"\7", counter=n) for n in (1, 2)), frame(LOGIN, NAME, counter=0)]
    frames = data.draw(st.lists(st.sampled_from([*pool, frame(2), b"\x00\x05junk"]), max_size=30))
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    cut = Client(rules).log_in()
    cut.now = whole.now
    assert whole.send(stream) == b"".join(cut.send(piece) for piece in pieces)
    assert (whole.refused, whole.guard.closing) == (cut.refused, cut.guard.closing)
    assert (whole.guard.state, whole.guard.flags) == (cut.guard.state, cut.guard.flags)


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_any_bytes_get_an_answer(pieces: list[bytes], is_counted: bool) -> None:
    client = Client(rule_set(is_counted=is_counted))
    sizes = [len(client.send(piece)) for piece in pieces]
    assert sum(sizes) <= sum(len(piece) for piece in pieces)


@pytest.mark.parametrize("opcode", [0, 541, 0xFFFF, 0x10000, 0xFFFFFFFF])
def test_an_opcode_of_four_bytes_is_found_by_all_of_it(opcode: int) -> None:
    rule = PacketRule(name="ANY", opcode=opcode, states=15)
    rules = wide_rules(rules=(rule,))

    assert Client(rules).send(wide_frame(opcode)) == wide_frame(opcode)
    for other in (opcode ^ 1, opcode ^ 0x10000, opcode ^ 0x80000000):
        client = Client(rules)
        assert client.send(wide_frame(other)) == b""
        assert client.reasons() == [Reason.CLIENT_OPCODE]


def test_opcodes_near_and_far_stand_beside_each_other() -> None:
    rules = [PacketRule(name=str(opcode), opcode=opcode, states=15) for opcode in (3, 900, 70_000, 0xFFFFFFFF)]
    selected = replace(rules[0], name="selected", selector=Selector(offset_bytes=0, width_bytes=1, value=9))
    table = wide_rules(rules=(*rules, replace(selected, min_body_bytes=3)))

    for opcode in (3, 900, 70_000, 0xFFFFFFFF):
        assert Client(table).send(wide_frame(opcode)) == wide_frame(opcode)
    for opcode in (2, 4, 899, 901, 69_999, 70_001):
        assert Client(table).send(wide_frame(opcode)) == b""
    assert Client(table).send(wide_frame(3, b"\x09")) == b""
    assert Client(table).send(wide_frame(3, b"\x09ab")) == wide_frame(3, b"\x09ab")


@pytest.mark.parametrize("limits", [array("q"), array("q", [1, 2]), array("i", [1] * 10)])
def test_a_bucket_that_is_not_there_is_not_read(limits: "array[int]") -> None:
    client = Client()
    tables = Tables(client.rules)
    tables.limits = limits
    guard = Guard(tables, client.refused, client.audited)
    span = frame(LOGIN, NAME)
    with pytest.raises(IndexError):
        guard.check(client.scanner.feed(span), client.scanner, client.now)
