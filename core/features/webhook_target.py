"""A webhook's target as it stands in the settings, and where its secrets are read from.

The address may be a secret itself (whoever knows a Discord webhook's can write there), so it can stand in a file or in
the environment, as the secret for signing always does. Neither is part of what the settings show or log.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, PrivateAttr, field_validator, model_validator

from core.features.api import Settings
from core.features.webhook_body import Format

MAX_SECRET_BYTES = 4096

Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Variable = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", max_length=128)]

EVENTS: tuple[str, ...] = ("login", "ban", "incident")


class Target(Settings):
    """Where events go, which, and how."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="What the log calls it.")
    url: str = Field("", max_length=2048, repr=False, description="The address, unless it is a secret.")
    url_file: str = Field("", description="A file with the address.")
    url_env: Variable = Field("", description="An environment variable with the address.")
    secret_file: str = Field(
        "", description="A file with the secret for signing; line ends around it are no part of it."
    )
    secret_env: Variable = Field("", description="An environment variable with the secret for signing.")
    plain_http: bool = Field(default=False, description="Allow an address of another machine that begins with http://.")
    format: Format = Field("json", description='"json", or "discord" for a Discord webhook.')
    events: Annotated[tuple[Kind, ...], Field(strict=False, min_length=1, max_length=64)] = Field(
        EVENTS, description="The kinds of events that are sent."
    )
    batch_events: int = Field(10, ge=1, le=100, description="At most so many events in one request.")
    batch_seconds: float = Field(0.0, ge=0, le=60, description="Wait so long for more events before sending.")
    queue_events: int = Field(1000, ge=1, le=100_000, description="So many may wait; of more the oldest are dropped.")
    timeout_seconds: float = Field(10.0, ge=0.05, le=60, description="How long a request may take altogether.")
    retry_seconds: float = Field(1.0, ge=0.01, le=60, description="First wait after a failure; it doubles each time.")
    max_retry_seconds: float = Field(300.0, ge=0.01, le=3600, description="Longest wait between two attempts.")
    give_up_seconds: float = Field(3600.0, ge=0, le=86400, description="After so long a delivery is given up.")

    _address: str = PrivateAttr("")
    _secret: bytes = PrivateAttr(b"")

    @property
    def address(self) -> str:
        """Where to post to; never log it."""
        return self._address

    @property
    def secret(self) -> bytes:
        """What to sign with, empty for no signature; never log it."""
        return self._secret

    @property
    def host(self) -> str:
        """The part of the address that may be shown."""
        return urlsplit(self._address).hostname or ""

    @field_validator("url")
    @classmethod
    def _no_blanks(cls, url: str) -> str:
        return url.strip()

    @model_validator(mode="after")
    def _read(self) -> Self:
        """Read address and secret now, so that a mistake is said when the feature is loaded."""
        given = [each for each in (self.url, self.url_file, self.url_env) if each]
        if len(given) != 1:
            raise ValueError("write exactly one of url, url_file and url_env")
        if self.secret_file and self.secret_env:
            raise ValueError("write secret_file or secret_env, not both")
        self._address = self.url or _read_either("url", self.url_file, self.url_env).decode("utf-8", "replace")
        _check_address(self._address, plain_http=self.plain_http)
        if self.secret_file or self.secret_env:
            self._secret = _read_either("secret", self.secret_file, self.secret_env)
        return self


def _read_either(key: str, file: str, variable: str) -> bytes:
    """Return what a file or a variable holds, without blanks around it; raises ValueError, which never shows it."""
    if file:
        try:
            with Path(file).open("rb") as opened:
                raw = opened.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise ValueError(f"{key}_file: {file}: {error.strerror or type(error).__name__}") from error
    else:
        raw = os.environ.get(variable, "").encode("utf-8", "surrogateescape")
    place = f"{key}_file: {file}" if file else f"{key}_env: {variable}"
    if len(raw) > MAX_SECRET_BYTES:
        raise ValueError(f"{place}: longer than {MAX_SECRET_BYTES} bytes")
    if not raw.strip():
        raise ValueError(f"{place}: empty, or not there")
    return raw.strip()


def _check_address(address: str, *, plain_http: bool) -> None:
    """Refuse what is no address; what is wrong is said without it, for it may be a secret."""
    try:
        parts = urlsplit(address)
        if parts.port == 0:
            raise ValueError("port 0")
    except ValueError:
        raise ValueError("the address is none: write https://HOST/PATH") from None
    odd = not address.isascii() or not address.isprintable() or " " in address
    if odd or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the address is none: write https://HOST/PATH")
    if parts.username is not None:
        raise ValueError("the address has a user in it: sign with a secret instead")
    if parts.scheme == "http" and not plain_http and not _is_here(parts):
        raise ValueError(
            "the address begins with http://, which anybody on the way can read: https, or plain_http = true"
        )


def _is_here(parts: SplitResult) -> bool:
    """Whether the address is one of this machine."""
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
