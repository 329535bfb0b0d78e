"""What changed a short while ago and where: whether what was made of a box is still right."""

from __future__ import annotations

import numpy as np

from hub.navigation.geometry import Box

CHANGES_KEPT = 65_536


class RecentChanges:
    """The last changes, each with its sequence number and place."""

    def __init__(self, kept: int = CHANGES_KEPT) -> None:
        self._seqs = np.zeros(kept, np.int64)
        self._longitudes, self._latitudes = np.zeros(kept), np.zeros(kept)
        self._next = self._count = 0
        self.known_after = 0
        """Of what came after this sequence number all is known."""

    def add(self, seq: int, longitude: float, latitude: float) -> None:
        """Something changed there."""
        place = self._next
        if self._count == len(self._seqs):
            self.known_after = max(self.known_after, int(self._seqs[place]))
        self._seqs[place], self._longitudes[place], self._latitudes[place] = seq, longitude, latitude
        self._next, self._count = (place + 1) % len(self._seqs), min(self._count + 1, len(self._seqs))

    def forget_up_to(self, seq: int) -> None:
        """What came up to here is not in it."""
        self.known_after = max(self.known_after, seq)

    def changed_in(self, box: Box, after: int) -> bool | None:
        """Whether anything in the box changed after that sequence number; None where that is so long ago that it is not known."""
        if after < self.known_after:
            return None
        since = np.flatnonzero(self._seqs[: self._count] > after)
        return bool(box.holds(self._longitudes[since], self._latitudes[since]).any())
