"""Reads the answer of a health query of Consul: the relays in it, and why the rest is not used. Pure.

An answer is a list of entries, each with a node, a service and the checks of both, as decoded from JSON. Anybody who
may register services has written it, so each entry is either a record, or ignored with a reason; nothing in it raises.

Workers of one relay share its address and register one by one. They are one record here: it is serving while one of
them is, and what they can take and what they have adds up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fleet.address import Address, parse_address
from fleet.discovery.metadata import RecordError, Wanted, read_record, shown
from fleet.health import Health
from fleet.records import Ignored, Record

MAX_ENTRIES = 256
"""A fleet has tens of relays. Of more entries, the rest by id is not looked at."""

MAX_CHECKS = 32
MAX_PROBLEM_CHARACTERS = 200

DRAINING = "draining"
"""What a relay's own check says while it drains."""

SILENCE = "Consul does not hear from it"
"""How the problem begins that a relay has not said itself: its check ran out, or its whole node is away."""

_NODE_CHECK = "serfHealth"
_EXPIRED = "TTL expired"


def read_entries(entries: Sequence[object], wanted: Wanted) -> tuple[tuple[Record, ...], tuple[Ignored, ...]]:
    """Return the records, by name, and what is ignored."""
    ordered = sorted(entries, key=_service_id)
    ignored = []
    if len(ordered) > MAX_ENTRIES:
        beyond = f"{len(ordered)} services are registered: only {MAX_ENTRIES} of them are looked at"
        ignored.append(Ignored("Consul", beyond))
    found: dict[Address, list[Record]] = {}
    for entry in ordered[:MAX_ENTRIES]:
        try:
            record = _read_entry(entry, wanted)
            others = found.setdefault(record.address, [record])
            if others[0] is not record:
                if others[0].name != record.name:
                    raise RecordError(f"{others[0].name} is at {record.address}, too, and was there first")
                others.append(record)
        except RecordError as error:
            ignored.append(Ignored(_place_of(entry), str(error)))
    records = []
    taken: dict[str, Record] = {}
    for record in sorted(map(_merge, found.values()), key=lambda each: not each.health.is_serving):
        other = taken.setdefault(record.name, record)
        if other is record:
            records.append(record)
        else:
            reason = f"its name {record.name} is that of the {other.role} at {other.address}, too"
            ignored.append(Ignored(f"{record.role} at {record.address}", reason))
    return tuple(sorted(records, key=lambda each: each.name)), tuple(ignored)


def _read_entry(entry: object, wanted: Wanted) -> Record:
    node, service = _table(entry, "Node"), _table(entry, "Service")
    if not service:
        raise RecordError("it is no service as Consul describes one")
    host = service.get("Address") or node.get("Address")
    port = service.get("Port")
    if not isinstance(host, str) or not isinstance(port, int) or isinstance(port, bool):
        raise RecordError("it has no address and port")
    try:
        address = parse_address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except ValueError as error:
        raise RecordError(str(error)) from error
    record = read_record(_table(service, "Meta"), address, wanted)
    checks = entry.get("Checks") if isinstance(entry, Mapping) else None
    return replace(record, health=_read_health(checks if isinstance(checks, list) else [], _service_id(entry)))


def _read_health(checks: Sequence[object], service_id: str) -> Health:
    """Return what the checks of node and service say; warnings of the operator's own checks change nothing."""
    if not any(_field(check, "ServiceID") == service_id for check in checks[:MAX_CHECKS]):
        return Health(("nothing checks whether it can serve",))
    problems = []
    for check in checks[:MAX_CHECKS]:
        status, output = _field(check, "Status"), _one_line(_field(check, "Output"))
        if status == "warning" and _field(check, "CheckID") == f"service:{service_id}":
            problems.append(f"{SILENCE} yet: it has only just registered")
        if status in ("passing", "warning"):
            continue
        if output == DRAINING:
            return Health(is_draining=True)
        if _field(check, "CheckID") == _NODE_CHECK or output.startswith(_EXPIRED):
            problems.append(f"{SILENCE}: {output}")
        else:
            problems.append(output or f"its check {shown(_field(check, 'Name'))} says {shown(status)}")
    return Health(tuple(problems))


def is_silent(record: Record) -> bool:
    """Whether a relay counts as critical without having said so itself."""
    return any(problem.startswith(SILENCE) for problem in record.health.problems)


def _merge(workers: Sequence[Record]) -> Record:
    """Make one record of the workers of one relay."""
    best = min(workers, key=lambda each: (not each.health.is_serving, not each.health.is_draining))
    capacity, sessions = sum(each.capacity for each in workers), sum(each.sessions for each in workers)
    return replace(best, capacity=capacity, sessions=sessions)


def _place_of(entry: object) -> str:
    return f"service {shown(_service_id(entry))} on node {shown(_field(_table(entry, 'Node'), 'Node'))}"


def _service_id(entry: object) -> str:
    return _field(_table(entry, "Service"), "ID")


def _table(value: object, key: str) -> Mapping[str, object]:
    inner = value.get(key) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _field(value: object, key: str) -> str:
    inner = value.get(key) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, str) else ""


def _one_line(text: str) -> str:
    printable: Iterable[str] = (each if each.isprintable() else " " for each in text[:MAX_PROBLEM_CHARACTERS])
    return "".join(printable).strip()
