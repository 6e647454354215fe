"""Who in this process listens to which topic; both stores tell them of messages."""

from collections.abc import Callable

OnMessage = Callable[[bytes], None]


class Topics:
    """Listeners by topic."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[OnMessage]] = {}

    def subscribe(self, topic: str, on_message: OnMessage) -> Callable[[], None]:
        """Have somebody told of a topic's messages; returns what ends this, harmless when done twice."""

        def listener(message: bytes) -> None:  # one object per subscription, so that each ends its own
            on_message(message)

        self._listeners.setdefault(topic, []).append(listener)

        def end() -> None:
            listeners = self._listeners.get(topic, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners:
                self._listeners.pop(topic, None)

        return end

    def tell(self, topic: str, message: bytes) -> None:
        """Tell those who listen in this process."""
        for listener in tuple(self._listeners.get(topic, ())):
            listener(message)
