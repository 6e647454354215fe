"""What all tests share: which event loops the asynchronous ones run on, and no clock over the property tests."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop
from hypothesis import settings

# A busy machine is no reason to fail: the limit per test is the only clock.
settings.register_profile("tidegate", deadline=None)
settings.load_profile("tidegate")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# The product runs on uvloop where there is one and has to run without; these cross every part with a socket.
ON_BOTH_LOOPS = {"test_relay", "test_socket_link", "test_fault_proxy"}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Run socket tests on both loops, the rest on the standard one."""
    loops: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem in ON_BOTH_LOOPS:
        loops["uvloop"] = uvloop.new_event_loop
    return loops
