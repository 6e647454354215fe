"""What the scripted server counts beside its ledger; read by its report and by tests."""

from dataclasses import dataclass


@dataclass(slots=True)
class WorldTallies:
    """Plain counters since the start."""

    connections: int = 0
    refused_connections: int = 0
    """Hung up at once because the server was full."""
    logins: int = 0
    refused_logins: int = 0
    frames_received: int = 0
    keep_alives_received: int = 0
    ignored_packets: int = 0
    """In the game's table, but the script has no answer to it."""
    unknown_opcodes: int = 0
    wrong_state: int = 0
    malformed_packets: int = 0
    ignored_calls: int = 0
    """Synchronous calls other than the logout, and answers nobody asked for."""
    foreign_actions: int = 0
    """In the name of another character."""
    off_map_moves: int = 0
    dropped_texts: int = 0
