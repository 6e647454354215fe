"""The places of an edge's workers in the memory in which they count connections (`edge.shared_counts`).

Called by the supervisor (`tidegate.supervisor`). There is one place more than there are workers: during an upgrade a
worker and its successor each count their own players, and what the old one held is given back when it has ended.
"""

import os

from edge.shared_counts import Geometry, attach_memory, create_memory, geometry_of


class WorkerPlaces:
    """One memory, with the places in it that are free. ``file`` is its open file, which workers inherit."""

    def __init__(self, file: int, geometry: Geometry) -> None:
        self.file = file
        self.geometry = geometry
        self._counts = attach_memory(file, geometry, 0)
        self._free = list(range(geometry.places))

    @classmethod
    def create(cls, geometry: Geometry) -> "WorkerPlaces":
        """Return fresh memory, with every place free."""
        return cls(create_memory(geometry), geometry)

    @classmethod
    def adopt(cls, file: int) -> "WorkerPlaces | None":
        """Return the memory of an open file; None when it is laid out as another version does."""
        geometry = geometry_of(file)
        return None if geometry is None else cls(file, geometry)

    @property
    def is_unused(self) -> bool:
        """Whether no worker counts in it any more."""
        return len(self._free) == self.geometry.places

    def take(self) -> int:
        """Return a free place (from 0), which is not free any more."""
        return self._free.pop(0)

    def take_again(self, place: int) -> None:
        """A worker has had this place since before this program was started."""
        self._free.remove(place)

    def give_back(self, place: int) -> None:
        """Forget all that a worker held; it must have ended."""
        self._counts.forget(place)
        self._free.append(place)

    def close(self) -> None:
        """Close the file; who has mapped it goes on."""
        os.close(self.file)
