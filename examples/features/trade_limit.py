"""Lets nobody put more than so much gold on the table of a trade: what is more is taken down to the limit."""

from dataclasses import replace

from pydantic import Field

from core.features import Feature, Session, Settings, Verdict, handles
from games.pko.trade import TradeGold


class TradeLimitSettings(Settings):
    """Stands in features.toml as [trade_limit]."""

    max_gold: int = Field(1_000_000, ge=1, le=2_000_000_000, description="The most gold in one trade.")


class TradeLimit(Feature):
    """Rewrites a packet: the game server sees only the smaller amount, and answers both players with it."""

    settings: TradeLimitSettings

    @handles
    def put_gold(self, session: Session, packet: TradeGold) -> Verdict:
        """Let a small amount pass, and make a large one smaller."""
        limit = self.settings.max_gold
        if packet.amount <= limit:
            return None
        session.tell(f"At most {limit} gold can be traded at once.")
        self.emit("incident", session, what="trade over the limit", amount=packet.amount)
        return replace(packet, amount=limit)
