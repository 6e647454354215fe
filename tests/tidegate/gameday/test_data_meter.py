"""Counting DATA among the frames of HTTP/2, however the bytes are cut."""

from random import Random

import pytest

from fleet.address import Address
from tidegate.gameday.conditions import Way
from tidegate.gameday.data_meter import DataMeter
from tidegate.gameday.proxy_connection import CLEAR_BOTH_WAYS, ProxyConnection

SETTINGS, PING = 4, 6


def frame(kind: int, size: int) -> bytes:
    return size.to_bytes(3, "big") + bytes([kind]) + bytes(5) + b"\xff" * size


STREAM = frame(SETTINGS, 0) + frame(0, 1000) + frame(PING, 8) + frame(0, 1) + frame(0, 0) + frame(0, 70_000)


@pytest.mark.parametrize("size", [1, 8, 9, 10, 1000, len(STREAM)])
def test_only_data_counts(size: int) -> None:
    meter = DataMeter()
    connection = ProxyConnection(
        Address("127.0.0.1", 1), CLEAR_BOTH_WAYS, Random(1), on_gone=lambda _: None, on_bytes=meter
    )
    assert meter.data_bytes(connection) == 0
    for at in range(0, len(STREAM), size):
        meter(connection, Way.TO_CLIENT, STREAM[at : at + size])
        meter(connection, Way.TO_TARGET, b"what the edge says does not count")
    assert meter.data_bytes(connection) == 71_001
