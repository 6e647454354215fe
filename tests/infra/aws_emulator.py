"""An AWS of one's own: moto in server mode, with what it answers differently from AWS mended.

Run as a process by `tests.infra.cloud` (``python -m tests.infra.aws_emulator``): it takes a free loopback port, says
which in one line on standard output, and serves until standard input ends.

Mended, because modules would otherwise have to be bent to it:

- a subnet's IPv6 prefix has its state one level too deep, and the provider waits for it in vain;
- the description of a rule that names a group is lost;
- an instance has the security groups of its first interface; moto shows none where they came with the interface;
- a zone that is made with a VPC is a private one; moto goes by a flag that neither AWS nor the provider needs;
- a launch template's own tags are its own; moto counts them to what instances get, so that the next plan changes it;
- user data of a template's second and later versions is kept as text, on which moto stumbles when a group grows;
- a group's warm-up time is kept, and a scaling policy is on and predicts nothing where it was not told to;
- a lifecycle hook that is completed lets its instance end, and one may be told to wait on; moto knows neither call;
- an instance refresh can be asked for and looked at. It replaces nothing here: what is shown is who was asked.

And for speed alone: Route 53 does not say that a change takes its time, for which the provider waits 15 seconds each.
"""

import logging
import os
import sys
from typing import Any

MANAGED_POLICIES = "MOTO_IAM_LOAD_MANAGED_POLICIES"
ROUTE53_CHANGES = (
    "associate_vpc_with_hosted_zone",
    "change_resource_record_sets",
    "create_hosted_zone",
    "delete_hosted_zone",
    "disassociate_vpc_from_hosted_zone",
)


def mend() -> None:
    """Change moto as the module says."""
    _mend_networks()
    _mend_launch_templates()
    _mend_groups()
    _mend_zones()


def _mend_networks() -> None:
    from moto.ec2.models.instances import Instance
    from moto.ec2.models.security_groups import SecurityGroupRule
    from moto.ec2.models.subnets import Subnet

    def associations(self: Any) -> list[dict[str, Any]]:
        return [
            {
                "ipv6CidrBlock": each["ipv6CidrBlock"],
                "associationId": each["associationId"],
                "ipv6CidrBlockState": {"state": each["ipv6CidrBlockState"]["State"]},
            }
            for each in self.ipv6_cidr_block_associations.values()
            if each["ipv6CidrBlockState"]["State"] == "associated"
        ]

    def description(self: Any) -> Any:
        return self.ip_range.get("Description") or self.source_group.get("Description")

    def prep_nics(self: Any, *arguments: Any, **named: Any) -> None:
        prepare(self, *arguments, **named)
        self.security_groups = self.security_groups or list(self.nics[0].group_set)

    prepare = Instance.prep_nics
    Instance.prep_nics = prep_nics
    SecurityGroupRule.description = property(description)
    Subnet.ipv6_cidr_block_association_set = property(associations)


def _mend_launch_templates() -> None:
    from moto.core.types import Base64EncodedString
    from moto.ec2.models.launch_templates import LaunchTemplate
    from moto.ec2.utils import parse_user_data

    def create_version(self: Any, data: dict[str, Any], description: str) -> Any:
        tags = [each for each in data.get("TagSpecifications", ()) if each["ResourceType"] != "launch-template"]
        told = data.get("UserData")
        told = told if isinstance(told, Base64EncodedString) else parse_user_data(told)
        return create(self, {**data, "TagSpecifications": tags, "UserData": told}, description)

    create = LaunchTemplate.create_version
    LaunchTemplate.create_version = create_version


def _mend_groups() -> None:
    from moto.autoscaling.models import FakeScalingPolicy
    from moto.autoscaling.responses import AutoScalingResponse
    from moto.core.responses import ActionResult, EmptyResult
    from moto.core.utils import utcnow

    def group_of(self: Any) -> Any:
        return self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]

    def keep_warmup(make: Any) -> Any:
        def made(self: Any) -> Any:
            result = make(self)
            if (seconds := self._get_int_param("DefaultInstanceWarmup")) is not None:
                group_of(self).default_instance_warmup = seconds
            return result

        return made

    def make_policy(self: Any, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        self.enabled = True
        self.predictive_scaling_configuration = self.predictive_scaling_configuration or None

    def complete_lifecycle_action(self: Any) -> Any:
        instance = self._get_param("InstanceId")
        assert instance in [each.instance.id for each in group_of(self).instance_states], "it is not of this group"
        assert self._get_param("LifecycleActionResult") == "CONTINUE"
        self.autoscaling_backend.ec2_backend.terminate_instances([instance])
        return EmptyResult()

    def record_lifecycle_action_heartbeat(self: Any) -> Any:
        assert self._get_param("InstanceId") in [each.instance.id for each in group_of(self).instance_states]
        return EmptyResult()

    def start_instance_refresh(self: Any) -> Any:
        refreshes = vars(group_of(self)).setdefault("refreshes", [])
        refresh = {
            "InstanceRefreshId": f"refresh-{len(refreshes) + 1}",
            "AutoScalingGroupName": self._get_param("AutoScalingGroupName"),
            "Status": "Pending",
            "StartTime": utcnow(),
            "Preferences": self._get_param("Preferences", {}),
        }
        refreshes.append(refresh)
        return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})

    def describe_instance_refreshes(self: Any) -> Any:
        return ActionResult({"InstanceRefreshes": vars(group_of(self)).get("refreshes", [])})

    make = FakeScalingPolicy.__init__
    FakeScalingPolicy.__init__ = make_policy
    for each in ("create_auto_scaling_group", "update_auto_scaling_group"):
        setattr(AutoScalingResponse, each, keep_warmup(getattr(AutoScalingResponse, each)))
    AutoScalingResponse.complete_lifecycle_action = complete_lifecycle_action
    AutoScalingResponse.record_lifecycle_action_heartbeat = record_lifecycle_action_heartbeat
    AutoScalingResponse.start_instance_refresh = start_instance_refresh
    AutoScalingResponse.describe_instance_refreshes = describe_instance_refreshes


def _mend_zones() -> None:
    from moto.core.responses import ActionResult
    from moto.route53.responses import Route53

    def create_hosted_zone(self: Any) -> Any:
        if self._get_param("VPC.VPCId"):
            self._get_bool_param = lambda name, default=None: True
        return create(self)

    def done_at_once(change: Any) -> Any:
        def changed(self: Any) -> Any:
            return ActionResult({name: value for name, value in change(self).result.items() if name != "ChangeInfo"})

        return changed

    create = Route53.create_hosted_zone
    Route53.create_hosted_zone = create_hosted_zone
    for each in ROUTE53_CHANGES:
        setattr(Route53, each, done_at_once(getattr(Route53, each)))


def main() -> None:
    """Serve until standard input ends."""
    os.environ[MANAGED_POLICIES] = "true"
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line for each request
    mend()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]) if sys.argv[1:] else 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(port, flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
