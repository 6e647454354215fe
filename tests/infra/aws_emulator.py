"""An AWS of one's own: moto in server mode, with what it answers differently from AWS mended.

Run as a process by `tests.infra.cloud` (``python -m tests.infra.aws_emulator``): it takes a free loopback port, says
which in one line on standard output, and serves until standard input ends.

Mended, because modules would otherwise have to be bent to it:

- a subnet's IPv6 prefix has its state one level too deep, and the provider waits for it in vain;
- a zone that is made with a VPC is a private one; moto goes by a flag that neither AWS nor the provider needs;
- a lifecycle hook that is completed lets its instance end; moto does not know the call.
"""

import logging
import os
import sys
from typing import Any

MANAGED_POLICIES = "MOTO_IAM_LOAD_MANAGED_POLICIES"


def mend() -> None:
    """Change moto as the module says."""
    from moto.autoscaling.responses import AutoScalingResponse
    from moto.core.responses import EmptyResult
    from moto.ec2.models.subnets import Subnet
    from moto.route53.responses import Route53

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

    def create_hosted_zone(self: Any) -> Any:
        if self._get_param("VPC.VPCId"):
            self._get_bool_param = lambda name, default=None: True
        return create(self)

    def complete_lifecycle_action(self: Any) -> Any:
        group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
        instance = self._get_param("InstanceId")
        assert instance in [each.instance.id for each in group.instance_states], "it is not an instance of this group"
        assert self._get_param("LifecycleActionResult") == "CONTINUE"
        self.autoscaling_backend.ec2_backend.terminate_instances([instance])
        return EmptyResult()

    create = Route53.create_hosted_zone
    Subnet.ipv6_cidr_block_association_set = property(associations)
    AutoScalingResponse.complete_lifecycle_action = complete_lifecycle_action
    Route53.create_hosted_zone = create_hosted_zone


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
