"""The core relay: tunnels from edges on one side, the hidden game server on the other.

It owns the game's pack: it compiles the policy that edges obey, and checks again what they let through.
"""
