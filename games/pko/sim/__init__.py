"""The scripted PKO game server and its players, as pure logic.

`world.World` is the server, `player.Player` is one client. Both take bytes and ``now_seconds`` and give
values; sockets and clocks live in ``tidegate.sim``. The demo, the tests and the benchmark play with these.
They are honest to the protocol file where a relay could tell the difference, and silent about the rest
(``docs/sim.md`` says which is which).
"""
