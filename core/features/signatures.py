"""Reads a feature's class: which packets its handlers get, which commands and clocks it has; and finds what is wrong.

Called when a feature is loaded, so that a mistake is said then, with file and line, and not when a packet comes.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from core.features.api import COMMAND, EVERY, HANDLES, HANDLES_OPCODE, Feature, OpcodeWish, RawPacket, Settings
from core.features.errors import FeatureError, Place
from core.features.session import Session
from games.pack import Codec
from games.packet import Direction, Packet
from wire.interest import Selector

_RIGHT = "write  def NAME(self, session: Session, packet: Say) -> Verdict:"
_RIGHT_OPCODE = "write  def NAME(self, session: Session, packet: RawPacket) -> Verdict:"
_RIGHT_COMMAND = "write  def NAME(self, session: Session, words: str) -> str | None:"
_MARKS = (HANDLES, HANDLES_OPCODE, COMMAND, EVERY)
_HOOKS = ("started", "stopped", "preface", "opened", "logged_in", "entered", "changed_map", "left", "closed", "noticed")

MIN_EVERY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class HandlerMark:
    """A handler: the method's name, and what it wants; ``cls`` is None for one that takes the bytes as they are."""

    method: str
    direction: Direction
    opcode: int
    cls: type[Packet] | None
    only: Selector | None = None


@dataclass(frozen=True, slots=True)
class CommandMark:
    """A chat command."""

    method: str
    name: str
    help: str
    for_operators: bool


@dataclass(frozen=True, slots=True)
class EveryMark:
    """A method that is called again and again."""

    method: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Signature:
    """What a feature's class says. ``hooks`` are the names of those it overrides."""

    settings: type[Settings]
    handlers: tuple[HandlerMark, ...]
    commands: tuple[CommandMark, ...]
    clocks: tuple[EveryMark, ...]
    hooks: frozenset[str]


def read_signature(cls: type[Feature], codec: Codec | None, game: str) -> Signature:
    """Read a class; ``codec`` is None for a game without packets. Raises FeatureError with the first mistake."""
    handlers: list[HandlerMark] = []
    commands: list[CommandMark] = []
    clocks: list[EveryMark] = []
    for name, method in _methods(cls):
        if getattr(method, HANDLES, False):
            handlers += _handler(cls, name, method, codec, game)
        wish: OpcodeWish | None = getattr(method, HANDLES_OPCODE, None)
        if wish is not None and wish.game in ("", game):
            handlers.append(_opcode_handler(cls, name, method, codec, game, wish))
        if (told := getattr(method, COMMAND, None)) is not None:
            commands.append(_command(cls, name, method, told))
        if (seconds := getattr(method, EVERY, None)) is not None:
            clocks.append(_clock(cls, name, method, seconds))
    _check_hooks(cls)
    hooks = frozenset(name for name in (*_HOOKS, "admits") if getattr(cls, name) is not getattr(Feature, name))
    return Signature(_settings(cls), tuple(handlers), tuple(commands), tuple(clocks), hooks)


def place_of(thing: Any) -> Place:
    """Return where a class or a function is written."""
    try:
        file = inspect.getsourcefile(thing) or "?"
        return Place(file, inspect.getsourcelines(thing)[1])
    except (OSError, TypeError):
        return Place(getattr(thing, "__module__", "?"))


def _methods(cls: type[Feature]) -> Iterator[tuple[str, Callable[..., Any]]]:
    found: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        if each not in (Feature, object):
            found.update(vars(each))
    for name, value in found.items():
        if isinstance(value, types.FunctionType):
            yield name, value
        elif isinstance(value, staticmethod | classmethod) and any(hasattr(value.__func__, mark) for mark in _MARKS):
            raise _mistake(cls, value.__func__, f"{name} must be a plain method: {_RIGHT}")


def _handler(
    cls: type[Feature], name: str, method: Callable[..., Any], codec: Codec | None, game: str
) -> Iterator[HandlerMark]:
    annotation = _packet_annotation(cls, name, method, _RIGHT)
    for wanted in _members(annotation):
        if not (isinstance(wanted, type) and issubclass(wanted, Packet) and wanted.OPCODE):
            shown = getattr(wanted, "__name__", str(wanted))
            raise _mistake(cls, method, f"{name} wants {shown}, which is no packet class with an opcode: {_RIGHT}")
        if codec is None or wanted not in codec.classes(wanted.DIRECTION, wanted.OPCODE):
            dialect = "" if codec is None else f" ({codec.dialect.name})"
            raise _mistake(
                cls, method, f"{name} wants {wanted.__name__}, which is no packet of the game {game}{dialect}"
            )
        yield HandlerMark(name, wanted.DIRECTION, wanted.OPCODE, wanted)


def _opcode_handler(
    cls: type[Feature], name: str, method: Callable[..., Any], codec: Codec | None, game: str, wish: OpcodeWish
) -> HandlerMark:
    annotation = _packet_annotation(cls, name, method, _RIGHT_OPCODE)
    if annotation is not RawPacket:
        raise _mistake(cls, method, f"{name} is called with a RawPacket: {_RIGHT_OPCODE}")
    opcode, direction = wish.opcode, wish.direction
    if not isinstance(direction, Direction) or not isinstance(opcode, int):
        raise _mistake(cls, method, f"{name}: write @handles_opcode(6412, Direction.SERVERBOUND)")
    if codec is None:
        raise _mistake(cls, method, f"{name} wants opcode {opcode}, and the game {game} has no opcodes")
    width = codec.dialect.envelope(direction).opcode_width_bytes
    if not 0 <= opcode < 1 << 8 * width:
        raise _mistake(cls, method, f"{name} wants opcode {opcode}: 0 to {(1 << 8 * width) - 1} are possible")
    if wish.only is not None and not (0 <= wish.only.offset_bytes <= 65535 and 1 <= wish.only.width_bytes <= 4):
        raise _mistake(cls, method, f"{name}: a selector has 1 to 4 bytes")
    return HandlerMark(name, direction, opcode, None, wish.only)


def _command(cls: type[Feature], name: str, method: Callable[..., Any], told: Any) -> CommandMark:
    word, help_text, for_operators = told
    hints = _hints(cls, name, method, _RIGHT_COMMAND)
    _check_count(cls, name, method, 3, _RIGHT_COMMAND)
    words = list(inspect.signature(method).parameters)[2]
    if hints.get(words, str) is not str or inspect.iscoroutinefunction(method):
        raise _mistake(cls, method, f"{name} is a command: {_RIGHT_COMMAND}")
    if not (isinstance(word, str) and word.isascii() and word.isalnum() and word == word.lower()):
        raise _mistake(cls, method, f"the command {word!r}: its name is made of small letters and digits")
    return CommandMark(name, word, str(help_text), bool(for_operators))


def _clock(cls: type[Feature], name: str, method: Callable[..., Any], seconds: Any) -> EveryMark:
    _check_count(cls, name, method, 1, "write  def NAME(self) -> None:")
    if not isinstance(seconds, int | float) or not MIN_EVERY_SECONDS <= seconds <= 86400:
        raise _mistake(cls, method, f"{name}: every({seconds!r}): {MIN_EVERY_SECONDS:g} to 86400 seconds are possible")
    if inspect.iscoroutinefunction(method):
        raise _mistake(cls, method, f"{name} must be a plain function; start what waits with self.spawn(…)")
    return EveryMark(name, float(seconds))


def _packet_annotation(cls: type[Feature], name: str, method: Callable[..., Any], right: str) -> Any:
    _check_count(cls, name, method, 3, right)
    if inspect.iscoroutinefunction(method) or inspect.isgeneratorfunction(method):
        raise _mistake(
            cls, method, f"{name} must be a plain function: traffic waits for it; use self.spawn for what waits"
        )
    hints = _hints(cls, name, method, right)
    session, packet = list(inspect.signature(method).parameters)[1:3]
    if hints.get(session, Session) is not Session:
        raise _mistake(cls, method, f"{name} gets a Session first: {right}")
    if packet not in hints:
        raise _mistake(cls, method, f"{name} does not say which packets it wants: {right}")
    return hints[packet]


def _hints(cls: type[Feature], name: str, method: Callable[..., Any], right: str) -> dict[str, Any]:
    try:
        return get_type_hints(method)
    except NameError as error:
        raise _mistake(cls, method, f"{name}: {error}; import it, outside of TYPE_CHECKING") from error
    except Exception as error:
        raise _mistake(cls, method, f"{name}: its annotations cannot be read ({error}): {right}") from error


def _check_count(cls: type[Feature], name: str, method: Callable[..., Any], count: int, right: str) -> None:
    parameters = inspect.signature(method).parameters.values()
    needed = [each for each in parameters if each.default is each.empty]
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(positional) < count or len(needed) > count:
        raise _mistake(
            cls, method, f"{name} takes {max(len(positional), len(needed))} arguments where {count} are given: {right}"
        )


def _check_hooks(cls: type[Feature]) -> None:
    for name in (*_HOOKS, "admits"):
        method, original = getattr(cls, name), getattr(Feature, name)
        if method is original:
            continue
        if not isinstance(method, types.FunctionType):
            wanted_text = f"{name}{inspect.signature(original)}"
            raise FeatureError(place_of(cls), f"{cls.__name__}.{name} is no method; write  def {wanted_text}:")
        if inspect.iscoroutinefunction(method) != inspect.iscoroutinefunction(original):
            word = "async def" if name == "admits" else "def, not async def"
            raise _mistake(cls, method, f"{name} must be a {word}")
        wanted = inspect.signature(original)
        _check_count(cls, name, method, len(wanted.parameters), f"write  def {name}{wanted}:")


def _settings(cls: type[Feature]) -> type[Settings]:
    try:
        wanted = get_type_hints(cls).get("settings", Settings)
    except Exception as error:
        raise FeatureError(place_of(cls), f"the annotations of {cls.__name__} cannot be read: {error}") from error
    if not (isinstance(wanted, type) and issubclass(wanted, Settings)):
        raise FeatureError(place_of(cls), f"settings of {cls.__name__}: name a class that is derived from Settings")
    return wanted


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _mistake(cls: type[Feature], method: Any, text: str) -> FeatureError:
    return FeatureError(place_of(method), f"{cls.__name__}.{text}")
