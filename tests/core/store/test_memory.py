"""What only the memory store does: it expires by its clock, and forgets when it is full."""

from core.store.memory import MemoryStore


async def test_values_expire_by_the_clock() -> None:
    now = 100.0
    store = MemoryStore(lambda: now)
    store.put("a", b"1", expiry_seconds=10)
    store.put("b", b"2", expiry_seconds=0)
    now = 109.9
    assert await store.get(["a", "b"]) == {"a": b"1", "b": b"2"}
    now = 110.0
    assert await store.get(["a", "b"]) == {"b": b"2"}
    assert await store.swap("a", None, b"3", expiry_seconds=0)


def test_two_stores_have_two_owners() -> None:
    assert MemoryStore().owner != MemoryStore().owner
