"""The one hot path of a scripted player: who moved, without making packet objects.

In a crowd nearly everything a client receives is other characters' moves, and full decoding of those costs
more than all the rest. `glance_move` reads the two numbers that matter and checks that the lengths fit;
whatever does not look right is left to the real decoder (`games.pko.action.MoveNotice`), which says why.
"""

from struct import Struct

from games.pko.action import Action, MoveNotice

MOVE_OPCODE = MoveNotice.OPCODE

_HEAD = Struct(">IIBH")  # world id, packet id, action, state
_POINT_BYTES = 8


def glance_move(body: bytes) -> tuple[int, int] | None:
    """Return world id and packet id of a whole, well-formed move notice; None for anything else."""
    if len(body) < _HEAD.size + 2:
        return None
    world_id, packet_id, action, state = _HEAD.unpack_from(body)
    path = _HEAD.size + (2 if state else 0)  # the reason of the stop is there only for one that ended
    path_bytes = int.from_bytes(body[path : path + 2], "big")
    if action != Action.MOVE or path_bytes % _POINT_BYTES or path + 2 + path_bytes != len(body):
        return None
    return world_id, packet_id
