"""What the tests of TLS share."""

import pytest

from tests.relays import free_port


@pytest.fixture
def unused_port() -> int:
    return free_port()
