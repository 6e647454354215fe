"""From the login to the map and back: opcodes 431 to 436 (protocol file, sections 4.1 and 5).

Used by `world` alone. Every account exists, has one character of its own name, and any password is right:
refusals are made by options. Characters made or deleted last as long as the connection.
"""

from games.packet import Packet
from games.pko.connection import (
    BeginPlay,
    BeginPlayReply,
    CharacterSlot,
    DeleteCharacter,
    DeleteCharacterReply,
    EndPlay,
    EndPlayRefused,
    EndPlayReply,
    Login,
    LoginAccepted,
    LoginRefused,
    LoginWithAddress,
    NewCharacter,
    NewCharacterByType,
    NewCharacterReply,
)
from games.pko.errors import ErrorNumber
from games.pko.sim.dice import Dice
from games.pko.sim.effects import CloseReason
from games.pko.sim.options import WorldOptions
from games.pko.sim.outlet import Outlet
from games.pko.sim.stage import Stage
from games.pko.sim.tallies import WorldTallies
from games.pko.sim.visit import State, Visit

LOOK = bytes(1626)
"""A naked character of the classic client: version, type, ten empty item places, hair."""

JOB = b"Newbie"
KEY_BYTES = 8


class Lobby:
    """Logs accounts in and out and gives characters to the stage."""

    def __init__(self, options: WorldOptions, stage: Stage, outlet: Outlet, tallies: WorldTallies) -> None:
        self._options = options
        self._stage = stage
        self._outlet = outlet
        self._tallies = tallies
        self._online: dict[bytes, Visit] = {}

    def log_in(self, visit: Visit, packet: Login | LoginWithAddress) -> None:
        """Answer 431 by 931: accepted, or refused and hung up."""
        error = self._login_error(packet)
        if error:
            self.refuse_login(visit, error)
            return
        self._tallies.logins += 1
        visit.state = State.SELECTING
        visit.account = packet.account
        visit.characters = [packet.account[:20]]
        self._online[packet.account] = visit
        dice = Dice(visit.number)
        key = bytes(dice.within(0, 255) for _ in range(KEY_BYTES))
        self._outlet.send(visit, LoginAccepted(key=key, characters=_slots(visit)))

    def refuse_login(self, visit: Visit, error: int) -> None:
        """Answer 931 with an error number and hang up a little later."""
        self._tallies.refused_logins += 1
        self._outlet.send(visit, LoginRefused(error=error))
        self._outlet.hang_up(
            visit,
            CloseReason.LOGIN,
            f"login refused with error {error}",
            after_seconds=self._options.refusal_hangup_seconds,
        )

    def begin_play(self, visit: Visit, packet: BeginPlay) -> None:
        """Answer 433 by 933 and, on success, 516."""
        if packet.name not in visit.characters:
            self._outlet.send(visit, BeginPlayReply(error=ErrorNumber.NO_SUCH_CHARACTER))
        elif not self._stage.has_room:
            self._outlet.send(visit, BeginPlayReply(error=ErrorNumber.TOO_MANY_PLAYERS))
        else:
            self._outlet.send(visit, BeginPlayReply(error=0))
            self._stage.enter(visit, packet.name)

    def end_play(self, visit: Visit, packet: EndPlay) -> None:  # noqa: ARG002
        """Answer 434 by 934: back to the choice of characters."""
        self._stage.leave(visit)
        visit.state = State.SELECTING
        self._outlet.send(visit, EndPlayReply(characters=_slots(visit)))

    def make_character(self, visit: Visit, packet: NewCharacter | NewCharacterByType) -> None:
        """Answer 435 by 935."""
        error = 0
        if not packet.name.isalnum():
            error = ErrorNumber.BAD_NAME
        elif packet.name in visit.characters:
            error = ErrorNumber.NAME_TAKEN
        elif len(visit.characters) >= self._options.max_characters:
            error = ErrorNumber.MAXIMUM_CHARACTERS
        else:
            visit.characters.append(packet.name)
        self._outlet.send(visit, NewCharacterReply(error=error))

    def delete_character(self, visit: Visit, packet: DeleteCharacter) -> None:
        """Answer 436 by 936; any second password is right."""
        error = 0
        if packet.name in visit.characters:
            visit.characters.remove(packet.name)
        else:
            error = ErrorNumber.NO_SUCH_CHARACTER
        self._outlet.send(visit, DeleteCharacterReply(error=error))

    def refuse(self, visit: Visit, packet: Packet) -> bool:
        """Answer a packet that came in the wrong state, where there is an answer; else return False."""
        logged_in = visit.state is not State.GREETED
        not_selecting = ErrorNumber.NOT_AT_CHARACTER_SELECT if logged_in else ErrorNumber.NOT_LOGGED_IN
        match packet:
            case Login() | LoginWithAddress():
                self.refuse_login(visit, ErrorNumber.ALREADY_LOGGED_IN)
            case BeginPlay():
                self._outlet.send(visit, BeginPlayReply(error=not_selecting))
            case NewCharacter() | NewCharacterByType():
                self._outlet.send(visit, NewCharacterReply(error=not_selecting))
            case DeleteCharacter():
                self._outlet.send(visit, DeleteCharacterReply(error=not_selecting))
            case EndPlay():
                not_playing = ErrorNumber.NOT_PLAYING if logged_in else ErrorNumber.NOT_LOGGED_IN
                self._outlet.send(visit, EndPlayRefused(error=not_playing))
            case _:
                return False
        return True

    def log_out(self, visit: Visit) -> None:
        """Take the account off line, whatever it was doing."""
        self._stage.leave(visit)
        if self._online.get(visit.account) is visit:
            del self._online[visit.account]

    def _login_error(self, packet: Login | LoginWithAddress) -> int:
        if packet.version != self._options.client_version:
            return ErrorNumber.CLIENT_VERSION
        if packet.account in self._options.refused_accounts:
            return self._options.refused_accounts[packet.account]
        return ErrorNumber.ONLINE if packet.account in self._online else 0


def _slots(visit: Visit) -> tuple[CharacterSlot, ...]:
    return tuple(CharacterSlot(name=name, job=JOB, level=1, look=LOOK) for name in visit.characters)
