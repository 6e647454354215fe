"""The command ``aws`` for scripts under test, on boto3: as much of it as the scripts use, by the services' own models.

A flag that an operation does not have is an error here as it is with the real one. What stands on PATH is a script that
hands its words to `AwsCommand`, a server in the tests' own process: loading boto3 takes a second, and there are many
calls.

    aws SERVICE OPERATION [--flag [VALUE...]]... [--query EXPRESSION] [--output text|json] [--cli-input-json file://FILE]
    aws s3 cp [--only-show-errors] s3://BUCKET/KEY FILE
"""

import http.server
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jmespath
from boto3.session import Session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

SCRIPT = """#!/bin/bash
answer="$(mktemp)"
trap 'rm -f "${answer}"' EXIT
status=$(printf '%s\\0' "$@" | curl --noproxy '*' -s -o "${answer}" -w '%{http_code}' --data-binary @- \\
  -H "Region: ${AWS_DEFAULT_REGION:-}" URL)
if [ "${status}" = 200 ]; then
  cat "${answer}"
  exit 0
fi
cat "${answer}" >&2
exit 254
"""
"""The program ``aws``; 254 is what the real one ends with where the service refused."""


class AwsCommand(http.server.ThreadingHTTPServer):
    """Runs commands against the emulator at ``endpoint`` until it is stopped."""

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        assert urlsplit(endpoint).hostname == "127.0.0.1", "tests use no AWS but their own"
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = endpoint
        self.thread = threading.Thread(target=self.serve_forever, name="aws", daemon=True)
        self.thread.start()

    def write_program(self, path: Path, *, first: str = "") -> None:
        """Write the program to ``path``; it does ``first`` before anything else."""
        url = f"http://127.0.0.1:{self.server_address[1]}/"
        path.write_text(SCRIPT.replace("URL", url).replace("bash\n", f"bash\n{first}\n", 1))
        path.chmod(0o755)

    def run(self, words: list[str], region: str) -> str:
        """Run one command and return what it prints; raises ClientError where the service refuses."""
        service, operation, *rest = words
        session = Session("testing", "testing", region_name=region)
        client: Any = session.client(service, endpoint_url=self.endpoint, config=Config(proxies={}))
        if (service, operation) == ("s3", "cp"):
            return _copy(client, [word for word in rest if word != "--only-show-errors"])
        return _call(client, operation, rest)

    def stop(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: AwsCommand

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            status, text = 200, self.server.run(body.split("\0")[:-1], self.headers["Region"])
        except ClientError as error:
            status, text = 400, f"An error occurred: {error}"
        except Exception as error:  # the script that asked shall fail, and say why
            status, text = 500, repr(error)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(f"{text}\n".encode() if text else b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _copy(client: Any, places: list[str]) -> str:
    source, target = places
    where = urlsplit(source)
    Path(target).write_bytes(client.get_object(Bucket=where.netloc, Key=where.path.lstrip("/"))["Body"].read())
    return ""


def _call(client: Any, operation: str, words: list[str]) -> str:
    name = operation.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[name]).input_shape
    members = {xform_name(member, "-"): (member, shape.members[member]) for member in shape.members}
    output, query = "json", None
    asked: dict[str, Any] = {}
    for flag, values in _flags(words):
        if flag in ("output", "query"):
            output, query = (values[0], query) if flag == "output" else (output, values[0])
        elif flag == "cli-input-json":
            asked |= json.loads(Path(values[0].removeprefix("file://")).read_text())
        elif not values:
            member, _ = members[flag.removeprefix("no-")]
            asked[member] = not flag.startswith("no-")
        else:
            member, kind = members[flag]
            asked[member] = _value(kind, values)
    answer = getattr(client, name)(**asked)
    answer.pop("ResponseMetadata", None)
    answer = answer if query is None else jmespath.search(query, answer)
    return _text(answer) if output == "text" else json.dumps(answer, default=str)


def _flags(words: list[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            found.append((word.removeprefix("--"), []))
        else:
            found[-1][1].append(word)
    return found


def _value(kind: Any, values: list[str]) -> Any:
    if values[0].startswith(("[", "{")):
        return json.loads(values[0])
    if kind.type_name == "list":
        return [_structure(kind.member, each) for each in values]
    (text,) = values
    return int(text) if kind.type_name in ("integer", "long") else text


def _structure(kind: Any, text: str) -> Any:
    if kind.type_name != "structure":
        return text
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        found[name] = [value] if kind.members[name].type_name == "list" else value
    return found


def _text(answer: Any) -> str:
    if answer is None:
        return "None"
    if isinstance(answer, list) and answer and isinstance(answer[0], list):
        return "\n".join(map(_text, answer))
    return "\t".join(map(str, answer)) if isinstance(answer, list) else str(answer)
