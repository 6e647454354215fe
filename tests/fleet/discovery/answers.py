"""Answers of Consul as it gives them, for tests of what reads them."""

from collections.abc import Mapping

from fleet.address import Address
from fleet.records import Record, as_metadata

CORE = Record("core", "core-1", Address("10.0.0.5", 7400), "eu", "0.1.0", 3, "pko", 1000, 17)


def entry(
    record: Record = CORE, *, number: int = 1, status: str = "passing", output: str = "serving", **changed: object
) -> dict[str, object]:
    """One service with its check and that of its node; ``changed`` are fields of the service."""
    service_id = f"tidegate-{record.role}:{record.name}:{record.address}:{number}"
    service: dict[str, object] = {
        "ID": service_id,
        "Service": f"tidegate-{record.role}",
        "Address": record.address.host,
        "Port": record.address.port,
        "Meta": dict(as_metadata(record)),
    }
    node_check = {"CheckID": "serfHealth", "Name": "Serf", "Status": "passing", "Output": "alive", "ServiceID": ""}
    check = {"CheckID": f"service:{service_id}", "Name": "can serve", "Status": status, "Output": output}
    return {
        "Node": {"Node": "web-3", "Address": "10.0.0.9"},
        "Service": {**service, **changed},
        "Checks": [node_check, {**check, "ServiceID": service_id}],
    }


def meta(**changed: object) -> Mapping[str, object]:
    return {**as_metadata(CORE), **changed}
