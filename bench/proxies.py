"""The other relays: a pair of HAProxies and a pair of nginxes, as Debian ships them.

Both as plain TCP proxies with one thread, with no more in their configuration than what keeps them from
refusing sessions or ending idle ones. Nothing is switched on or off that would make them slower or faster.
"""

import shutil
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

from bench.processes import LOOPBACK, Process, free_port, running, wait_until_accepting

SPARE_SESSIONS = 100
"""Beside the load's own: those that ask whether somebody accepts."""

NGINX_STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
"""Where Debian keeps servers; not on the path of ordinary users."""

_HAPROXY = """\
global
    nbthread 1
    maxconn {sessions}
defaults
    mode tcp
    maxconn {sessions}
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend players
    bind {host}:{port} backlog 4096
    default_backend next
backend next
    server next {host}:{next_port}
"""

_NGINX = """\
{load_module}
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{
    worker_connections {files};
}}
stream {{
    server {{
        listen {host}:{port} backlog=4096;
        proxy_connect_timeout 10s;
        proxy_timeout 1h;
        proxy_pass {host}:{next_port};
    }}
}}
"""


def find_program(name: str) -> str | None:
    """Return where a program is, or None."""
    return shutil.which(name) or next(filter(None, (shutil.which(name, path=path) for path in _SYSTEM_FOLDERS)), None)


def nginx_has_stream() -> bool:
    """Whether nginx can relay TCP: by the module that is a package of its own, or built in."""
    return NGINX_STREAM_MODULE.exists() or _is_stream_built_in()


def haproxy_configuration(*, port: int, next_port: int, sessions: int) -> str:
    """Return the configuration of one HAProxy."""
    return _HAPROXY.format(host=LOOPBACK, port=port, next_port=next_port, sessions=sessions + SPARE_SESSIONS)


def nginx_configuration(*, port: int, next_port: int, sessions: int, folder: Path) -> str:
    """Return the configuration of one nginx; ``folder`` is its own, for what it writes."""
    return _NGINX.format(
        load_module="" if _is_stream_built_in() else f"load_module {NGINX_STREAM_MODULE};",
        files=2 * (sessions + SPARE_SESSIONS),  # one connection to each side
        folder=folder,
        host=LOOPBACK,
        port=port,
        next_port=next_port,
    )


async def start_haproxy(stack: AsyncExitStack, next_port: int, sessions: int, folder: Path) -> tuple[Process, int]:
    """Start one HAProxy in front of ``next_port``; return it and its port."""
    port = free_port()
    file = folder / f"haproxy-{port}.cfg"
    file.write_text(haproxy_configuration(port=port, next_port=next_port, sessions=sessions), encoding="utf-8")
    program = find_program("haproxy") or "haproxy"
    process = await stack.enter_async_context(running("haproxy", program, "-db", "-f", file))
    await wait_until_accepting(process, port)
    return process, port


async def start_nginx(stack: AsyncExitStack, next_port: int, sessions: int, folder: Path) -> tuple[Process, int]:
    """Start one nginx in front of ``next_port``; return it and its port."""
    port = free_port()
    home = folder / f"nginx-{port}"
    home.mkdir()
    file = home / "nginx.conf"
    text = nginx_configuration(port=port, next_port=next_port, sessions=sessions, folder=home)
    file.write_text(text, encoding="utf-8")
    program = find_program("nginx") or "nginx"
    command = (program, "-p", f"{home}/", "-e", "stderr", "-c", file)
    process = await stack.enter_async_context(running("nginx", *command))
    await wait_until_accepting(process, port)
    return process, port


def _is_stream_built_in() -> bool:
    program = find_program("nginx")
    if program is None:
        return False
    shown = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    return "--with-stream " in f"{shown} "
