"""What a server of Consul does at its start, with the user data that Terraform gave it: up to a leader that answers.

`tests.infra.test_three_regions` calls it in the middle of the example's life. The certificates are made as
infra/terraform/modules/consul/README.md tells the operator to; Consul is real, and stands alone.
"""

import contextlib
import hashlib
import io
import json
import re
import socket
import ssl
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.consul_server import consul_program
from tests.infra.boots import check_units, wait_until
from tests.infra.cloud import CORE_REGION, Cloud
from tests.infra.instance import Instance, Metadata
from tests.relays import free_port

FLEET = "tidegate"
HOST = f"consul.{FLEET}.internal"
FILES = {"authority": "consul-agent-ca.pem", "certificate": "dc1-{}-consul-0.pem", "key": "dc1-{}-consul-0-key.pem"}


def publish_consul(cloud: Cloud, bucket: str) -> dict[str, str]:
    """Put a release of Consul into S3, as HashiCorp packs it; returns the variable ``consul.release``."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # the program itself has a hundred megabytes, and is here already
        archive.writestr("consul", f'#!/bin/bash\nexec "{consul_program()}" "$@"\n')
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": CORE_REGION})
    s3.put_object(Bucket=bucket, Key="consul.zip", Body=packed.getvalue())
    return {"bucket": bucket, "key": "consul.zip", "sha256": hashlib.sha256(packed.getvalue()).hexdigest()}


def check_consul_boots(folder: Path, cloud: Cloud) -> None:
    """Start one of the servers; it leads, answers who has a certificate, and nobody else."""
    certificates = folder / "consul-certificates"
    _make_certificates(certificates)
    _upload(certificates, cloud)
    root = folder / "consul-machine"
    root.mkdir()
    metadata = Metadata({})
    try:
        server = Instance(root, cloud, CORE_REGION, _user_data(cloud), metadata)
        server.boot()
    finally:
        metadata.stop()
    assert server.calls.read_text().splitlines() == ["daemon-reload", "enable --now consul.service"]
    secrets = ("authority.pem", "certificate.pem", "key.pem", "gossip.json")
    assert {server.path(f"/etc/consul.d/{name}").stat().st_mode & 0o777 for name in secrets} == {0o600}
    check_units(server, "consul")
    with _agent(server) as port:
        context = ssl.create_default_context(cafile=certificates / FILES["authority"])
        with contextlib.suppress(OSError):  # refused while greeting or at the first word, as TLS goes
            assert not _ask(context, port), "it answers somebody without a certificate"
        certificate, key = (certificates / FILES[name].format("client") for name in ("certificate", "key"))
        context.load_cert_chain(certificate, key)
        assert b"200 OK" in _ask(context, port)


def _make_certificates(folder: Path) -> None:
    folder.mkdir()
    for words in (
        ("ca", "create"),
        ("cert", "create", "-server", "-dc", "dc1", f"-additional-dnsname={HOST}"),
        ("cert", "create", "-client", "-dc", "dc1"),
    ):
        subprocess.run([consul_program(), "tls", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _upload(folder: Path, cloud: Cloud) -> None:
    ssm = cloud.client("ssm")
    for name, file in FILES.items():
        path = f"/tidegate/{FLEET}/consul/server/{name}"
        ssm.put_parameter(Name=path, Value=(folder / file.format("server")).read_text(), Type="SecureString")


def _user_data(cloud: Cloud) -> str:
    ec2 = cloud.client("ec2")
    names = [{"Name": "tag:Name", "Values": [f"{FLEET}-consul-*"]}]
    servers = [each for found in ec2.describe_instances(Filters=names)["Reservations"] for each in found["Instances"]]
    assert len(servers) == 3
    told = {
        ec2.describe_instance_attribute(InstanceId=each["InstanceId"], Attribute="userData")["UserData"]["Value"]
        for each in servers
    }
    assert len(told) == 1, "servers differ in nothing but their address"
    return str(told.pop())


@contextlib.contextmanager
def _agent(server: Instance) -> Iterator[int]:
    """Run the unit's command with the configuration as it is, but for addresses, ports and folders; gives the port."""
    configuration: dict[str, Any] = json.loads(server.path("/etc/consul.d/consul.json").read_text())
    assert configuration["bootstrap_expect"] == len(configuration["retry_join"]) == 3
    for name in ("ca_file", "cert_file", "key_file", "data_dir"):
        configuration[name] = str(server.path(configuration[name]))
    port, *others = (free_port() for _ in range(4))
    ports = dict(zip(("server", "serf_lan", "serf_wan"), others, strict=True))
    configuration |= {"bootstrap_expect": 1, "retry_join": [], "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1"}
    configuration["ports"] |= {"https": port, **ports}
    server.path("/etc/consul.d/consul.json").write_text(json.dumps(configuration))
    log = server.root / "consul.log"
    command = [str(server.path("/usr/local/bin/consul")), "agent", f"-config-dir={server.path('/etc/consul.d')}"]
    with log.open("w") as said, subprocess.Popen(command, cwd=server.root, stdout=said, stderr=said) as process:

        def leads() -> bool:
            assert process.poll() is None, log.read_text()
            return "New leader elected" in log.read_text()

        try:
            wait_until(leads)
            assert re.search(r"Gossip( Encryption)?: true", log.read_text()), "servers speak openly"
            yield port
        finally:
            process.kill()


def _ask(context: ssl.SSLContext, port: int) -> bytes:
    """Ask for the leader by the name that relays use; returns the first bytes of the answer."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=HOST) as tls,
    ):
        tls.sendall(f"GET /v1/status/leader HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return tls.recv(256)
