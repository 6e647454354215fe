"""What players write to each other: the packets, and a word for each channel as it stands in settings.

The texts of game masters (6400, 6411) are not among them.
"""

from collections.abc import Mapping
from typing import Literal

from games.packet import Packet
from games.pko.chat import Say, SayToAll, SayToCamp, SayToGuild, SayToTeam, SayToTrade, Whisper
from games.pko.social import RoomSay

Line = Say | SayToCamp | SayToTrade | SayToAll | Whisper | SayToTeam | SayToGuild | RoomSay
Channel = Literal["say", "camp", "trade", "all", "whisper", "team", "guild", "room"]

CHANNELS: Mapping[type[Packet], Channel] = {
    Say: "say",
    SayToCamp: "camp",
    SayToTrade: "trade",
    SayToAll: "all",
    Whisper: "whisper",
    SayToTeam: "team",
    SayToGuild: "guild",
    RoomSay: "room",
}
