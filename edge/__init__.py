"""The edge relay: players' connections on one side, a tunnel to a core on the other.

It knows no game: a core's policy says how to cut frames and what to show a player whose session ends.
"""
