"""Who is playing, by the packets of the way into the game (`games.pko.connection`)."""

from games.pko.connection import (
    BeginPlay,
    BeginPlayByIndex,
    BeginPlayReply,
    CharacterSlot,
    EndPlayReply,
    EnterMap,
    EnterMapRefused,
    Login,
    LoginAccepted,
    LoginHashed,
    LoginRefused,
    LoginWithAddress,
)
from games.players import Follows, Player, Step


def _login(player: Player, packet: Login | LoginWithAddress | LoginHashed) -> Step:
    if player.is_logging_in:
        return Step.OUT_OF_TURN
    player.forget_all()
    player.account = packet.account
    player.hardware_address = packet.mac
    player.is_logging_in = True
    return Step.LOGIN


def _accepted(player: Player, packet: LoginAccepted) -> Step:
    player.is_logging_in = False
    player.is_logged_in = True
    player.characters = _names(packet.characters)
    return Step.LOGGED_IN


def _refused(player: Player, packet: LoginRefused) -> Step:
    del packet
    player.forget_all()
    return Step.LOGIN_REFUSED


def _chosen(player: Player, packet: BeginPlay) -> Step:
    player.character = packet.name
    return Step.CHARACTER


def _chosen_by_index(player: Player, packet: BeginPlayByIndex) -> Step:
    player.character = player.characters[packet.index] if packet.index < len(player.characters) else b""
    return Step.CHARACTER


def _choice_answered(player: Player, packet: BeginPlayReply) -> Step:
    if packet.error == 0:
        return Step.NOTHING
    player.forget_character()
    return Step.CHARACTER_REFUSED


def _entered(player: Player, packet: EnterMap) -> Step:
    step = Step.CHANGED_MAP if player.is_in_game else Step.ENTERED
    player.character = packet.name
    player.is_in_game = True
    player.map_name = packet.map_name
    player.world_id = packet.world_id
    player.main_id = packet.comm_id
    player.x = packet.x
    player.y = packet.y
    return step


def _map_refused(player: Player, packet: EnterMapRefused) -> Step:
    del packet
    player.forget_character()
    return Step.CHARACTER_REFUSED


def _left(player: Player, packet: EndPlayReply) -> Step:
    player.forget_character()
    player.characters = _names(packet.characters)
    return Step.LEFT


def _names(slots: tuple[CharacterSlot, ...]) -> tuple[bytes, ...]:
    """Return the names by their place, empty where a place is."""
    return tuple(slot.name or b"" for slot in slots)


FOLLOWS: Follows = {
    Login: _login,
    LoginWithAddress: _login,
    LoginHashed: _login,
    LoginAccepted: _accepted,
    LoginRefused: _refused,
    BeginPlay: _chosen,
    BeginPlayByIndex: _chosen_by_index,
    BeginPlayReply: _choice_answered,
    EnterMap: _entered,
    EnterMapRefused: _map_refused,
    EndPlayReply: _left,
}
