"""Posts a body to one address: the only module that knows the HTTP client (httpx), which the extra ``webhook`` brings.

Imported by the feature `webhook` when it is loaded, so that cores without it need no httpx. It was chosen over aiohttp
because it is plain Python, loads in 32 ms instead of 128, and follows no redirects unless it is told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from core.features.webhook_queue import NO_ANSWER

MAX_ANSWER_BYTES = 8192
"""An answer's body is read so far, so that its connection can be used again; of a longer one it is closed."""

MAX_HEADER_CHARACTERS = 200
MAX_PROBLEM_CHARACTERS = 200
KEEP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: ``status`` is NO_ANSWER where nothing did, and ``problem`` then says why."""

    status: int
    retry_after: str = ""
    problem: str = ""


class Poster:
    """One target's connection; one request at a time. What it says of failures never contains the address's path."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._client: httpx.AsyncClient | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body and return the answer; raises CancelledError only."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._post(body, headers)
        except TimeoutError:
            return Answer(NO_ANSWER, problem=f"no whole answer within {self._timeout_seconds:g} s")
        except Exception as error:  # whatever a library has to say, the queue must go on
            return Answer(NO_ANSWER, problem=self._describe(error))

    async def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            client, self._client = self._client, None
            with contextlib.suppress(httpx.HTTPError, OSError):
                await client.aclose()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._client is None:
            # In a thread: reading the list of certificate authorities takes tens of milliseconds.
            self._client = await asyncio.to_thread(_make_client)
        async with self._client.stream("POST", self._url, content=body, headers=dict(headers)) as answer:
            self._client.cookies.clear()  # a target's cookies would only add up
            await _read_some(answer)
            after = answer.headers.get("retry-after", "")[:MAX_HEADER_CHARACTERS]
            return Answer(answer.status_code, after, answer.reason_phrase[:MAX_PROBLEM_CHARACTERS])

    def _describe(self, error: Exception) -> str:
        text = str(error).replace(self._url, "the address")
        cause = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return cause[:MAX_PROBLEM_CHARACTERS]


async def _read_some(answer: httpx.Response) -> None:
    """Read a body as far as it is worth it; what is compressed stays so."""
    read = 0
    async for chunk in answer.aiter_raw():
        read += len(chunk)
        if read > MAX_ANSWER_BYTES:
            return


def _make_client() -> httpx.AsyncClient:
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below that they log addresses, which may be secrets
    return httpx.AsyncClient(
        follow_redirects=False,
        trust_env=False,  # the environment's proxies are not for us, nor are passwords in a .netrc
        timeout=None,  # noqa: S113 - `Poster.post` has one for the whole
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_SECONDS),
        headers={"User-Agent": "Tidegate"},
    )
