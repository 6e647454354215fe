"""Events: what a clientbound packet says about its session, on the way from the core to the edge.

The core's watcher (`wire.watcher`) makes them, an EVENT chunk carries them in the order of the stream, and the
session's guard (`wire.guard`) at the edge obeys them.

======  =====  =======  =====================================================
offset  bytes  what     meaning
======  =====  =======  =====================================================
0       1      state    1 + the number of the new state; 0: the same as before
1       4      sets     flags that hold from now on
5       4      clears   flags that no longer hold
9       1      memory   1 + which memory; 0: none
10      …      bytes    what to remember
======  =====  =======  =====================================================
"""

from struct import Struct

from wire.errors import TunnelFault
from wire.rules import MAX_MEMORY_BYTES, RuleSet, Trigger

_EVENT = Struct(">BIIB")

EVENT_BYTES = _EVENT.size
MAX_EVENT_BYTES = EVENT_BYTES + MAX_MEMORY_BYTES


def pack_event(trigger: Trigger, memory: bytes) -> bytes:
    """Return the event of a trigger; ``memory`` is what it remembers."""
    return _EVENT.pack(trigger.next_state + 1, trigger.sets, trigger.clears, trigger.memory + 1) + memory


def unpack_event(payload: bytes, rules: RuleSet) -> tuple[int, int, int, int, bytes]:
    """Return next state, flags set and cleared, memory and its bytes (-1: none); raises TunnelFault.

    States, flags and memories are those of the rule set that holds at this point of the stream.
    """
    if not EVENT_BYTES <= len(payload) <= MAX_EVENT_BYTES:
        raise TunnelFault(f"event of {len(payload)} bytes: {EVENT_BYTES} to {MAX_EVENT_BYTES} are allowed")
    state, sets, clears, memory = _EVENT.unpack_from(payload)
    flags = 1 << len(rules.flags)
    if state > len(rules.states) or sets >= flags or clears >= flags:
        raise TunnelFault("event with a state or a flag that the policy does not have")
    sizes = {trigger.memory: trigger.memory_bytes for trigger in rules.triggers}
    if (memory == 0) != (len(payload) == EVENT_BYTES) or (
        memory > 0 and sizes.get(memory - 1) != len(payload) - EVENT_BYTES
    ):
        raise TunnelFault("event with bytes to remember that the policy does not have")
    return state - 1, sets, clears, memory - 1, payload[EVENT_BYTES:]
