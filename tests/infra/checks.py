"""What must hold of every fleet: who is let in, how instances start, and where secrets are. Over plans and over AWS."""

from collections.abc import Iterable, Iterator
from typing import Any

WORLD = {"0.0.0.0/0", "::/0"}
HTTPS = 443

Rule = tuple[str, str, int, str]
"""Direction, protocol, port, and a prefix or a security group."""


def rules_of(ec2: Any, group: str) -> set[Rule]:
    """Return what a security group lets in and out, as AWS has it."""
    found: set[Rule] = set()
    for page in ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group]}]
    ):
        for each in page["SecurityGroupRules"]:
            assert each["FromPort"] == each["ToPort"], each
            other = each.get("CidrIpv4") or each.get("CidrIpv6") or each["ReferencedGroupInfo"]["GroupId"]
            found.add(("out" if each["IsEgress"] else "in", each["IpProtocol"], each["FromPort"], other))
    return found


def all_groups_let_in(ec2: Any) -> dict[int, set[str]]:
    """Return the ports that the whole world reaches, over all security groups but those that AWS makes itself."""
    found: dict[int, set[str]] = {}
    for each in ec2.get_paginator("describe_security_group_rules").paginate().build_full_result()["SecurityGroupRules"]:
        other = each.get("CidrIpv4") or each.get("CidrIpv6")
        if other in WORLD and not each["IsEgress"]:
            found.setdefault(each["FromPort"], set()).add(each["IpProtocol"])
    return found


def resources(plan: Any) -> Iterator[dict[str, Any]]:
    """Yield every resource that a plan ends with, of all modules."""
    yield from _resources(plan["planned_values"]["root_module"])


def check_plan(plan: Any, *, open_ports: Iterable[int]) -> None:
    """Fail unless a plan keeps the rules for security groups, instances and disks."""
    of_type: dict[str, list[dict[str, Any]]] = {}
    for each in resources(plan):
        of_type.setdefault(each["type"], []).append(each)
    assert of_type["aws_launch_template"]
    for each in of_type["aws_vpc_security_group_ingress_rule"]:
        values = each["values"]
        if {values["cidr_ipv4"], values["cidr_ipv6"]} & WORLD:
            assert values["from_port"] == values["to_port"], each["address"]
            assert values["from_port"] in open_ports, each["address"]
    for each in of_type["aws_vpc_security_group_egress_rule"]:
        values = each["values"]
        if {values["cidr_ipv4"], values["cidr_ipv6"]} & WORLD:
            assert (values["from_port"], values["to_port"]) == (HTTPS, HTTPS), each["address"]
    for each in (*of_type["aws_launch_template"], *of_type.get("aws_instance", ())):
        (metadata,) = each["values"]["metadata_options"]
        assert (metadata["http_tokens"], metadata["http_put_response_hop_limit"]) == ("required", 1), each["address"]
        disks = each["values"].get("root_block_device") or [
            disk for mapping in each["values"]["block_device_mappings"] for disk in mapping["ebs"]
        ]
        assert disks, each["address"]
        assert all(str(disk["encrypted"]).lower() == "true" for disk in disks), each["address"]
    for each in of_type["aws_default_security_group"]:
        assert not each["values"].get("ingress"), each["address"]
        assert not each["values"].get("egress"), each["address"]
    assert "aws_security_group_rule" not in of_type, "rules are resources of the newer kind, which check_plan looks at"
    for each in _configured(plan["configuration"]["root_module"]):
        if each["type"] == "aws_security_group":
            assert not each["expressions"].keys() & {"ingress", "egress"}, "rules are resources of their own"


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for each in module.get("resources", ()):
        if each["mode"] == "managed":
            yield each
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _configured(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for call in module.get("module_calls", {}).values():
        yield from _configured(call["module"])
