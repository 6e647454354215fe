"""The PKO pack: Tales of Pirates, Pirate King Online.

Where things stand: `framing` (frames, session words, dialects), `opcodes` (the whole table, its bands),
`errors` (error numbers), `bounds` and `styles` (what packets share), `notices` (texts for players), `rules` and
`rule_rows` (what clients may send when), `players` (who is playing); the other modules are typed packets.
It must not know sockets or sessions.
"""

from collections.abc import Iterator, Mapping
from types import ModuleType

from games.pack import Pack
from games.packet import Packet
from games.pko import account, action, chat, connection, guild, items, npc, ping, progress, service, social, trade
from games.pko.framing import CLIENTBOUND_LAYOUT, DIALECTS, KEEP_ALIVE, SERVERBOUND_LAYOUT
from games.pko.notices import chat_line, popup
from games.pko.opcodes import MOVED, OPCODES
from games.pko.players import FOLLOWS
from games.pko.rules import RULES
from games.registry import refuse_settings


def _packets_of(module: ModuleType) -> Iterator[type[Packet]]:
    """Yield the packet classes of a module as they stand there; a base that several share has no opcode."""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Packet) and value.OPCODE:
            yield value


_MODULES = (connection, account, chat, social, action, ping, progress, items, trade, npc, guild, service)

PACKETS = tuple(cls for module in _MODULES for cls in _packets_of(module))
"""All typed packets of the game, those of every dialect."""


def build_pack(framing: Mapping[str, object]) -> Pack:
    """Build the pack; it has no settings."""
    refuse_settings("pko", framing)
    return Pack(
        name="pko",
        summary="Tales of Pirates (Pirate King Online)",
        serverbound=SERVERBOUND_LAYOUT,
        clientbound=CLIENTBOUND_LAYOUT,
        dialects=DIALECTS,
        opcodes=OPCODES + MOVED,
        packets=PACKETS,
        keep_alive=KEEP_ALIVE,
        notice=popup,
        rules=RULES,
        chat_line=chat_line,
        follows=FOLLOWS,
    )
