"""Settings that are texts with a rule of their own: names, charsets, the store's address, tokens.

Types for the fields of the sections (`tidegate.settings_edge` and its neighbours), each with its reader, which raises
ValueError with a sentence that says what would be right.
"""

import re
import socket
from functools import lru_cache
from itertools import product
from typing import Annotated

from pydantic import BeforeValidator, Field

from core.store.address import MASK, check_url
from core.store.names import DEFAULT_PREFIX, check_prefix
from tunnel.options import MAX_NAME_BYTES

NAME_RULE = f"1 to {MAX_NAME_BYTES} letters, digits, dots, dashes or underscores"
SERVICE_PREFIX_RULE = "1 to 40 small letters, digits and dashes"


def host_name() -> str:
    """The machine's name as a legal name for a relay, which is what people call it by default."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:MAX_NAME_BYTES] or "unnamed"


def _read_charset(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not the name of a charset: write one such as latin-1, gbk or cp1251")
    try:
        is_text = b"A".decode(value) == "A" and "A".encode(value) == b"A"
    except (LookupError, UnicodeError, ValueError):
        is_text = False
    if not is_text:
        raise ValueError(f"{value[:40]!r} is no charset in which A is A: write one such as latin-1, gbk or cp1251")
    if not _gives_back(value):
        raise ValueError(f"{value[:40]!r} does not always give back the bytes it read: gbk, cp1251 or latin-1 do")
    return value


@lru_cache(maxsize=8)
def _gives_back(charset: str) -> bool:
    """Whether every pair of bytes that is not ASCII comes back; 25 to 100 ms, which each charset costs once."""
    pairs = map(bytes, product(range(128, 256), range(256)))
    return all(raw.decode(charset, "surrogateescape").encode(charset, "surrogateescape") == raw for raw in pairs)


def _read_store_url(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("the address of a store is a text: write memory: or redis://HOST:PORT/DB")
    return check_url(value)


def _read_store_prefix(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no prefix for keys: write one such as {DEFAULT_PREFIX}")
    return check_prefix(value)


def _read_service_prefix(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", value):
        raise ValueError(f"{str(value)[:60]!r} is not {SERVICE_PREFIX_RULE}; write one such as tidegate")
    return value


def _read_token(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{0,256}", value):
        raise ValueError("it is no token: up to 256 printable characters without spaces")  # and it is not repeated
    if value == MASK:
        raise ValueError(f"{MASK} stands for a token that is not shown; write the token itself")
    return value


Name = Annotated[str, Field(pattern=rf"^[A-Za-z0-9._-]{{1,{MAX_NAME_BYTES}}}$")]
GameName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")]
Charset = Annotated[str, BeforeValidator(_read_charset)]
StoreUrl = Annotated[str, BeforeValidator(_read_store_url)]
StorePrefix = Annotated[str, BeforeValidator(_read_store_prefix)]
ServicePrefix = Annotated[str, BeforeValidator(_read_service_prefix)]
Token = Annotated[str, BeforeValidator(_read_token)]
