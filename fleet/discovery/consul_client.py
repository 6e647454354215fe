"""The one module that knows py-consul: five calls to an agent, typed, bounded and with a time limit each.

py-consul knows Consul's endpoints; the bytes go through a transport of our own, because its asyncio one reads answers
of any length. The library has no type information, so ``Any`` stays in this module. A refused token or certificate has
the next call read both anew from their files, so that the operator can change them without a restart.

Imported only by a process that uses Consul: it loads aiohttp.
"""

import asyncio
import contextlib
import os
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from consul import ConsulException
from consul import base as library
from consul.exceptions import ACLPermissionDenied

from fleet.address import Address
from wire.errors import TidegateError

MAX_ANSWER_BYTES = 2 << 20
"""An entry of ours is about 2 KB, and a fleet's answer some hundred of them."""

CALL_SECONDS = 2.0
"""How long an agent on the same machine or in the same network may take for a call that does not wait."""

MAX_TOKEN_BYTES = 4096
MAX_ERROR_CHARACTERS = 200
MAX_CONNECTIONS = 8

_INDEX = re.compile(r"[0-9]{1,20}")


class ConsulError(TidegateError):
    """A call did not work; the text says why, bounded and without secrets."""

    code = "consul"


@dataclass(frozen=True, slots=True)
class ConsulConfig:
    """Where the agent is and who we are to it.

    With an ``authority_file`` it is spoken to by TLS, with ``certificate_file`` and ``key_file`` as ours. The token is
    that of ``token_file``, or else ``token``, or else that of the variable ``CONSUL_HTTP_TOKEN``. An empty
    ``datacenter`` is the agent's own.
    """

    address: Address
    token: str = field(default="", repr=False)
    token_file: str = ""
    datacenter: str = ""
    authority_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a health query found: ``entries`` as decoded from JSON, unchecked, and the index for the next query."""

    index: int
    entries: Sequence[object]


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it is registered; its one check is called ``service:ID`` and runs out by itself."""

    name: str
    service_id: str
    address: Address
    metadata: Mapping[str, str]
    ttl_seconds: float
    remove_after_seconds: float

    @property
    def check_id(self) -> str:
        """What the check is called."""
        return f"service:{self.service_id}"


class ConsulClient:
    """One agent. All calls raise ConsulError, and may be cancelled. `close` it."""

    def __init__(self, config: ConsulConfig) -> None:
        self._config = config
        self._client: Any = None

    async def find(self, service: str, *, index: int, wait_seconds: float) -> Answer:
        """Return the entries of a service, and of its checks; with an index, wait for another one up to the time."""
        client = await self._open()
        wait = {"index": index, "wait": f"{max(1, round(wait_seconds * 1000))}ms"} if index else {}
        # Consul adds up to a sixteenth to the wait.
        limit_seconds = CALL_SECONDS + (wait_seconds * 17 / 16 if index else 0)
        found_index, entries = await self._call(lambda: client.health.service(service, **wait), limit_seconds)
        if not isinstance(entries, list):
            raise ConsulError("the answer is not a list of services")
        return Answer(int(found_index) if _INDEX.fullmatch(found_index) else 0, entries)

    async def register(self, service: Service) -> None:
        """Register a service, or change what is registered; a new check begins as a warning, another stays as it is.

        An agent passes the text of a check on at once only with a change of its status, and otherwise in minutes. So
        no report has the status of the beginning.
        """
        client = await self._open()
        check = {
            "CheckID": service.check_id,
            "Name": "can serve",
            "TTL": f"{service.ttl_seconds:g}s",
            "Status": "warning",
            "Notes": "updated by the relay itself",
            "DeregisterCriticalServiceAfter": f"{service.remove_after_seconds:g}s",
        }
        await self._call(
            lambda: client.agent.service.register(
                service.name,
                service_id=service.service_id,
                address=service.address.host,
                port=service.address.port,
                meta=dict(service.metadata),
                check=check,
            )
        )

    async def report(self, check_id: str, *, is_passing: bool, output: str) -> None:
        """Say how the service fares; raises ConsulError also where the agent does not know the check."""
        client = await self._open()
        tell = client.agent.check.ttl_pass if is_passing else client.agent.check.ttl_fail
        if not await self._call(lambda: tell(check_id, notes=output)):
            raise ConsulError(f"it does not know {check_id}")

    async def deregister(self, service_id: str) -> None:
        """Remove a service; harmless where there is none."""
        client = await self._open()
        await self._call(lambda: client.agent.service.deregister(service_id))

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.http.close()

    async def _call(self, make: Callable[[], Any], limit_seconds: float = CALL_SECONDS) -> Any:
        try:
            async with asyncio.timeout(limit_seconds):
                return await make()
        except TimeoutError as error:
            raise ConsulError(f"{self._config.address}: no answer in {limit_seconds:.3g} s") from error
        except (ACLPermissionDenied, aiohttp.ClientSSLError) as error:
            await self.close()  # the next call reads token and certificates anew
            raise ConsulError(self._describe(error)) from error
        except (ConsulException, aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            raise ConsulError(self._describe(error)) from error

    def _describe(self, error: BaseException) -> str:
        if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
            text = os.strerror(error.os_error.errno) if error.os_error.errno else str(error.os_error)
        else:
            text = str(error) or type(error).__name__
        text = "".join(each if each.isprintable() else " " for each in text[:MAX_ERROR_CHARACTERS]).strip()
        return f"{self._config.address}: {text}"

    async def _open(self) -> Any:
        if self._client is None:
            try:
                token, context = await asyncio.to_thread(self._read_files)
            except (OSError, ValueError) as error:
                raise ConsulError(_describe_file(error)) from error
            if self._client is None:  # another call may have been faster
                self._client = _Library(self._config, context)
                self._client.token = token or os.environ.get("CONSUL_HTTP_TOKEN", "")
        return self._client

    def _read_files(self) -> tuple[str, ssl.SSLContext | None]:
        """Return token and TLS context; blocks. Raises OSError and ValueError."""
        config, token = self._config, self._config.token
        if config.token_file:
            with Path(config.token_file).open("rb") as file:
                token = file.read(MAX_TOKEN_BYTES).decode("ascii").strip()
            if not token.isprintable():
                raise ValueError(f"{config.token_file} does not hold a token")
        if not config.authority_file:
            return token, None
        context = ssl.create_default_context(cafile=config.authority_file)
        if config.certificate_file:
            context.load_cert_chain(config.certificate_file, config.key_file or None)
        return token, context


def check_files(config: ConsulConfig) -> None:
    """Read token and certificates once, so that a mistake is found at the start; blocks. Raises ConsulError."""
    try:
        ConsulClient(config)._read_files()
    except (OSError, ValueError) as error:
        raise ConsulError(_describe_file(error)) from error


def _describe_file(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):  # its text would repeat what the file holds
        return "the token's file does not hold a token"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read: {error.strerror}"
    return f"token or certificates cannot be used: {error}"


class _Library(library.Consul):  # type: ignore[misc]  # py-consul has no types
    """py-consul with our transport under it."""

    def __init__(self, config: ConsulConfig, context: ssl.SSLContext | None) -> None:
        self._context = context
        scheme = "http" if context is None else "https"
        host = f"[{config.address.host}]" if ":" in config.address.host else config.address.host
        super().__init__(host, config.address.port, scheme=scheme, dc=config.datacenter or None, verify=True)

    def http_connect(self, host: str, port: int, scheme: str, *_: object) -> Any:
        return _Transport(host, port, scheme, context=self._context)


class _Transport(library.HTTPClient):  # type: ignore[misc]  # py-consul has no types
    """What py-consul sends by: aiohttp, with a bound on answers, no cookies, no redirects, no compression."""

    def __init__(self, host: str, port: int, scheme: str, *, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, scheme)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ssl=context if context is not None else True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CALL_SECONDS),  # `_call` keeps the time
            headers={"Accept-Encoding": "identity"},
        )

    async def _send(
        self, callback: Any, method: str, path: str, params: Any, headers: Any, data: str | bytes | None = None
    ) -> Any:
        uri = self.uri(path, params)
        async with self._session.request(method, uri, headers=headers, data=data, allow_redirects=False) as response:
            body = await _read_bounded(response)
            if response.status >= 300 and response.status < 400:
                raise ConsulException(f"{response.status}: it sends us elsewhere, so it is no agent")
            return callback(library.Response(response.status, response.headers, body))

    def get(self, callback: Any, path: str, params: Any = None, headers: Any = None, **_: object) -> Any:
        return self._send(callback, "GET", path, params, headers)

    def put(
        self, callback: Any, path: str, params: Any = None, data: Any = "", headers: Any = None, **_: object
    ) -> Any:
        return self._send(callback, "PUT", path, params, headers, data)

    def post(
        self, callback: Any, path: str, params: Any = None, data: Any = "", headers: Any = None, **_: object
    ) -> Any:
        return self._send(callback, "POST", path, params, headers, data)

    def delete(
        self, callback: Any, path: str, params: Any = None, data: Any = "", headers: Any = None, **_: object
    ) -> Any:
        return self._send(callback, "DELETE", path, params, headers, data)

    async def close(self) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            await self._session.close()


async def _read_bounded(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise ConsulException(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return body.decode()
