"""The feature `bans`: its commands, whom it refuses, whom it ends."""

import pytest

from core.features import BanKind
from core.features.builtin import bans as bans_module
from core.features.builtin.bans import Bans
from core.features.kit import Kit, KitPlayer
from games.pko.chat import PopupNotice

UNTIL_7D = "1970-01-19 13:47 UTC"


@pytest.fixture
def kit() -> Kit[Bans]:
    return Kit(Bans, operators=("root",))


@pytest.fixture
def root(kit: Kit[Bans]) -> KitPlayer:
    return kit.player(account="root", character="Root", address="198.51.100.9", hardware_address="AA")


def run(kit: Kit[Bans], player: KitPlayer, line: str) -> str | None:
    name, _, words = line.partition(" ")
    answer = kit.commands[name].run(player.session, words)
    kit.run_work()
    return answer


def show(kit: Kit[Bans], player: KitPlayer, words: str) -> list[bytes]:
    player.texts.clear()
    assert run(kit, player, f"bans {words}") is None
    return list(player.texts)


def test_commands_are_for_operators(kit: Kit[Bans]) -> None:
    assert all(kit.commands[name].for_operators for name in ("ban", "unban", "bans"))


@pytest.mark.parametrize(
    ("line", "is_met"),
    [
        ("ban account ANNA 7d bots", True),
        ("ban character Anna 7d bots", True),
        ("ban hardware 00-11-22-33-44-55 7d bots", True),
        ("ban address 192.0.2.1 7d bots", True),
        ("ban address 192.0.2.0/24 7d bots", True),
        ("ban account bert 7d bots", False),
        ("ban address 192.0.2.2 7d bots", False),
    ],
)
def test_a_ban_ends_who_is_in_and_refuses_who_comes(
    kit: Kit[Bans], root: KitPlayer, line: str, *, is_met: bool
) -> None:
    anna = kit.player()
    answer = run(kit, root, line)
    assert answer is not None
    assert answer.startswith("Banned: ")
    text = f"You are banned until {UNTIL_7D}: bots".encode()
    assert (anna.is_closed, anna.popups) == ((True, [text]) if is_met else (False, []))
    assert not root.is_closed
    anna.leave()
    again = kit.player()
    assert (again.is_closed, again.popups) == ((True, [text]) if is_met else (False, []))


def test_a_banned_login_does_not_reach_the_game_server(kit: Kit[Bans], root: KitPlayer) -> None:
    run(kit, root, "ban account anna forever")
    anna = kit.player()
    assert (anna.sent_to_server, anna.popups, anna.reason) == ([], [b"You are banned."], "feature_refused")


def test_a_ban_runs_out(kit: Kit[Bans], root: KitPlayer) -> None:
    run(kit, root, "ban account anna 30m")
    assert kit.player().is_closed
    kit.advance(1800)
    assert not kit.player().is_closed


def test_of_two_bans_the_longer_one_is_told(kit: Kit[Bans], root: KitPlayer) -> None:
    run(kit, root, "ban address 192.0.2.1 forever for good")
    run(kit, root, "ban account anna 7d bots")
    assert kit.player().popups == [b"You are banned: for good"]


def test_unban(kit: Kit[Bans], root: KitPlayer) -> None:
    run(kit, root, 'ban character "Sir Foo" 12h')
    assert run(kit, root, "unban character sir foo") == "Not banned any more: character sir foo."
    assert not kit.player(character="Sir Foo").is_closed
    assert run(kit, root, "unban character sir foo") == (
        "There is no ban of character sir foo; /bans shows those there are."
    )


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ban", "'' is no kind of ban"),
        ("ban anna 7d", "'anna' is no kind of ban"),
        ("ban account", "'' is no duration"),
        ("ban account anna", "'' is no duration"),
        ("ban account anna bots", "'bots' is no duration"),
        ("ban account anna 0d", "'0d' is no duration"),
        ("ban account anna 7y", "'7y' is no duration"),
        ("ban account anna \u0667d", "is no duration"),
        ("ban account anna 999999w", "at most a hundred years"),
        ('ban account "" 7d', "write whom to ban"),
        ("ban address anna 7d", "neither an address nor a prefix"),
        ("ban address 192.0.2.1/24 7d", "write 192.0.2.0/24 for all of it"),
        ("ban address 0.0.0.0/0 7d", "at least /8"),
        (f"ban account anna 7d {'x' * 201}", "at most 200"),
        ("unban guild x", "'guild' is no kind of ban"),
        ("unban account", "write whom to ban"),
    ],
)
def test_wrong_words_are_answered_with_the_right_ones(kit: Kit[Bans], root: KitPlayer, line: str, text: str) -> None:
    answer = run(kit, root, line)
    assert answer is not None
    assert text in answer
    assert f"Write /{line.split()[0]} account|" in answer
    assert (kit.feature._book.all, kit.events) == ([], [])


@pytest.mark.parametrize(
    "whom", ["account Root", "character root", "hardware aa", "address 198.51.100.9", "address 198.51.0.0/16"]
)
def test_nobody_bans_himself(kit: Kit[Bans], root: KitPlayer, whom: str) -> None:
    assert run(kit, root, f"ban {whom} forever") == "That would ban yourself."
    assert kit.feature._book.all == []


def test_what_is_told_to_other_features(kit: Kit[Bans], root: KitPlayer) -> None:
    run(kit, root, "ban account anna 7d bots")
    run(kit, root, "unban account anna")
    ban, unban = kit.events
    assert (ban.kind, ban.account, ban.fields["value"], ban.fields["seconds"]) == ("ban", "root", "anna", 604_800.0)
    assert (unban.kind, unban.fields["ban"], unban.fields["by"]) == ("unban", "account", "root")


@pytest.mark.parametrize("at_once", [1, 2, 3, 200])
def test_the_list_shows_the_newest_first(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(bans_module, "BANS_AT_ONCE", at_once)
    kit = Kit(Bans, {"listed": 2}, operators=("root",))
    root = kit.player(account="root", character="Root", address="198.51.100.9")
    for name in ("anna", "bert", "carl"):
        kit.advance(1)
        run(kit, root, f"ban account {name} 7d bots of {name}")
    assert show(kit, root, "") == [
        b"account carl until 1970-01-19 13:47 UTC by root: bots of carl",
        b"account bert until 1970-01-19 13:47 UTC by root: bots of bert",
        b"3 bans, the newest 2 are shown.",
    ]
    assert show(kit, root, "OF ANNA") == [b"account anna until 1970-01-19 13:47 UTC by root: bots of anna", b"1 bans."]


def test_one_question_about_the_list_at_a_time(kit: Kit[Bans], root: KitPlayer) -> None:
    assert kit.commands["bans"].run(root.session, "") is None
    assert run(kit, root, "bans") == "Somebody has asked just now; ask again."
    kit.run_work()
    assert root.texts == [b"0 bans."]
    assert show(kit, root, "anna") == [b"0 bans."]


def test_a_ban_of_another_core_ends_sessions_too(kit: Kit[Bans]) -> None:
    anna = kit.player()
    kit.store.put_field("bans", "account:anna", b'{"reason":"elsewhere","since":1.0}')
    kit.run_work()
    assert anna.popups == [b"You are banned: elsewhere"]


def test_names_that_are_not_ascii_are_met_as_bytes(kit: Kit[Bans], root: KitPlayer) -> None:
    run(kit, root, "ban character M\xfcller forever")
    assert kit.player(character="M\xfcller").is_closed
    assert not kit.player(character="M\xdcller").is_closed  # another letter, as far as bytes go


def test_many_sessions_are_looked_up_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "SESSIONS_AT_ONCE", 2)
    kit = Kit(Bans)
    players = [kit.player(account=f"bot{number}") for number in range(5)]
    kit.feature._book.add(BanKind.ADDRESS, "192.0.2.1")
    kit.feature._book.add(BanKind.ACCOUNT, "bot1")
    [(_, work)] = kit.work
    kit.work.clear()
    assert len(list(work.__await__())) == 2, "pauses"
    assert all(player.is_closed for player in players)


def test_a_ban_that_comes_while_sessions_are_looked_up_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "SESSIONS_AT_ONCE", 2)
    kit = Kit(Bans)
    first, *_ = [kit.player(account=f"bot{number}") for number in range(3)]
    kit.feature._book.add(BanKind.ACCOUNT, "bot2")
    [(_, work)] = kit.work
    kit.work.clear()
    work.send(None)
    kit.feature._book.add(BanKind.ACCOUNT, "bot0")
    assert kit.work == []
    list(work.__await__())
    assert first.is_closed


def test_before_the_login_nobody_is_looked_for_by_name(kit: Kit[Bans]) -> None:
    player = kit.player(in_game=False)
    kit.feature._book.add(BanKind.ACCOUNT, "anna")
    kit.run_work()
    assert not player.is_closed
    assert player.hears(PopupNotice(text=b"hi")) == [PopupNotice(text=b"hi")]
