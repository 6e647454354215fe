"""The raw pack: no framing at all, so any TCP program can be relayed."""

from collections.abc import Mapping

from games.pack import Pack
from games.registry import refuse_settings
from wire.layout import RAW


def build_pack(framing: Mapping[str, object]) -> Pack:
    """Build the pack; it has no settings."""
    refuse_settings("raw", framing)
    return Pack(
        name="raw",
        summary="any TCP program: bytes pass as they come, nothing is framed or checked",
        serverbound=RAW,
        clientbound=RAW,
    )
