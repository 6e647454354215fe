"""The host: the features of one core, their sessions, and everything that happens to both.

It puts the parts together (plan, containment, book, crowd, inspectors) and knows no socket. `core.core` starts it and
asks it for an inspector per session; `core.features.folder` gives it features, and others while players play.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from core.features.api import Command, Event
from core.features.book import KeptBook
from core.features.containment import FAILED, Containment, Loaded, Watch
from core.features.crowd import Crowd
from core.features.inspector import Inspector
from core.features.kept import Scratch, account_key, character_key, session_key
from core.features.loader import connect, unload
from core.features.plan import Plan, make_plan
from core.features.ports import Bans
from core.features.relay import FeatureRelay
from core.features.session import Peer, Session
from core.store.protocol import Store
from games.pack import Codec, Pack
from games.packet import Direction
from games.players import Step
from games.rules import compile_rules
from tunnel.inspector import Line
from wire.errors import MisuseError, PacketFault, TidegateError
from wire.reasons import Reason
from wire.rules import RuleSet
from wire.watcher import Watcher

_log = structlog.get_logger("core.features")

ADMIT_SECONDS = 1.0
"""How long the store, and then each feature, may hold a login; then it goes on: who hangs is our trouble."""

MAX_PREFACE_BYTES = 4096

MAX_EVENTS = 1000
"""Events that may wait to be told; features that answer events by events would make more and more."""

EVENTS_AT_ONCE = 50

_CRASHES = frozenset({Reason.TUNNEL_LOST, Reason.DRAIN_DEADLINE, Reason.CORE_DRAINING, Reason.CORE_EXHAUSTED})
"""Ends that are not the player's: the session's state waits for them to come back."""


class FeatureHost:
    """One core's. ``malformed_passes`` says of an opcode whether frames that cannot be decoded go on serverbound."""

    def __init__(
        self,
        pack: Pack,
        dialect: str,
        store: Store,
        bans: Bans,
        *,
        charset: str = "latin-1",
        watch: Watch | None = None,
        budget_seconds: float = 0.005,
        malformed_passes: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.pack = pack
        self.codec: Codec | None = pack.codec(dialect) if pack.dialects else None
        self.charset = charset
        self.store = store
        self.bans = bans
        self.book = KeptBook(store)
        self.crowd = Crowd(store, lambda call: asyncio.get_running_loop().call_soon(call))
        self.containment = Containment(time.perf_counter_ns, self._taken_out, watch, budget_seconds=budget_seconds)
        self.operators: frozenset[str] = frozenset()
        self._gated_opcodes = {cls.OPCODE for cls in pack.follows if cls.DIRECTION is Direction.SERVERBOUND}
        self.cipher_opcodes = _cipher_opcodes(compile_rules(pack, dialect))
        self.malformed_frames: Counter[str] = Counter()  # by packet
        self.unsent_packets = 0
        self.lost_events = 0
        self._events: deque[Event] = deque()
        self.late_admissions = 0
        self.on_step: Callable[[str], None] = lambda _: None  # told the id of a session when its player comes further
        self._malformed_passes = malformed_passes
        self.plan: Plan = make_plan((), pack, self.codec, self.containment, self.cipher_opcodes)
        self._relays: dict[Loaded, FeatureRelay] = {}
        self._gates: set[asyncio.Task[Any]] = set()
        self._used: dict[str, list[tuple[str, str]]] = {}  # by session: what it uses of the book

    # Sessions.

    def open(self, line: Line, peer: Peer, watcher: Watcher | None) -> Inspector:
        """Begin a session; `preface` and then `opened` must follow, once the line knows its inspector.

        Raises MisuseError for an id that another session has.
        """
        if peer.session_id.hex() in self._used:
            raise MisuseError(f"session {peer.session_id.hex()} is there already")
        inspector = Inspector(self, line, peer, watcher)
        session = inspector.session
        self.crowd.add(session)
        self._used[session.id] = []
        self.book.begin_session(session.id)
        return inspector

    def preface(self, session: Session) -> bytes:
        """Return what the game server gets before anything else."""
        answers = self._ask_all("preface", session)
        if sum(map(len, answers)) > MAX_PREFACE_BYTES:
            _log.error("preface_too_long", session=session.id, limit_bytes=MAX_PREFACE_BYTES, action="none is sent")
            return b""
        return b"".join(answers)

    def opened(self, session: Session) -> None:
        """Tell the features of a session, which they may end at once."""
        self._tell_all("opened", session)

    def session_over(self, session: Session, reason: str) -> None:
        """A session has ended."""
        self._tell_all("closed", session, str(reason))
        self.crowd.remove(session)
        for relay in self._relays.values():
            relay.session_over(session)
        for scope, key in self._used.pop(session.id, ()):
            self._leave(scope, key)
        self.book.leave_session(session.id, is_orderly=reason not in _CRASHES)
        for loaded in self.plan.features:
            loaded.forget("session", session.id)

    def must_hold(self, session: Session, step: Step) -> bool:
        """Whether anything has to be awaited at this step."""
        if step is Step.LOGIN:
            must = bool(self.plan.with_hook("admits")) or self.book.has_scope("account", "session")
        else:
            must = self.book.has_scope("character")
        if not must:  # take note of who it is nevertheless: a feature that comes later may keep something for them
            self._note_use(session, step)
        return must

    async def admit(self, session: Session, step: Step) -> str | None:
        """Load what is kept and ask who must be asked; returns None, or the text of a refusal."""
        try:
            async with asyncio.timeout(ADMIT_SECONDS):
                await self._load_kept(session, step)
        except TimeoutError:
            self._late(session, "store")
        except TidegateError as error:
            _log.error("state_unread", session=session.id, reason=str(error), action="the login goes on")
        return await self._admitted(session) if step is Step.LOGIN else None

    def start_gate(self, gate: Coroutine[Any, Any, None]) -> None:
        """Run a gate of an inspector."""
        task = asyncio.create_task(gate, name="admission")
        self._gates.add(task)
        task.add_done_callback(self._gates.discard)

    def stepped(self, session: Session, step: Step) -> None:
        """A session has come to a step of the game."""
        match step:
            case Step.LOGGED_IN:
                self.book.prove_session(session_key(session), account_key(session))
                self._tell_all("logged_in", session)
                self.emit(_event("login", session, address=str(session.address)))
            case Step.ENTERED:
                self._tell_all("entered", session)
            case Step.CHANGED_MAP:
                self._tell_all("changed_map", session)
            case Step.LEFT:
                self._tell_all("left", session)
            case _:
                pass
        self.on_step(session.id)

    def malformed(self, session: Session, direction: Direction, opcode: int | None, fault: PacketFault) -> bool:
        """A frame that somebody asked for is not what its opcode promises; whether it may go on nevertheless.

        What a game server sends always goes on: its players knew it before us.
        """
        name = self._packet_name(direction, opcode)
        self.malformed_frames[name] += 1
        if self.malformed_frames[name] in (1, 10, 100, 1000) or self.malformed_frames[name] % 10_000 == 0:
            count = self.malformed_frames[name]
            _log.warning("packet_malformed", packet=name, session=session.id, detail=str(fault), count=count)
        if direction is Direction.CLIENTBOUND or opcode is None:
            return direction is Direction.CLIENTBOUND
        if opcode in self._gated_opcodes and self.plan.with_hook("admits"):
            return False  # a login that nobody can read must not be the way past those who decide about logins
        return self._malformed_passes(opcode)

    def broken(self, session: Session, error: Exception) -> None:
        """A mistake of the engine's own, which must be said in full."""
        _log.error("inspector_failed", session=session.id, exc_info=error)

    def unsent(self, session: Session, what: str) -> None:
        """Something a feature wanted to send could not be sent."""
        self.unsent_packets += 1
        _log.debug("packet_unsent", session=session.id, what=what)

    # Features.

    async def switch(self, features: Sequence[Loaded], operators: frozenset[str] = frozenset()) -> None:
        """Have these features from the next packet on, in this order.

        Features that run already and are given again go on as they are. What is kept is loaded before the switch.
        """
        fresh = [loaded for loaded in features if loaded not in self._relays]
        new_cells: list[str] = []
        for loaded in fresh:
            relay = FeatureRelay(self, loaded)
            self._relays[loaded] = relay
            new_cells += self.book.declare(connect(loaded, relay))
        if new_cells:
            try:
                await self.book.load_new(new_cells)
            except Exception as error:
                _log.error("state_unread", cells=", ".join(new_cells), reason=str(error)[:200])
        old = self.plan
        self.operators = operators
        self.plan = make_plan(features, self.pack, self.codec, self.containment, self.cipher_opcodes)
        for loaded in old.features:
            if loaded not in features:
                self._stop(loaded)
        for loaded in fresh:
            self.containment.run(loaded, loaded.feature.started)
            self._relays[loaded].start_clocks()

    def _stop(self, loaded: Loaded) -> None:
        self.containment.run(loaded, loaded.feature.stopped)
        relay = self._relays.pop(loaded, None)
        if relay is not None:
            relay.close()
        own = [value for cls in type(loaded.feature).__mro__ for value in vars(cls).values()]
        for scratch in [each for each in own if isinstance(each, Scratch)]:
            for session in self.crowd.here:
                scratch.drop(session)
        unload(loaded)

    def _taken_out(self, loaded: Loaded) -> None:
        """It may not come back for days: what it holds for players, or says of them, must not stay as long."""
        self.containment.run_last(loaded, loaded.feature.stopped)
        relay = self._relays.get(loaded)
        if relay is not None:
            relay.close()

    async def close(self) -> None:
        """Stop all features."""
        features = self.plan.features
        self.plan = Plan()
        for loaded in features:
            self._stop(loaded)
        for task in list(self._gates):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._gates, return_exceptions=True)
        self.book.close()
        self.crowd.close_bus()

    # What relays of features call.

    @property
    def commands(self) -> dict[str, Command]:
        """The chat commands of all features but those that are out."""
        out = {loaded.name for loaded in self.plan.features if loaded.is_out}
        return {name: each for name, each in self.plan.commands.items() if each.feature not in out}

    def emit(self, event: Event) -> None:
        """Tell all features that want to know, after what is going on now."""
        if not self.plan.with_hook("noticed"):
            return
        if len(self._events) >= MAX_EVENTS:
            self.lost_events += 1
            return
        if not self._events:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._events.append(event)

    def _deliver(self) -> None:
        """Tell some events, and the rest when the traffic had its turn."""
        for _ in range(min(EVENTS_AT_ONCE, len(self._events))):
            self._tell_all("noticed", self._events[0])
            self._events.popleft()
        if self._events:
            asyncio.get_running_loop().call_soon(self._deliver)

    # Parts.

    async def _load_kept(self, session: Session, step: Step) -> None:
        """Load what is kept of the account or character that a session has now."""
        scope, key = self._begin_use(session, step)
        if not key:
            return
        await self.book.use(scope, key)
        if step is Step.LOGIN and session.id in self._used:
            await self.book.look_for_session(session_key(session), key)

    def _note_use(self, session: Session, step: Step) -> None:
        """Do the same where nothing is kept."""
        scope, key = self._begin_use(session, step)
        if key:
            self.book.count_user(scope, key)

    def _begin_use(self, session: Session, step: Step) -> tuple[str, str]:
        """Note the account or character a session has now in place of the old; the key is empty where there is none."""
        used = self._used.get(session.id)
        is_login = step is Step.LOGIN
        scope, key = ("account", account_key(session)) if is_login else ("character", character_key(session))
        if used is None or not key:
            return scope, ""
        for old in [each for each in used if each[0] == scope]:
            used.remove(old)
            self._leave(*old)
        used.append((scope, key))
        return scope, key

    def _leave(self, scope: str, key: str) -> None:
        """A session needs what is kept under a key no more."""
        if self.book.leave(scope, key):
            for loaded in self.plan.features:
                loaded.forget(scope, key)

    async def _admitted(self, session: Session) -> str | None:
        """Ask the features in order; the first refusal counts, and one that does not answer speaks for itself only."""
        for loaded in self.plan.with_hook("admits"):
            asking = asyncio.create_task(self._ask_to_admit(loaded, session), name=f"admits-{loaded.name}")
            self._gates.add(asking)
            asking.add_done_callback(self._gates.discard)
            done, _ = await asyncio.wait({asking}, timeout=ADMIT_SECONDS)
            if not done:
                asking.cancel()
                self._late(session, loaded.name)
            elif not asking.cancelled() and (refusal := asking.result()) is not None:
                _log.info("login_refused", feature=loaded.name, session=session.id, account=session.account)
                return refusal
        return None

    async def _ask_to_admit(self, loaded: Loaded, session: Session) -> str | None:
        """Ask one feature; whatever it raises, or answers that is no text, counts and is taken for a yes."""
        task = asyncio.current_task()
        try:
            answer = await self.containment.steps(loaded, loaded.feature.admits(session))
        except BaseException as error:
            if task is not None and task.cancelling():
                raise
            self.containment.failed(loaded, "admits", error)
            return None
        if answer is not None and not isinstance(answer, str):
            self.containment.failed(loaded, "admits", f"admits returned {type(answer).__name__}, not a text")
            return None
        return answer

    def _late(self, session: Session, who: str) -> None:
        self.late_admissions += 1
        _log.warning("admission_late", session=session.id, who=who, after_seconds=ADMIT_SECONDS, action="it goes on")

    def _tell_all(self, hook: str, *arguments: object) -> None:
        for loaded in self.plan.with_hook(hook):
            self.containment.run(loaded, getattr(loaded.feature, hook), *arguments)

    def _ask_all(self, hook: str, session: Session) -> list[bytes]:
        answers = []
        for loaded in self.plan.with_hook(hook):
            answer = self.containment.run(loaded, getattr(loaded.feature, hook), session)
            if answer is not FAILED and not isinstance(answer, bytes):
                self.containment.failed(loaded, hook, f"{hook} returned {type(answer).__name__}, not bytes")
            elif answer is not FAILED:
                answers.append(answer)
        return answers

    def _packet_name(self, direction: Direction, opcode: int | None) -> str:
        if opcode is None or self.codec is None:
            return "frame"
        classes = self.codec.classes(direction, opcode)
        return classes[0].__name__ if classes else str(opcode)


def _cipher_opcodes(rules: RuleSet | None) -> frozenset[int]:
    """Return the clientbound opcodes after which a stream may be encrypted."""
    if rules is None or rules.opaque_state < 0:
        return frozenset()
    return frozenset(each.opcode for each in rules.triggers if each.next_state == rules.opaque_state)


def _event(kind: str, session: Session, **fields: str | float) -> Event:
    return Event(kind, dict(fields), session.account, session.character, session.region)
