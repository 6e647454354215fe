"""Game packs: what a game looks like on the wire, as data and small typed classes.

A pack says how frames are cut, which opcodes exist, what packets hold, and how to show a player a text.
Nothing here opens a socket or reads a clock; `games.registry` finds a pack by its name.
"""
