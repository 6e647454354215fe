"""At most so many sessions per account, hardware address and address, across all cores.

A login becomes one of the holders of a name in the store (`Store.claim`), which counts for all cores in one step, so
that no race lets too many in. A claim's holder is the session's id and a number; it is given back when the session
ends, when the game server refuses the login, or when somebody else logs in on the same connection.

With ``refuse`` the claim is made while the login is held. With ``replace`` it is made when the game server has accepted
the password, because it ends the session of whoever came first: a name alone must not be enough for that.
"""

from __future__ import annotations

import asyncio
import hashlib
import weakref
from collections import Counter
from ipaddress import IPv6Address, ip_network
from typing import Literal

from pydantic import Field, field_validator

from core.features import Feature, Scratch, Session, Settings, command, handles
from core.features.kept import name_key
from core.store.protocol import MAX_HOLDERS
from games.pko.connection import LoginRefused

PREFIX = "oneclient:"

MAX_KEY_CHARACTERS = 200
"""A longer name stands as its hash: the store's names are short."""

IPV6_BITS = 64
"""One machine may use any address of a /64."""

MAX_SETTLING = 32
"""So many claims may be on their way beside the traffic at one time."""


class OneClientSettings(Settings):
    """Settings of `OneClient`."""

    per_account: int = Field(1, ge=0, le=MAX_HOLDERS, description="Sessions an account may have; 0 is no limit.")
    per_hardware: int = Field(
        0, ge=0, le=MAX_HOLDERS, description="Sessions a hardware address may have; 0 is no limit."
    )
    per_address: int = Field(
        0, ge=0, le=MAX_HOLDERS, description="Sessions an IPv4 address or IPv6 /64 may have; 0 is no limit."
    )
    policy: Literal["refuse", "replace", "replace_early"] = Field(
        "refuse",
        description="Whether a login that is too many is refused, or ends the oldest session: once the game server has "
        "accepted it, or already before.",
    )
    exempt_addresses: list[str] = Field(
        default_factory=list, max_length=1000, description="Addresses and prefixes whose sessions do not count."
    )
    exempt_accounts: list[str] = Field(
        default_factory=list, max_length=1000, description="Accounts whose sessions do not count."
    )
    account_text: str = Field("This account is in the game already.", max_length=200, description="Refusal by account.")
    hardware_text: str = Field(
        "Too many clients run on this machine.", max_length=200, description="Refusal by hardware address."
    )
    address_text: str = Field(
        "Too many players come from your address.", max_length=200, description="Refusal by address."
    )
    replaced_text: str = Field(
        "A newer login has taken your place.", max_length=200, description="What a player reads who is replaced."
    )

    @field_validator("exempt_addresses")
    @classmethod
    def _are_prefixes(cls, value: list[str]) -> list[str]:
        for each in value:
            ip_network(each)
        return value


class Held:
    """What one session claims: ``wanted`` has the limits by name, ``granted`` the holders."""

    __slots__ = ("generation", "granted", "is_over", "wanted")

    def __init__(self) -> None:
        self.wanted: dict[str, int] = {}
        self.granted: dict[str, str] = {}
        self.generation = 0  # so that a claim never meets a release of its own that is still queued
        self.is_over = False

    @property
    def lacks(self) -> bool:
        """Whether something wanted is not granted."""
        return any(name not in self.granted for name in self.wanted)


_HELD = Scratch(Held)
"""Not the feature's own, so that claims outlive its reload."""


class OneClient(Feature):
    """Counts sessions across all cores; see the module."""

    settings: OneClientSettings

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # refused and replaced, by what
        self._unsettled: dict[str, Session] = {}
        self._settling = 0
        self._is_stopped = False

    def started(self) -> None:
        """Take over the claims of the sessions that are here, or make them."""
        settings = self.settings
        self._prefixes = [ip_network(each) for each in settings.exempt_addresses]
        self._accounts = frozenset(name_key(each) for each in settings.exempt_accounts)
        self._texts = {
            "account": settings.account_text,
            "hardware": settings.hardware_text,
            "address": settings.address_text,
        }
        itself = weakref.ref(self)  # the store keeps what it is given for ever, and this must not outlive a reload

        def lost(name: str, holder: str) -> None:
            feature = itself()
            if feature is not None:
                feature._lost(name, holder)

        self.store.on_claim_lost(lost)
        for session in sorted(self.players.here, key=lambda each: each.since):
            if session.is_logged_in:
                self.logged_in(session)

    def stopped(self) -> None:
        """Give all claims back, unless another version of this feature takes them over."""
        self._is_stopped = True
        if "clients" in self.commands:  # those of the plan that comes next
            return
        for session in self.players.here:
            self._give_back(_HELD[session])

    async def admits(self, session: Session) -> str | None:
        """Claim a place for a login that is held; with ``replace`` that has time."""
        held = self._want(session)
        if self.settings.policy == "replace" or not held.lacks:
            return None
        try:
            return await self._claim(session, held)
        except asyncio.CancelledError:  # nobody waits any more, and the player goes in: the answer is still needed
            self._settle(session)
            raise

    def logged_in(self, session: Session) -> None:
        """Claim now what is not claimed yet."""
        if self._want(session).lacks:
            self._settle(session)

    @handles
    def refused(self, session: Session, packet: LoginRefused) -> None:
        """The game server has refused the login."""
        del packet
        self._give_back(_HELD[session])

    def closed(self, session: Session, reason: str) -> None:
        """Give back what the session held; what is on its way to it is given back when it comes."""
        del reason
        held = _HELD[session]
        held.is_over = True
        self._give_back(held)
        self._unsettled.pop(session.id, None)

    @command("clients", "how many logins were one too many", for_operators=True)
    def tell_counts(self, session: Session, words: str) -> str:
        """Say what has happened at this core."""
        del session, words
        held = sum(bool(_HELD[each].granted) for each in self.players.here)
        said = [f"{count} {what}" for what, count in sorted(self.counts.items())]
        return f"{held} sessions counted here; " + (", ".join(said) or "none refused or replaced")

    # Claims.

    def _want(self, session: Session) -> Held:
        """Find out what a session needs now, and give back what it needed as somebody else."""
        held = _HELD[session]
        held.wanted = {} if held.is_over else self._wanted(session)
        for name in [each for each in held.granted if each not in held.wanted]:
            self.store.release(name, held.granted.pop(name))
            held.generation += 1
        return held

    def _wanted(self, session: Session) -> dict[str, int]:
        player, settings = session.player, self.settings
        if name_key(player.account) in self._accounts or any(session.address in each for each in self._prefixes):
            return {}
        wanted = {
            _name("account", name_key(player.account)): settings.per_account if player.account else 0,
            _name("hardware", name_key(player.hardware_address)): (
                settings.per_hardware if player.hardware_address else 0
            ),
            _name("address", _machine(session)): settings.per_address,
        }
        return {name: limit for name, limit in wanted.items() if limit}

    async def _claim(self, session: Session, held: Held) -> str | None:
        """Claim what is lacking; return None, or the text of a refusal, and then nothing is held."""
        evict = self.settings.policy != "refuse"
        for name, limit in list(held.wanted.items()):
            if name in held.granted:
                continue
            holder = f"{session.id}:{held.generation}"
            claim = await self.store.claim(name, holder, limit=limit, evict=evict)
            for other in claim.evicted:
                self._replace(session, name, other)
            if held.is_over or name not in held.wanted:  # ended, or somebody else by now
                if claim.is_granted:
                    self.store.release(name, holder)
                return None
            if not claim.is_granted:
                self._give_back(held)
                return self._refuse(session, name)
            held.granted[name] = holder
        return None

    def _give_back(self, held: Held) -> None:
        held.wanted = {}
        for name, holder in held.granted.items():
            self.store.release(name, holder)
        held.granted.clear()
        held.generation += 1

    def _settle(self, session: Session) -> None:
        """Claim beside the traffic, and end the session if that is refused."""
        self._unsettled[session.id] = session
        if self._settling < MAX_SETTLING and not self._is_stopped:
            self._settling += 1
            self.spawn(self._settle_all(), "claims")

    async def _settle_all(self) -> None:
        try:
            while self._unsettled:
                session = self._unsettled.pop(next(iter(self._unsettled)))
                refusal = await self._claim(session, _HELD[session])
                if refusal is not None:
                    session.close(refusal)
        finally:
            self._settling -= 1

    # What becomes of players.

    def _refuse(self, session: Session, name: str) -> str:
        what = _what(name)
        self.counts[f"refused by {what}"] += 1
        self.emit("oneclient", session, action="refused", by=what)
        return self._texts[what]

    def _replace(self, session: Session, name: str, holder: str) -> None:
        session_id = holder.partition(":")[0]
        if session_id == session.id:
            return
        what = _what(name)
        self.counts[f"replaced by {what}"] += 1
        self.emit("oneclient", session, action="replaced", by=what, replaced=session_id)
        self.players.close(self.settings.replaced_text, session_id=session_id)

    def _lost(self, name: str, holder: str) -> None:
        """A claim does not hold: it was made while the store was away, or another core has evicted it."""
        session = self.players.find(session_id=holder.partition(":")[0])
        if self._is_stopped or not name.startswith(PREFIX) or session is None:
            return
        held = _HELD[session]
        if held.granted.get(name) == holder:
            del held.granted[name]
            self.counts["ended because a claim was lost"] += 1
            is_refused = self.settings.policy == "refuse"
            session.close(self._texts[_what(name)] if is_refused else self.settings.replaced_text)


def _name(what: str, key: str) -> str:
    """Return the name of a claim."""
    if len(key) > MAX_KEY_CHARACTERS:
        key = hashlib.sha256(key.encode()).hexdigest()
    return f"{PREFIX}{what}:{key}"


def _what(name: str) -> str:
    return name.removeprefix(PREFIX).partition(":")[0]


def _machine(session: Session) -> str:
    address = session.address
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((int(address), IPV6_BITS), strict=False))
        address = address.ipv4_mapped
    return str(address)
