"""Whether a relay can serve, and if not, why: one value that registration, readiness and the fleet's table all use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """``problems`` say why it cannot serve as it should, one sentence each; empty while it can."""

    problems: tuple[str, ...] = ()
    is_draining: bool = False

    @property
    def is_serving(self) -> bool:
        """Whether new players may be sent here."""
        return not self.problems and not self.is_draining

    @property
    def word(self) -> str:
        """Return ``serving``, ``draining`` or ``critical``."""
        if self.is_draining:
            return "draining"
        return "critical" if self.problems else "serving"
