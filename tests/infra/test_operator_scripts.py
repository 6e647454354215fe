"""The operator's scripts for secrets: what they ask of AWS, in which order, and that no secret is in an argument."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.infra.cloud import ROOT

SCRIPTS = ROOT / "infra" / "terraform" / "scripts"

AWS = r"""#!/bin/bash
cd "$(dirname "$0")"
echo "$*" >> arguments
case "$1 $2" in
  "secretsmanager get-random-password") echo "drawn-$(wc -l < arguments | tr -d ' ')-by-aws" ;;
  "secretsmanager get-secret-value")
    [ -e secret ] || exit 254
    case "$*" in *SecretString*) cat secret ;; *) echo a-name ;; esac ;;
  "secretsmanager put-secret-value")
    sed 's/.*"SecretString": "\([^"]*\)".*/\1/' "${4#file://}" > secret ;;
  "elasticache wait") ;;
  "elasticache modify-replication-group")
    stat -c %a "${4#file://}" >> modes
    cat "${4#file://}" >> changes
    echo >> changes ;;
  *) echo "what is $*?" >&2; exit 252 ;;
esac
"""


class Operator:
    """A shell with an ``aws`` that writes down what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "aws").write_text(AWS)
        (folder / "aws").chmod(0o755)

    def run(self, script: str, *arguments: str, status: int = 0) -> str:
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "TMPDIR": str(self.folder)}
        done = subprocess.run(
            [str(SCRIPTS / script), *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    def read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def changes(self) -> list[tuple[str, str]]:
        found = [json.loads(line) for line in self.read("changes").splitlines()]
        assert all(each["ReplicationGroupId"] == "harbour" and each["ApplyImmediately"] for each in found)
        return [(each["AuthTokenUpdateStrategy"], each["AuthToken"]) for each in found]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_a_group_gets_its_first_token_and_then_no_other(operator: Operator) -> None:
    said = operator.run("set_redis_token", "eu-central-1", "harbour", "harbour-redis-token")
    token = operator.read("secret").strip()
    assert token.startswith("drawn-")
    assert operator.changes() == [("ROTATE", token), ("SET", token)]
    assert "takes the token of harbour-redis-token and no other" in said
    operator.run("set_redis_token", "eu-central-1", "harbour", "harbour-redis-token")
    assert operator.read("secret").strip() == token, "it was drawn once"
    assert token not in operator.read("arguments") + said
    assert set(operator.read("modes").split()) == {"600"}
    assert not list(operator.folder.glob("tmp.*")), "nothing is left behind"


def test_a_new_token_is_taken_beside_the_old_one_first(operator: Operator) -> None:
    operator.run("set_redis_token", "eu-central-1", "harbour", "harbour-redis-token")
    old = operator.read("secret").strip()
    said = operator.run("set_redis_token", "--new", "eu-central-1", "harbour", "harbour-redis-token")
    new = operator.read("secret").strip()
    assert new != old
    assert "replace the cores, then run this again without --new" in said
    operator.run("set_redis_token", "eu-central-1", "harbour", "harbour-redis-token")
    assert operator.changes()[2:] == [("ROTATE", new), ("ROTATE", new), ("SET", new)]


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("make_secret", ()),
        ("make_secret", ("eu-central-1", "name", "bytes")),
        ("set_redis_token", ("eu-central-1", "harbour")),
        ("upload_certificates", ("harbour", "edge", "eu", "eu-central-1")),
    ],
)
def test_wrong_use_says_the_right_one(operator: Operator, script: str, arguments: tuple[str, ...]) -> None:
    assert operator.run(script, *arguments, status=2).startswith(f"usage: {script} ")
    assert operator.read("arguments") == ""
