"""What the log says about refusals: enough to act on, and never more than a flood may cost.

A `RefusalLog` per process writes at most one line a second and reason, whoever it is about. Each session that had
frames refused has a `SessionRefusals`, which remembers the last of them and says so in one line when the session
ends. ``tidegate why`` reads both. Counting is done elsewhere (`tunnel.counters`); nothing here decides anything.

==================  =================================================================================
event               fields
==================  =================================================================================
refused             ``reason``, then what `RefusalLog.note` was given; ``suppressed``: how many of that
                    reason were not shown since the last line of it
session_refusals    ``session``, ``client``, ``open_seconds``, ``reason`` it ended for, ``refusals`` it
                    had, the last of them as ``refusal_1`` …; ``sessions_not_shown`` since the last line
==================  =================================================================================
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from wire.explain import Explanation, explain_frame
from wire.guard import Refusal
from wire.reasons import Reason, explain
from wire.rules import RuleSet
from wire.wording import show_name

_log = structlog.get_logger("edge.refusals")

LINE_SECONDS = 1.0
MAX_REMEMBERED = 8
"""Refusals that a session remembers, about 6 KiB."""

MAX_SHOWN_BYTES = 32
MAX_ENTRY_CHARACTERS = 500
"""Of one remembered refusal in the log, which cuts every value at 512."""

MAX_EXPLANATIONS_PER_SECOND = 200
MAX_EXPLAINING_SECONDS = 0.02
"""Of each second. Explaining takes 20 to 150 µs for an ordinary frame, and a flood must not make it the main work."""

_SESSIONS = "session_refusals"
_OURS = frozenset(reason.value for reason in Reason)


@dataclass(slots=True)
class _Shown:
    at_seconds: float
    suppressed: int = 0


class RefusalLog:
    """One per process; ``clock`` counts seconds, never backwards. Call `tick` once a second and `close` at the end."""

    __slots__ = ("_clock", "_explained", "_explained_since", "_explaining_seconds", "_shown")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._shown: dict[str, _Shown] = {}  # one for each reason there is
        self._explained = 0  # how many, and in what time, since then
        self._explaining_seconds = 0.0
        self._explained_since = clock()

    def note(self, reason: str, **fields: object) -> None:
        """Say that something was refused, unless that reason has had its line of this second."""
        reason = str(reason) if reason in _OURS else "other"
        suppressed = self._take(reason)
        if suppressed is not None:
            _log.info("refused", reason=reason, **fields, **_if_any(suppressed=suppressed))

    def note_session(self, **fields: object) -> None:
        """Say what was refused of a session that has ended, unless another session has had this second's line."""
        not_shown = self._take(_SESSIONS)
        if not_shown is not None:
            _log.info(_SESSIONS, **fields, **_if_any(sessions_not_shown=not_shown))

    def explain(self, rules: RuleSet, refusal: Refusal, *, is_opaque: bool) -> Explanation:
        """Explain a refusal by the rules it was refused by, or in general terms where this second has no time left."""
        now = self._clock()
        if now - self._explained_since >= 1:
            self._explained_since = now
            self._explained = 0
            self._explaining_seconds = 0.0
        if self._explained >= MAX_EXPLANATIONS_PER_SECOND or self._explaining_seconds >= MAX_EXPLAINING_SECONDS:
            return _unexplained(refusal)
        explanation = explain_frame(
            rules, refusal.reason, refusal.frame, frame_bytes=refusal.frame_bytes, is_opaque=is_opaque
        )
        self._explained += 1
        self._explaining_seconds += self._clock() - now
        return explanation

    def tick(self, now: float) -> None:
        """Say how many were suppressed where no further line has come to say so."""
        for kind, shown in self._shown.items():
            if shown.suppressed and now - shown.at_seconds >= LINE_SECONDS:
                shown.at_seconds = now
                self._say_suppressed(kind, shown)

    def close(self) -> None:
        """Say at once what `tick` would say later; the process ends."""
        for kind, shown in self._shown.items():
            if shown.suppressed:
                self._say_suppressed(kind, shown)

    def _take(self, kind: str) -> int | None:
        """Return how many of a kind were suppressed before this one, or None when this one is to be, too."""
        now = self._clock()
        shown = self._shown.get(kind)
        if shown is None:
            self._shown[kind] = _Shown(now)
            return 0
        if now - shown.at_seconds < LINE_SECONDS:
            shown.suppressed += 1
            return None
        shown.at_seconds = now
        suppressed, shown.suppressed = shown.suppressed, 0
        return suppressed

    @staticmethod
    def _say_suppressed(kind: str, shown: _Shown) -> None:
        suppressed, shown.suppressed = shown.suppressed, 0
        if kind == _SESSIONS:
            _log.info(_SESSIONS, sessions_not_shown=suppressed)
        else:
            _log.info("refused", reason=kind, suppressed=suppressed)


@dataclass(frozen=True, slots=True)
class _Remembered:
    number: int
    at_seconds: float
    reason: str
    explanation: Explanation
    shown_bytes: bytes
    frame_bytes: int
    is_audit: bool


class SessionRefusals:
    """One session's; make it when the session's first frame is refused, as few sessions ever have one."""

    __slots__ = ("_client", "_last", "_log", "_session", "count")

    def __init__(self, log: RefusalLog, session: str, client: str) -> None:
        """``session`` is the session's id in hex, ``client`` the player's address."""
        self._log = log
        self._session = session
        self._client = client
        self._last: deque[_Remembered] = deque(maxlen=MAX_REMEMBERED)
        self.count = 0

    def note(self, now: float, rules: RuleSet, refusal: Refusal, *, is_opaque: bool = False) -> None:
        """Remember a refusal, explained by the rules it was refused by, and log it."""
        self.count += 1
        explanation = self._log.explain(rules, refusal, is_opaque=is_opaque)
        remembered = _Remembered(
            number=self.count,
            at_seconds=now,
            reason=str(refusal.reason),
            explanation=explanation,
            shown_bytes=b"" if explanation.has_secrets else bytes(refusal.frame[:MAX_SHOWN_BYTES]),
            frame_bytes=refusal.frame_bytes,
            is_audit=refusal.is_audit,
        )
        self._last.append(remembered)
        fields = _describe(remembered)
        del fields["reason"]
        self._log.note(refusal.reason, session=self._session, client=self._client, **fields)

    def skip(self, count: int) -> None:
        """Count refusals of which nothing was kept."""
        self.count += count

    def end(self, now: float, reason: str, *, open_seconds: float) -> None:
        """The session has ended for ``reason``: log what is remembered."""
        entries = {
            f"refusal_{place}": _as_entry(remembered, now) for place, remembered in enumerate(self._last, start=1)
        }
        self._log.note_session(
            session=self._session,
            client=self._client,
            open_seconds=round(open_seconds, 3),
            reason=str(reason),
            refusals=self.count,
            **entries,
        )


def _unexplained(refusal: Refusal) -> Explanation:
    """Stand in for an explanation there is no time for; nothing is known of secrets, so no bytes are shown."""
    text = explain(refusal.reason)
    return Explanation(
        rule=show_name(refusal.rule), opcode=None, fields=(), offset_bytes=None, text=text, has_secrets=True
    )


def _describe(remembered: _Remembered) -> dict[str, object]:
    """Return what is known as log fields, without those that are empty."""
    explanation = remembered.explanation
    fields = _if_any(
        number=remembered.number,
        reason=remembered.reason,
        audit=remembered.is_audit,
        rule=explanation.rule,
        detail=explanation.text,
        frame_bytes=remembered.frame_bytes,
        hex=remembered.shown_bytes.hex(),
        fields=explanation.describe_fields(),
    )
    if explanation.opcode is not None:
        fields["opcode"] = explanation.opcode
    if explanation.offset_bytes is not None:
        fields["offset"] = explanation.offset_bytes
    return fields


def _as_entry(remembered: _Remembered, now: float) -> str:
    """Return a remembered refusal as ``key=value`` texts with two spaces between them, as lines of text logs are."""
    described = {"seconds_before": round(now - remembered.at_seconds, 3), **_describe(remembered)}
    parts = [f"{key}={_quote(value)}" for key, value in described.items() if key not in ("hex", "fields")]
    entry = "  ".join(parts)
    for key in ("hex", "fields"):  # what matters least gives way
        if key in described:
            longer = f"{entry}  {key}={_quote(described[key])}"
            entry = longer if len(longer) <= MAX_ENTRY_CHARACTERS else entry
    return entry


def _quote(value: object) -> str:
    text = str(value)
    return json.dumps(text) if " " in text or '"' in text or not text else text


def _if_any(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}
