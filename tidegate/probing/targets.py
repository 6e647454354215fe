"""Which edges to measure: addresses as given, and lists as a core publishes them (``/edges.json``)."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.address import Address, parse_address
from tidegate.errors import StartError

MAX_TARGETS = 256
MAX_LIST_BYTES = 1 << 20
URL_SECONDS = 5.0
MAX_NAME_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Target:
    """One edge. ``place`` answers probes, by HTTP too unless it ``is_players_port``."""

    name: str
    place: Address
    region: str = ""
    is_players_port: bool = False


def gather(given: Sequence[str], file: Path | None, url: str) -> list[Target]:
    """Return the edges that are meant, each once; raises StartError with what is wrong."""
    targets = [Target(text, _address(text, "the command line")) for text in given]
    if file is not None:
        targets += read_list(_read_file(file), str(file))
    if url:
        targets += read_list(_fetch(url), url)
    unique = list({target.place: target for target in targets}.values())
    if not 1 <= len(unique) <= MAX_TARGETS:
        raise StartError(f"{len(unique)} edges to measure: name 1 to {MAX_TARGETS}, or give --file or --url")
    return unique


def read_list(raw: bytes, source: str) -> list[Target]:
    """Read a list of edges as a core publishes it; raises StartError. Edges that answer no probes are left out."""
    try:
        edges = json.loads(raw)["edges"]
        entries = [(each["name"], each["region"], each["address"], each["probe"]) for each in edges]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StartError(f"{source} is no list of edges: it needs version, and edges with name, region, …") from error
    targets = []
    for name, region, address, probe in entries:
        if not all(isinstance(each, str) for each in (name, region, address, probe)):
            raise StartError(f"{source} is no list of edges: name, region, address and probe are texts")
        if probe:
            place = _address(probe, source)
            targets.append(Target(_shown(name), place, _shown(region), is_players_port=probe == address))
    return targets


def _address(text: str, source: str) -> Address:
    try:
        address = parse_address(text)
    except ValueError as error:
        raise StartError(f"{source}: {error}") from error
    if not address.port:
        raise StartError(f"{source}: {text!r} has no port to ask")
    return address


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:MAX_NAME_CHARACTERS])


def _read_file(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return _bounded(opened.read(MAX_LIST_BYTES + 1), str(file))
    except OSError as error:
        raise StartError(f"{file}: {error.strerror}") from error


def _fetch(url: str) -> bytes:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise StartError(f"{url!r}: write http://HOST:PORT/edges.json")
    try:
        with urllib.request.urlopen(url, timeout=URL_SECONDS) as answer:  # noqa: S310 - the scheme was checked
            return _bounded(answer.read(MAX_LIST_BYTES + 1), url)
    except (OSError, ValueError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise StartError(f"{url} cannot be read: {reason}") from error


def _bounded(raw: bytes, source: str) -> bytes:
    if len(raw) > MAX_LIST_BYTES:
        raise StartError(f"{source}: more than {MAX_LIST_BYTES} bytes are no list of edges")
    return raw
