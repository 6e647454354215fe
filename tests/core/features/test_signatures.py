"""What a feature's class says, and what is said about one that is wrong: the place, and what would be right."""

from pathlib import Path

import pytest

from core.features import Direction, Feature, RawPacket, Session, Settings, Verdict, command, every, handles
from core.features import handles_opcode as opcode
from core.features.errors import FeatureError, Place
from core.features.folder import FeatureFolder
from core.features.loader import Source, load_class
from core.features.signatures import Signature, read_signature
from games.pko.chat import Said, Say, Whisper
from games.pko.connection import LoginHashed
from games.registry import load_pack

PACK = load_pack("pko")
CODEC = PACK.codec("classic")

HEAD = """\
from __future__ import annotations
from typing import TYPE_CHECKING, Any
from core.features import *
from core.features import Direction
from games.packet import Packet
from games.pko.chat import Say, Said, Whisper
from games.pko.connection import LoginHashed
"""
BEGIN = len(HEAD.splitlines()) + 2  # the line behind "class Wrong(Feature):"

HANDLER = "session: Session, packet: Say) -> Verdict:"
COMMAND = "session: Session, words: str) -> str | None:"
WRONG: dict[str, tuple[str, str, str]] = {
    "a coroutine": (
        "@handles\nasync def said(self, session: Session, packet: Say): ...",
        "plain function",
        "self.spawn",
    ),
    "no annotation": ("@handles\ndef said(self, session, packet): ...", "does not say which packets", HANDLER),
    "no packet": ("@handles\ndef said(self, session: Session): ...", "takes 2 arguments where 3 are given", HANDLER),
    "too much": ("@handles\ndef said(self, session: Session, packet: Say, x): ...", "takes 4 arguments", HANDLER),
    "a keyword too much": (
        "@handles\ndef said(self, session: Session, packet: Say, *, x): ...",
        "takes 4 arguments",
        HANDLER,
    ),
    "the wrong order": (
        "@handles\ndef said(self, packet: Say, session: Session): ...",
        "gets a Session first",
        HANDLER,
    ),
    "no packet class": ("@handles\ndef said(self, session: Session, packet: str): ...", "wants str", HANDLER),
    "a packet or nothing": ("@handles\ndef said(self, session: Session, packet: Say | None): ...", "NoneType", HANDLER),
    "the base of packets": ("@handles\ndef said(self, session: Session, packet: Packet): ...", "wants Packet", HANDLER),
    "anything": ("@handles\ndef said(self, session: Session, packet: Any): ...", "no packet class", HANDLER),
    "raw bytes": ("@handles\ndef said(self, session: Session, packet: RawPacket): ...", "RawPacket", HANDLER),
    "an unknown type": (
        "@handles\ndef said(self, session: Session, packet: Sey): ...",
        "'Sey' is not defined",
        "import",
    ),
    "another dialect's packet": (
        "@handles\ndef said(self, session: Session, packet: LoginHashed): ...",
        "LoginHashed, which is no packet of the game pko",
        "classic",
    ),
    "a generator": (
        "@handles\ndef said(self, session: Session, packet: Say):\n    yield packet",
        "said",
        "plain function",
    ),
    "a static method": (
        "@staticmethod\n@handles\ndef said(session: Session, packet: Say): ...",
        "said",
        HANDLER,
    ),
    "an opcode's handler with a packet class": (
        "@handles_opcode(1, Direction.SERVERBOUND)\ndef vip(self, session: Session, packet: Say): ...",
        "called with a RawPacket",
        "packet: RawPacket)",
    ),
    "an opcode out of bounds": (
        "@handles_opcode(65536, Direction.SERVERBOUND)\ndef vip(self, session: Session, packet: RawPacket): ...",
        "opcode 65536",
        "0 to 65535",
    ),
    "an opcode below": (
        "@handles_opcode(-1, Direction.SERVERBOUND)\ndef vip(self, session: Session, packet: RawPacket): ...",
        "opcode -1",
        "0 to 65535",
    ),
    "an opcode without direction": (
        "@handles_opcode(1, None)\ndef vip(self, session: Session, packet: RawPacket): ...",
        "vip",
        "@handles_opcode(6412, Direction.SERVERBOUND)",
    ),
    "a command with a blank": (
        '@command("a b", "x")\ndef x(self, session: Session, words: str): ...',
        "'a b'",
        "small letters",
    ),
    "a command in capitals": (
        '@command("Ping", "x")\ndef x(self, session: Session, words: str): ...',
        "'Ping'",
        "small letters",
    ),
    "a command without name": (
        '@command("", "x")\ndef x(self, session: Session, words: str): ...',
        "''",
        "small letters",
    ),
    "a command without words": ('@command("x", "x")\ndef x(self, session: Session): ...', "takes 2 arguments", COMMAND),
    "a command that waits": (
        '@command("x", "x")\nasync def x(self, session: Session, words: str): ...',
        "is a command",
        COMMAND,
    ),
    "words that are none": (
        '@command("x", "x")\ndef x(self, session: Session, words: int): ...',
        "is a command",
        COMMAND,
    ),
    "words that are none under another name": (
        '@command("x", "x")\ndef x(self, session: Session, given: int): ...',
        "is a command",
        COMMAND,
    ),
    "a clock too fast": ("@every(0.01)\ndef tick(self): ...", "every(0.01)", "0.05 to 86400"),
    "a clock that never rings": ("@every(float('inf'))\ndef tick(self): ...", "every(inf)", "0.05 to 86400"),
    "a clock without number": ("@every(float('nan'))\ndef tick(self): ...", "every(nan)", "0.05 to 86400"),
    "a clock with a text": ("@every('1')\ndef tick(self): ...", "every('1')", "0.05 to 86400"),
    "a clock with a session": (
        "@every(1)\ndef tick(self, session: Session): ...",
        "takes 2 arguments",
        "def NAME(self)",
    ),
    "a clock that waits": ("@every(1)\nasync def tick(self): ...", "plain function", "self.spawn"),
    "a hook that waits": ("async def opened(self, session): ...", "opened must be a def, not async def", "def"),
    "a gate that does not wait": ("def admits(self, session): ...", "admits must be a async def", "async def"),
    "a hook with too little": ("def closed(self, session): ...", "takes 2 arguments where 3 are given", "reason"),
    "a hook that is a number": ("left = 0", "left", "def"),
    "a hook that is state": ("entered = Scratch(list)", "entered", "def"),
    "settings of the wrong kind": ("settings: dict[str, int]", "settings", "derived from Settings"),
    "settings that are not there": ("settings: Missing", "'Missing' is not defined", "annotations"),
    "state that is no dataclass": ("kept = PerAccount(dict)", "dict is no dataclass", "@dataclass(frozen=True)"),
}


@pytest.mark.parametrize(("body", "wrong", "right"), WRONG.values(), ids=WRONG)
def test_a_wrong_feature_is_refused_with_file_and_line(tmp_path: Path, body: str, wrong: str, right: str) -> None:
    file = tmp_path / "wrong.py"
    lines = "\n".join("    " + line for line in body.splitlines())
    file.write_text(f"{HEAD}class Wrong(Feature):\n{lines}\n")
    with pytest.raises(FeatureError) as caught:
        read_signature(load_class(Source("wrong", file, {}, Place("x"))), CODEC, "pko")
    text = str(caught.value)
    assert text.startswith(f"{file}:")
    last = BEGIN + len(body.splitlines())
    assert BEGIN - 1 <= caught.value.place.line <= last
    assert wrong in text
    assert right in text


@pytest.mark.parametrize("body", [row[0] for row in WRONG.values()], ids=WRONG)
async def test_a_folder_takes_none_of_them_and_says_so(tmp_path: Path, body: str) -> None:
    lines = "\n".join("    " + line for line in body.splitlines())
    (tmp_path / "wrong.py").write_text(f"{HEAD}class Wrong(Feature):\n{lines}\n")
    loading = await FeatureFolder(tmp_path, PACK, CODEC).load()
    assert (loading.features, len(loading.mistakes)) == ((), 1)


class SomeSettings(Settings):
    number: int = 1


class Base(Feature):
    @handles
    def said(self, session: Session, packet: Say) -> None: ...

    @every(5)
    def tick(self) -> None: ...

    def opened(self, session: Session) -> None: ...


class Right(Base):
    settings: SomeSettings

    @handles
    def several(self, session: Session, packet: Whisper | Said) -> Verdict:
        return None

    @opcode(6412, Direction.CLIENTBOUND)
    def raw(self, session: Session, packet: RawPacket) -> Verdict:
        return None

    @command("ping", "how late it is", for_operators=True)
    def ping(self, session: Session, words: str) -> str | None:
        return None

    @handles
    def unannotated_session(self, session, packet: "Say", more: int = 0):  # type: ignore[no-untyped-def]
        return None

    async def admits(self, session: Session) -> str | None:
        return None

    def closed(self, session: Session, reason: str, more: int = 0) -> None: ...


def signature() -> Signature:
    return read_signature(Right, CODEC, "pko")


def test_handlers_of_a_class_and_its_base() -> None:
    found = {(mark.method, mark.direction, mark.opcode, mark.cls) for mark in signature().handlers}
    assert found == {
        ("said", Direction.SERVERBOUND, 1, Say),
        ("several", Direction.SERVERBOUND, 6403, Whisper),
        ("several", Direction.CLIENTBOUND, 501, Said),
        ("raw", Direction.CLIENTBOUND, 6412, None),
        ("unannotated_session", Direction.SERVERBOUND, 1, Say),
    }


def test_the_rest_of_a_signature() -> None:
    found = signature()
    assert found.settings is SomeSettings
    assert [(mark.name, mark.help, mark.for_operators) for mark in found.commands] == [("ping", "how late it is", True)]
    assert [(mark.method, mark.seconds) for mark in found.clocks] == [("tick", 5.0)]
    assert found.hooks == {"opened", "closed", "admits"}


def test_a_method_that_is_overridden_without_a_mark_is_no_handler() -> None:
    class Quiet(Base):
        def said(self, session: Session, packet: Say) -> None: ...

    assert read_signature(Quiet, CODEC, "pko").handlers == ()


def test_a_packet_of_another_dialect_is_one_of_that() -> None:
    class Hashed(Feature):
        @handles
        def login(self, session: Session, packet: LoginHashed) -> None: ...

    assert read_signature(Hashed, PACK.codec("tg"), "pko").handlers[0].cls is LoginHashed


def test_a_game_without_packets_has_no_handlers() -> None:
    with pytest.raises(FeatureError, match="no packet of the game raw"):
        read_signature(Base, None, "raw")

    class Timer(Feature):
        @every(1)
        def tick(self) -> None: ...

    assert len(read_signature(Timer, None, "raw").clocks) == 1
