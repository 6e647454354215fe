"""What relays say of themselves."""

from tidegate.gameday.relay_log import RelayLog


def test_the_last_statistics_count_per_edge() -> None:
    log = RelayLog()
    log.take({"event": "core_stats", "edge": "a", "sessions": 5, "sessions_closed_tunnel_lost": 1})
    log.take({"event": "core_stats", "edge": "a", "sessions": 3, "sessions_closed_tunnel_lost": 2})
    log.take({"event": "core_stats", "edge": "b", "sessions": 4, "sessions_closed_client_closed": 7})
    log.take({"event": "loop_stats", "p99": 1})
    assert log.sessions == 7
    assert log.closed == {"tunnel_lost": 2, "client_closed": 7}
    assert not log.events


def test_events_are_found_by_name_since_a_moment() -> None:
    log = RelayLog()
    log.take({"event": "core_away", "reason": "first"})
    later = log.events[0].seconds + 1e-9
    log.take({"event": "core_away", "reason": "second"})
    found = log.first("core_away", later)
    assert found is not None
    assert found.fields["reason"] == "second"
    assert log.first("core_away", 0) is log.events[0]
    assert log.first("core_back", 0) is None


def test_complaints_are_counted_with_their_reason() -> None:
    log = RelayLog()
    for _ in range(2):
        log.take({"event": "tunnel_fault", "level": "error", "reason": "broken"})
    log.take({"event": "rules_file_changed", "level": "warning"})
    log.take({"event": "core_attached", "level": "info"})
    assert log.complaints == {"tunnel_fault: broken": 2, "rules_file_changed": 1}


def test_refusals_by_reason() -> None:
    log = RelayLog()
    log.take({"event": "edge_stats", "sessions": 0, "sessions_refused_no_core": 3})
    assert log.refused == {"no_core": 3}
