"""The scripted game server and the bots as programs: sockets and clocks around `games.pko.sim`.

``server`` and ``bots`` are used by the command, the demo, the benchmark and the tests. They decide
nothing about the game.
"""
