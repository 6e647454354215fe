"""The command ``aws`` for scripts under test, on boto3: as much of it as the scripts use, by the services' own models.

A flag that an operation does not have is an error here as it is with the real one. Run as a program by the wrapper that
`tests.infra.instance` puts on PATH; the emulator is where AWS_ENDPOINT_URL says.

    aws SERVICE OPERATION [--flag [VALUE...]]... [--query EXPRESSION] [--output text|json] [--cli-input-json file://FILE]
    aws s3 cp [--only-show-errors] s3://BUCKET/KEY FILE
"""

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError

FAILED = 254
"""What the real command ends with where the service refused."""


def main(words: list[str]) -> int:
    """Run one command; returns the exit status."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    assert urlsplit(endpoint).hostname == "127.0.0.1", "tests use no AWS but their own"
    service, operation, *rest = words
    client: Any = boto3.client(service, endpoint_url=endpoint)
    try:
        if (service, operation) == ("s3", "cp"):
            return _copy(client, [word for word in rest if word != "--only-show-errors"])
        return _call(client, operation, rest)
    except ClientError as error:
        print(f"An error occurred: {error}", file=sys.stderr)
        return FAILED


def _copy(client: Any, places: list[str]) -> int:
    source, target = places
    where = urlsplit(source)
    Path(target).write_bytes(client.get_object(Bucket=where.netloc, Key=where.path.lstrip("/"))["Body"].read())
    return 0


def _call(client: Any, operation: str, words: list[str]) -> int:
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
    print(_text(answer) if output == "text" else json.dumps(answer, default=str))
    return 0


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
