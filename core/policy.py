"""Compiles a game pack into the policy that edges obey."""

from games.pack import Pack
from games.rules import compile_rules
from tunnel.policy import EdgePolicy
from wire.reasons import Reason, explain, is_told

KEEP_ALIVE_SECONDS = 2.0
"""How often a relay speaks for the other side while a tunnel is broken: as often as a PKO client or server does."""


def compile_policy(pack: Pack, dialect: str) -> EdgePolicy:
    """Return the policy of a pack in one of its dialects (empty for a game without any).

    Raises MisuseError for a dialect the pack does not have.
    """
    notice = pack.notice
    notices = {} if notice is None else {reason.value: notice(explain(reason)) for reason in Reason if is_told(reason)}
    return EdgePolicy(
        game=pack.name,
        dialect=dialect,
        serverbound=pack.serverbound,
        clientbound=pack.clientbound,
        closing_notices=notices,
        rules=compile_rules(pack, dialect),
        keep_alive=pack.keep_alive,
        keep_alive_seconds=KEEP_ALIVE_SECONDS if pack.keep_alive else 0.0,
    )
