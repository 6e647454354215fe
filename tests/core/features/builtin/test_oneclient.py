"""The feature `oneclient`: how many get in, whose place is taken, and that nothing is kept by those who are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from core.features import Feature, Session
from core.features import host as host_module
from core.features.builtin.oneclient import PREFIX, OneClient
from core.features.errors import FeatureError
from core.features.host import FeatureHost
from core.features.kit import Kit, KitPlayer
from core.store.memory import MemoryStore
from core.store.protocol import Claim, Store
from games.pko.connection import Login, LoginAccepted, LoginRefused
from tests.core.features.builtin.one_account import Client, load, make_host, run_rounds

ACCOUNT_TEXT = b"This account is in the game already."
REPLACED_TEXT = b"A newer login has taken your place."


async def is_free(store: Store, name: str, limit: int = 1) -> bool:
    """Whether a place of a name can be had."""
    claim = await store.claim(PREFIX + name, "probe", limit=limit, evict=False)
    store.release(PREFIX + name, "probe")
    return claim.is_granted


def is_free_now(kit: Kit[OneClient], name: str) -> bool:
    return asyncio.run(is_free(kit.store, name))


# One core.


def test_a_second_login_is_refused_before_the_server_sees_it() -> None:
    kit = Kit(OneClient)
    first = kit.player()
    second = kit.player(account="ANNA", character="Other", address="192.0.2.9", hardware_address="AA")
    assert (second.sent_to_server, second.popups, second.reason) == ([], [ACCOUNT_TEXT], "feature_refused")
    assert not first.is_closed
    assert not kit.player(account="bert").is_closed
    first.leave()
    assert not kit.player().is_closed


@pytest.mark.parametrize(
    ("settings", "same", "text"),
    [
        ({"per_account": 2}, {"account": "anna"}, ACCOUNT_TEXT),
        ({"per_account": 0, "per_hardware": 2}, {"hardware_address": "Ab-C"}, b"Too many clients run on this machine."),
        ({"per_account": 0, "per_address": 2}, {"address": "192.0.2.7"}, b"Too many players come from your address."),
        ({"per_account": 0, "per_address": 2}, {"address": "2001:db8::7"}, b"Too many players come from your address."),
    ],
)
def test_limits_count_each_for_itself(settings: dict[str, int], same: dict[str, str], text: bytes) -> None:
    kit = Kit(OneClient, settings)

    def player(number: int) -> KitPlayer:
        return kit.player(
            account=same.get("account", f"p{number}"),
            hardware_address=same.get("hardware_address", f"{number}"),
            address=same.get("address", f"198.51.100.{number}"),
        )

    players = [player(number) for number in range(4)]
    assert [player.is_closed for player in players] == [False, False, True, True]
    assert players[3].popups == [text]
    players[0].leave()
    assert not player(9).is_closed


@pytest.mark.parametrize(
    ("one", "other", "is_refused"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, *, is_refused: bool) -> None:
    kit = Kit(OneClient, {"per_account": 0, "per_address": 1})
    kit.player(account="anna", address=one)
    assert kit.player(account="bert", address=other).is_closed is is_refused


@pytest.mark.parametrize(
    "exempt", [{"exempt_addresses": ["192.0.2.0/24"]}, {"exempt_accounts": ["Anna"]}, {"per_account": 0}]
)
def test_who_is_exempt_does_not_count(exempt: dict[str, object]) -> None:
    kit = Kit(OneClient, {"per_address": 1, "per_hardware": 1, **exempt} if "per_account" not in exempt else exempt)
    assert not any(kit.player().is_closed for _ in range(3))


@pytest.mark.parametrize(
    "settings", [{"exempt_addresses": ["192.0.2.1/24"]}, {"policy": "kick"}, {"per_account": -1}, {"per_account": "1"}]
)
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(FeatureError):
        Kit(OneClient, settings)


def test_a_partial_grant_is_rolled_back() -> None:
    kit = Kit(OneClient, {"per_hardware": 1})
    kit.player(account="anna", hardware_address="aa")
    assert kit.player(account="bert", hardware_address="AA").is_closed
    assert is_free_now(kit, "account:bert")
    assert not is_free_now(kit, "account:anna")


def test_a_refusal_holds_nothing_even_before_the_session_ends() -> None:
    kit = Kit(OneClient, {"per_hardware": 1})
    kit.player(account="anna", hardware_address="aa")
    player = kit.player(in_game=False).session.player
    player.account, player.hardware_address = b"bert", b"AA"
    session = kit.crowd.find(account="bert")
    assert session is not None
    assert asyncio.run(kit.feature.admits(session)) == "Too many clients run on this machine."
    assert is_free_now(kit, "account:bert")


def test_who_has_left_before_he_is_asked_about_holds_nothing() -> None:
    kit = Kit(OneClient)
    player = kit.player()
    player.leave()
    assert asyncio.run(kit.feature.admits(player.session)) is None
    assert is_free_now(kit, "account:anna")


def in_login(kit: Kit[OneClient], account: str) -> KitPlayer:
    player = kit.player(in_game=False)
    says_login(player, account)
    return player


def says_login(player: KitPlayer, account: str) -> None:
    player.says(Login(account=account.encode(), password=bytes(24), mac=b"aa", version=136))


def test_a_login_that_the_server_refuses_gives_its_place_back() -> None:
    kit = Kit(OneClient)
    player = in_login(kit, "anna")
    assert not is_free_now(kit, "account:anna")
    player.hears(LoginRefused(error=1001))
    assert is_free_now(kit, "account:anna")
    says_login(player, "anna")
    assert not is_free_now(kit, "account:anna")


def test_another_account_on_the_same_connection_gives_the_first_back(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = Kit(OneClient)
    holders: list[str] = []
    claim = kit.store.claim

    async def noted(name: str, holder: str, *, limit: int, evict: bool) -> Claim:
        holders.append(holder)
        return await claim(name, holder, limit=limit, evict=evict)

    monkeypatch.setattr(kit.feature.store, "claim", noted)
    player = in_login(kit, "anna")
    player.hears(LoginAccepted(key=bytes(8), characters=()))
    says_login(player, "bert")
    assert (is_free_now(kit, "account:anna"), is_free_now(kit, "account:bert")) == (True, False)
    player.hears(LoginAccepted(key=bytes(8), characters=()))
    says_login(player, "anna")
    assert (is_free_now(kit, "account:anna"), is_free_now(kit, "account:bert")) == (False, True)
    player.hears(LoginAccepted(key=bytes(8), characters=()))
    says_login(player, "anna")
    assert not player.is_closed
    own = [holder for holder in holders if holder != "probe"]
    assert len(own) == len(set(own)) == 3, "a release that is still queued must not meet a later claim"
    player.leave()
    assert is_free_now(kit, "account:anna")


def test_replace_waits_for_the_password() -> None:
    kit = Kit(OneClient, {"policy": "replace"})
    fourth = kit.player(in_game=False)
    first = kit.player()
    kit.run_work()
    second = in_login(kit, "anna")
    kit.run_work()
    assert not first.is_closed
    second.hears(LoginRefused(error=1001))
    kit.run_work()
    assert not first.is_closed
    third = kit.player()
    kit.run_work()
    assert (first.popups, first.reason) == ([REPLACED_TEXT], "feature_closed")
    assert not third.is_closed
    fourth.enter("anna", "Anna", "garner", "aa")
    kit.run_work()
    assert (third.is_closed, fourth.is_closed) == (True, False)


def test_replace_early_does_not_wait() -> None:
    kit = Kit(OneClient, {"policy": "replace_early"})
    first = kit.player()
    second = in_login(kit, "anna")
    assert (first.popups, first.is_closed, second.is_closed) == ([REPLACED_TEXT], True, False)
    assert not is_free_now(kit, "account:anna")


def test_the_oldest_is_replaced() -> None:
    kit = Kit(OneClient, {"policy": "replace", "per_account": 2})
    players = []
    for _ in range(3):
        players.append(kit.player())
        kit.run_work()
    assert [player.is_closed for player in players] == [True, False, False]


def test_what_is_told() -> None:
    kit = Kit(OneClient, operators=("root",))
    first = kit.player()
    kit.player()
    [event] = kit.events
    assert (event.kind, event.fields) == ("oneclient", {"action": "refused", "by": "account"})
    answer = kit.commands["clients"].run(first.session, "")
    assert answer == "1 sessions counted here; 1 refused by account"
    assert kit.commands["clients"].for_operators


@pytest.mark.parametrize(("policy", "text"), [("refuse", ACCOUNT_TEXT), ("replace", REPLACED_TEXT)])
def test_a_claim_that_turns_out_not_to_hold_ends_the_session(
    monkeypatch: pytest.MonkeyPatch, policy: str, text: bytes
) -> None:
    heard: list[Callable[[str, str], None]] = []
    monkeypatch.setattr(MemoryStore, "on_claim_lost", lambda self, on_lost: heard.append(on_lost))
    kit = Kit(OneClient, {"policy": policy})
    [lost] = heard
    player = kit.player()
    kit.run_work()
    held = f"{player.session.id}:0"
    lost(PREFIX + "account:anna", "0" * 32 + ":0")
    lost(PREFIX + "account:anna", f"{player.session.id}:7")
    lost("something else", held)
    assert not player.is_closed
    lost(PREFIX + "account:anna", held)
    assert (player.popups, player.reason) == ([text], "feature_closed")


def test_names_of_any_length_and_bytes_can_be_claimed() -> None:
    kit = Kit(OneClient, {"per_hardware": 1})
    kit.player(hardware_address="_" + "{" * 63)
    session = kit.player(account="bert").session
    session.player.account = b"\xff" * 100
    assert all(name.isascii() and len(name) < 250 for name in kit.feature._wanted(session))


# Several cores, and claims that take their time.


class SlowStore(MemoryStore):
    """A store whose claims are decided and answered when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_slow = True
        self.waiting: list[tuple[asyncio.Future[None], asyncio.Future[None]]] = []

    async def claim(self, name: str, holder: str, *, limit: int, evict: bool) -> Claim:
        if not self.is_slow:
            return await super().claim(name, holder, limit=limit, evict=evict)
        loop = asyncio.get_running_loop()
        decide, answer = loop.create_future(), loop.create_future()
        self.waiting.append((decide, answer))
        await decide
        claim = await super().claim(name, holder, limit=limit, evict=evict)
        await answer
        return claim

    async def decide(self) -> asyncio.Future[None]:
        """Have the longest waiting claim decided, but not answered; returns what answers it."""
        decide, answer = self.waiting.pop(0)
        decide.set_result(None)
        await turn()
        return answer

    async def finish(self) -> None:
        """Decide and answer the longest waiting claim."""
        (await self.decide()).set_result(None)
        await turn()


async def turn() -> None:
    """Let everybody run who can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def start(store: Store, **settings: Any) -> FeatureHost:
    host = make_host(store)
    await host.switch([load(host, OneClient, **settings)])
    return host


async def closed(*hosts: FeatureHost) -> None:
    for host in hosts:
        await host.close()


async def test_a_session_that_ends_while_its_claim_is_decided_keeps_nothing() -> None:
    store = SlowStore()
    host = await start(store)
    for is_decided_first in (False, True):
        client = Client(host, "anna")
        client.log_in()
        await turn()
        if is_decided_first:
            answer = await store.decide()
            client.leave()
            answer.set_result(None)
        else:
            client.leave()
            await store.finish()
        await turn()
        store.is_slow = False
        assert await is_free(store, "account:anna")
        store.is_slow = True
    await closed(host)


async def test_a_session_that_ends_while_its_second_claim_is_on_its_way_keeps_neither() -> None:
    store = SlowStore()
    host = await start(store, per_hardware=1)
    client = Client(host, "anna")
    client.log_in()
    await turn()
    await store.finish()
    client.leave()
    await store.finish()
    store.is_slow = False
    assert await is_free(store, "account:anna")
    assert await is_free(store, "hardware:00-11")
    await closed(host)


async def test_a_claim_that_is_late_is_made_good_beside_the_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host lets a login go on that it has held for too long; then the session must still have its answer."""
    monkeypatch.setattr(host_module, "ADMIT_SECONDS", 0.02)
    store = SlowStore()
    host = await start(store)
    first, second = Client(host, "anna"), Client(host, "anna")
    for client in (first, second):
        client.log_in()
    await asyncio.gather(first.decided.wait(), second.decided.wait())
    assert first.is_in
    assert second.is_in
    store.is_slow = False
    assert await is_free(store, "account:anna")
    assert host.late_admissions == 2
    for _, answer in store.waiting:
        assert not answer.done()
    while store.waiting:
        if store.waiting[0][0].cancelled():
            store.waiting.pop(0)
        else:
            await store.finish()
    await turn()
    assert sorted((first.is_in, second.is_in)) == [False, True]
    assert not await is_free(store, "account:anna")
    for client in (first, second):
        client.leave()
    assert await is_free(store, "account:anna")
    await closed(host)


class Gate(Feature):
    async def admits(self, session: Session) -> str | None:
        return "No."


class Idle(Feature):
    """Does nothing."""


async def test_a_login_is_claimed_for_when_the_server_accepts_it_at_the_latest() -> None:
    """The feature is switched on when a login is under way and somebody is in."""
    store = MemoryStore()
    host = make_host(store)
    await host.switch([load(host, Idle)])  # without any feature nobody is followed
    inside, coming, third = (Client(host, name) for name in ("anna", "bert", "anna"))
    for client in (inside, coming, third):
        client.log_in()
    inside.is_accepted()
    third.is_accepted()
    await host.switch([load(host)])
    await turn()
    assert (inside.is_in, third.is_in) == (True, False), "the younger of two is too many"
    assert not await is_free(store, "account:anna")
    assert await is_free(store, "account:bert")
    coming.is_accepted()
    await turn()
    assert not await is_free(store, "account:bert")
    await closed(host)


async def test_claims_outlive_a_reload_and_end_with_the_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    host = await start(store, per_hardware=1)
    client = Client(host, "anna")
    client.log_in()
    await client.decided.wait()
    client.is_accepted()
    released = []
    release = store.release

    def noted(name: str, holder: str) -> None:
        released.append(name)
        release(name, holder)

    monkeypatch.setattr(store, "release", noted)
    await host.switch([load(host)])
    assert released == [PREFIX + "hardware:00-11"], "the new settings do not want it any more"
    assert not await is_free(store, "account:anna")
    other = Client(host, "anna")
    other.log_in()
    await other.decided.wait()
    assert (other.is_in, client.is_in) == (False, True)
    await host.switch([])
    assert await is_free(store, "account:anna")
    await closed(host)


async def test_a_login_that_another_feature_refuses_keeps_nothing() -> None:
    store = MemoryStore()
    host = make_host(store)
    await host.switch([load(host), load(host, Gate)])
    client = Client(host, "anna")
    client.log_in()
    await client.decided.wait()
    assert not client.is_in
    assert await is_free(store, "account:anna")
    await closed(host)


async def test_another_core_ends_the_session_that_is_replaced() -> None:
    store = MemoryStore()
    hosts = [await start(store, policy="replace"), await start(store, policy="replace")]
    clients = []
    for host in hosts:
        client = Client(host, "anna")
        client.log_in()
        await client.decided.wait()
        client.is_accepted()
        await turn()
        clients.append(client)
    assert [client.is_in for client in clients] == [False, True]
    assert REPLACED_TEXT in clients[0].shown
    assert not await is_free(store, "account:anna")
    await closed(*hosts)


@pytest.mark.parametrize("limit", [1, 2])
async def test_of_many_who_are_accepted_at_once_the_limit_stays(limit: int) -> None:
    store = SlowStore()
    hosts = [await start(store, policy="replace", per_account=limit) for _ in range(2)]
    clients = [Client(hosts[number % 2], "anna") for number in range(10)]
    for client in clients:
        client.log_in()
    await asyncio.gather(*(client.decided.wait() for client in clients))
    for client in clients:
        client.is_accepted()
    await turn()
    while store.waiting:
        await store.finish()
    assert sum(client.is_in for client in clients) == limit
    for client in clients:
        client.leave()
    store.is_slow = False
    assert await is_free(store, "account:anna")
    await closed(*hosts)


async def test_more_claims_than_may_be_on_their_way_wait_for_one_another() -> None:
    store = SlowStore()
    host = await start(store, policy="replace")
    clients = [Client(host, f"bot{number}") for number in range(70)]
    for client in clients:
        client.log_in()
        await client.decided.wait()
        client.is_accepted()
    await turn()
    assert len(store.waiting) == 32
    clients[69].leave()
    while store.waiting:
        await store.finish()
    store.is_slow = False
    free = [await is_free(store, f"account:bot{number}") for number in range(70)]
    assert free == [False] * 69 + [True]
    await closed(host)


def opened(store: Store) -> Callable[[], AbstractAsyncContextManager[Store]]:
    @asynccontextmanager
    async def make() -> AsyncIterator[Store]:
        yield store

    return make


class JumblingStore(MemoryStore):
    """A store whose claims wait now longer, now shorter, before and after they are decided."""

    number = 0

    async def claim(self, name: str, holder: str, *, limit: int, evict: bool) -> Claim:
        self.number += 1
        for _ in range(self.number * 7 % 5):
            await asyncio.sleep(0)
        claim = await super().claim(name, holder, limit=limit, evict=evict)
        for _ in range(self.number * 3 % 4):
            await asyncio.sleep(0)
        return claim


@pytest.mark.parametrize("limit", [1, 3])
async def test_exactly_as_many_get_in_as_may(limit: int) -> None:
    store = JumblingStore()
    await run_rounds(opened(store), opened(store), rounds=15, logins=50, limit=limit)


async def test_the_rounds_find_a_store_that_lets_too_many_in() -> None:
    class Guessing(MemoryStore):
        async def claim(self, name: str, holder: str, *, limit: int, evict: bool) -> Claim:
            return Claim(is_granted=True)

    store = Guessing()
    with pytest.raises(AssertionError, match="round 0: 6 of 6 logins got in, not 1"):
        await run_rounds(opened(store), opened(store), rounds=1, logins=6, limit=1)
