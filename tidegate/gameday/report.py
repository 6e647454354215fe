"""The end of a game day: the ledger, the pauses, who ended and why, and what had to hold, for people and as data."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from games.pko.sim.ledger import Tally
from tidegate.gameday.day import GameDay, Outcome
from tidegate.gameday.musts import Must
from tidegate.gameday.pauses import PauseLog, percentile

SHOWN_REASONS = 12
_COLUMNS = ("sent", "received", "lost", "doubled", "reordered", "cut off")


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a day."""

    name: str
    title: str
    day: GameDay
    outcome: Outcome
    musts: list[Must]

    @property
    def is_good(self) -> bool:
        """Whether the fault did all its work and everything holds."""
        return not self.outcome.was_interrupted and all(must.holds for must in self.musts)

    def as_data(self) -> dict[str, object]:
        """Return everything as plain data, for JSON."""
        outcome, crowd = self.outcome, self.day.crowd
        ledger = outcome.ledger
        return {
            "fault": self.name,
            "title": self.title,
            "good": self.is_good,
            "interrupted": outcome.was_interrupted,
            "bots": self.day.options.bots,
            "frames_per_second": self.day.options.frames_per_second,
            "seed": self.day.options.seed,
            "ledger": {
                "serverbound": asdict(ledger.serverbound) | {"cut_off": ledger.serverbound_cut_off},
                "clientbound": asdict(ledger.clientbound) | {"cut_off": ledger.clientbound_cut_off},
                "foreign": ledger.foreign,
                "unknown_sessions": ledger.unknown_sessions,
                "was_drained": outcome.was_drained,
                "held_back": crowd.held_back,
            },
            "round_trips": crowd.watch.round_trips.summary(),
            "pauses": _pauses_as_data(self.day.pauses),
            "sessions_ended": dict(outcome.ended),
            "failed_logins": dict(outcome.failed_logins),
            "closed_by_relays": {name: dict(reasons) for name, reasons in outcome.closed_by_relays.items()},
            "refused_by_relays": {name: dict(reasons) for name, reasons in outcome.refused_by_relays.items()},
            "complaints": {name: dict(complaints) for name, complaints in outcome.complaints.items()},
            "times_to_play_seconds": {
                "count": len(crowd.times_to_play),
                "p50": percentile(crowd.times_to_play, 50),
                "p99": percentile(crowd.times_to_play, 99),
            },
            "figures": self.day.figures,
            "musts": [must.as_data() for must in self.musts],
        }


def _pauses_as_data(pauses: PauseLog) -> dict[str, object]:
    return {
        "p50_seconds": pauses.p50_seconds,
        "p99_seconds": pauses.p99_seconds,
        "worst_p99_after_seconds": pauses.worst_p99_after_seconds,
        "worst_p99_backlog_seconds": pauses.worst_p99_backlog_seconds,
        "without": pauses.without,
        "faults": [
            {
                "what": fault.what,
                "fault_seconds": round(fault.fault_seconds, 3),
                "p50_seconds": round(percentile(fault.pauses, 50), 4),
                "p99_seconds": round(percentile(fault.pauses, 99), 4),
                "p99_after_seconds": round(fault.p99_after_seconds, 4),
                "p99_backlog_seconds": round(percentile(fault.backlogs, 99), 4),
                "without": fault.without,
            }
            for fault in pauses.faults
        ],
    }


def describe(report: Report) -> str:
    """Return the report as text."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterable[str]:
    outcome, day = report.outcome, report.day
    crowd, ledger, pauses = day.crowd, outcome.ledger, day.pauses
    yield f"\n{report.name}{': interrupted' if outcome.was_interrupted else ''}"
    yield f"  {'frames':<14}" + "".join(f"{column:>11}" for column in _COLUMNS)
    yield _row("to the server", ledger.serverbound, ledger.serverbound_cut_off)
    yield _row("to the bots", ledger.clientbound, ledger.clientbound_cut_off)
    trips = crowd.watch.round_trips
    yield f"  round trip     p50 {_time(trips.percentile(50))}, p99 {_time(trips.percentile(99))}"
    if pauses.faults:
        yield (
            f"  pauses         p50 {_time(pauses.p50_seconds)}, p99 {_time(pauses.p99_seconds)}; "
            f"beyond the fault p99 at most {_time(pauses.worst_p99_after_seconds)}, "
            f"until what had piled up was through {_time(pauses.worst_p99_backlog_seconds)}"
        )
    yield from _reasons("sessions ended", outcome.ended)
    yield from _reasons("failed logins", outcome.failed_logins)
    for name, reasons in outcome.closed_by_relays.items():
        yield from _reasons(f"closed by {name}", reasons, is_quiet=True)
    for name, reasons in outcome.refused_by_relays.items():
        yield from _reasons(f"refused by {name}", reasons, is_quiet=True)
    for name, complaints in outcome.complaints.items():
        yield from _reasons(f"{name} warned", complaints, is_quiet=True)
    if crowd.times_to_play:
        times = crowd.times_to_play
        yield (
            f"  back in play   {len(times)} times, p50 {_time(percentile(times, 50))}, "
            f"p99 {_time(percentile(times, 99))}"
        )
    if crowd.held_back:
        yield f"  held back      {crowd.held_back} frames, because the bots' own process fell behind"
    for name, figure in day.figures.items():
        yield f"  {name}: {figure if isinstance(figure, str) else format(figure, '.4g')}"
    yield from _verdict(report)


def _verdict(report: Report) -> Iterable[str]:
    missed = [must for must in report.musts if not must.holds]
    for must in report.musts:
        yield f"  {'ok    ' if must.holds else 'MISSED'} {must}"
    if report.outcome.was_interrupted:
        yield "INTERRUPTED: not everything was tried."
    elif missed:
        yield f"MISSED {len(missed)} of {len(report.musts)}: " + "; ".join(map(str, missed))
    else:
        yield f"All {len(report.musts)} hold."


def _row(name: str, tally: Tally, cut_off: int) -> str:
    counts = (tally.sent, tally.received, tally.lost, tally.doubled, tally.reordered, cut_off)
    return f"  {name:<14}" + "".join(f"{count:>11}" for count in counts)


def _reasons(title: str, reasons: dict[str, int], *, is_quiet: bool = False) -> Iterable[str]:
    if is_quiet and not reasons:
        return
    yield f"  {title:<14} {sum(reasons.values())}"
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:SHOWN_REASONS]:
        yield f"    {count:>7}  {reason}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"
