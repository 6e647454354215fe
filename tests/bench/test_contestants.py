"""The contestants: what they need installed, and how many sessions they can hold."""

from pathlib import Path

import pytest

from bench import contestants, proxies
from bench.contestants import CONTESTANTS_BY_NAME, kernel_environment
from bench.errors import BenchError
from bench.loads import Load
from bench.run import fit

LOAD = Load("many", "many", 10_000, frames_per_second=1)


def test_a_missing_program_is_said_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "find_program", lambda _: None)
    monkeypatch.setattr(contestants, "nginx_has_stream", lambda: False)

    missing = {name: contestant.missing_packages() for name, contestant in CONTESTANTS_BY_NAME.items()}

    assert missing["haproxy"] == "haproxy"
    assert missing["nginx"] == "nginx libnginx-mod-stream"
    assert not any((missing["tidegate"], missing["naive"], missing["direct"]))


def test_our_relays_see_none_of_the_callers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_GAME_NAME", "raw")
    monkeypatch.setenv("TIDEGATE_PURE", "1")

    assert "TIDEGATE_GAME_NAME" not in kernel_environment(is_pure=True)
    assert kernel_environment(is_pure=True)["TIDEGATE_PURE"] == "1"
    assert "TIDEGATE_PURE" not in kernel_environment(is_pure=False)


@pytest.mark.parametrize(("name", "open_files", "sessions"), [("haproxy", 65_536, 10_000), ("haproxy", 20_000, 9868)])
def test_a_proxy_gets_as_many_sessions_as_open_files_allow(name: str, open_files: int, sessions: int) -> None:
    assert fit(LOAD, CONTESTANTS_BY_NAME[name], open_files).sessions == sessions


def test_far_too_few_open_files_are_said() -> None:
    with pytest.raises(BenchError, match="1024 open files allow it 380 sessions"):
        fit(LOAD, CONTESTANTS_BY_NAME["haproxy"], 1024)


def test_the_proxies_configurations_have_room_for_all_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "_is_stream_built_in", lambda: False)

    haproxy = proxies.haproxy_configuration(port=1, next_port=2, sessions=500)
    nginx = proxies.nginx_configuration(port=1, next_port=2, sessions=500, folder=tmp_path)

    assert "maxconn 600" in haproxy
    assert "bind 127.0.0.1:1 " in haproxy
    assert "server next 127.0.0.1:2" in haproxy
    assert "worker_connections 1200;" in nginx
    assert "load_module /usr/lib/nginx/modules/ngx_stream_module.so;" in nginx
