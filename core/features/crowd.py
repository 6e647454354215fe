"""The crowd: the sessions of this core, and messages to players of all cores.

A message names its audience and what is to be done; every core hears it through the store and does it to its own
sessions.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import structlog

from core.features.api import RawPacket
from core.features.errors import describe_error
from core.features.ports import Audience
from core.features.session import Session
from core.store.protocol import MAX_VALUE_BYTES, Store
from games.packet import Direction, Packet
from wire.errors import MisuseError

_log = structlog.get_logger("core.features")

TOPIC = "players"


AT_ONCE = 50
"""Sessions that are dealt with in one go; with thousands of players traffic goes on between."""


class Crowd:
    """See `core.features.ports.Players`. ``later`` has something called when the traffic had its turn."""

    def __init__(self, store: Store, later: Callable[[Callable[[], None]], object] = lambda call: call()) -> None:
        self._store = store
        self._later = later
        self._sessions: dict[str, Session] = {}
        self._stop = store.subscribe(TOPIC, self._told)

    def close_bus(self) -> None:
        """Hear no more messages."""
        self._stop()

    @property
    def here(self) -> Iterable[Session]:
        """The sessions of this core, as they are now."""
        return tuple(self._sessions.values())

    def add(self, session: Session) -> None:
        """A session began."""
        self._sessions[session.id] = session

    def remove(self, session: Session) -> None:
        """A session is over."""
        self._sessions.pop(session.id, None)

    def find(self, *, account: str = "", character: str = "", session_id: str = "") -> Session | None:
        """Return a session of this core that fits, or None."""
        return next(self._fitting(Audience(account, character, "", session_id)), None)

    def tell(
        self, text: str | bytes, *, account: str = "", character: str = "", region: str = "", popup: bool = False
    ) -> None:
        """Show a text to the players of all cores that fit, to all without a condition."""
        shown: dict[str, object] = {"raw": _packed(text)} if isinstance(text, bytes) else {"text": text}
        self._publish("popup" if popup else "tell", Audience(account, character, region), shown)

    def send(self, packet: Packet | RawPacket, *, account: str = "", character: str = "", region: str = "") -> None:
        """Send a clientbound packet to the players of all cores that fit."""
        raw = packet if isinstance(packet, RawPacket) else RawPacket(packet.OPCODE, packet.encode(), packet.DIRECTION)
        if raw.direction is not Direction.CLIENTBOUND:
            raise MisuseError("only packets for players can be sent to more than one session")
        self._publish("send", Audience(account, character, region), {"opcode": raw.opcode, "raw": _packed(raw.body)})

    def close(self, text: str, *, account: str = "", character: str = "", session_id: str = "") -> None:
        """End the sessions of all cores that fit."""
        audience = Audience(account, character, "", session_id)
        if audience == Audience():
            raise MisuseError("name an account, a character or a session to close: this is not for all players")
        self._publish("close", audience, {"text": text})

    def _publish(self, what: str, audience: Audience, fields: dict[str, object]) -> None:
        message = json.dumps({"do": what, "to": asdict(audience), **fields}).encode()
        if len(message) > MAX_VALUE_BYTES:
            raise MisuseError(f"message of {len(message)} bytes: at most {MAX_VALUE_BYTES} are possible")
        self._store.publish(TOPIC, message)

    def _told(self, message: bytes) -> None:
        try:
            fields = json.loads(message)
            audience = _read_audience(fields["to"])
            act = _read_act(fields)
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            _log.error("message_unreadable", topic=TOPIC, reason=describe_error(error)[:200])
            return
        self._do_all(list(self._fitting(audience)), act)

    def _do_all(self, sessions: list[Session], act: Callable[[Session], object]) -> None:
        for session in sessions[:AT_ONCE]:
            try:
                act(session)
            except Exception as error:
                _log.error("player_untold", session=session.id, reason=describe_error(error)[:200])
        if len(sessions) > AT_ONCE:
            self._later(lambda: self._do_all(sessions[AT_ONCE:], act))

    def _fitting(self, audience: Audience) -> Iterator[Session]:
        if audience.session_id:
            found = self._sessions.get(audience.session_id)
            candidates: Iterable[Session] = () if found is None else (found,)
        else:
            candidates = self._sessions.values()
        account, character = audience.account.lower(), audience.character.lower()
        is_for_all = not (account or character or audience.session_id)
        for session in candidates:
            if is_for_all and not session.is_in_game:
                continue  # at the login there is nowhere to show it
            if (
                (not account or session.account.lower() == account)
                and (not character or session.character.lower() == character)
                and (not audience.region or session.region == audience.region)
            ):
                yield session


def _read_audience(fields: Any) -> Audience:
    """Check whom a message is for; raises ValueError, TypeError."""
    audience = Audience(**fields)
    if not all(isinstance(value, str) for value in asdict(audience).values()):
        raise TypeError("whom it is for is said in texts")
    return audience


def _read_act(fields: Any) -> Callable[[Session], object]:
    """Return what a message wants done to each session; raises ValueError, TypeError, KeyError, OverflowError."""
    what = fields["do"]
    text: str | bytes = base64.b64decode(fields["raw"], validate=True) if "raw" in fields else str(fields["text"])
    if what == "tell":
        return lambda session: session.tell(text)
    if what == "popup":
        return lambda session: session.popup(text)
    if what == "close":
        return lambda session: session.close(text)
    if what == "send" and isinstance(text, bytes):
        packet = RawPacket(int(fields["opcode"]), text, Direction.CLIENTBOUND)
        return lambda session: session.send(packet)
    raise ValueError(f"nobody knows how to {str(what)[:40]!r}")


def _packed(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
