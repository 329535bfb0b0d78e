"""What connections send: each feed has objects of its own, so the last acknowledged request about an object is known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from tests.benchmarks.load import is_success
from tests.benchmarks.objects import EVSES, STATUSES, Template, evse_uid, location_id, moment, status_patch
from tests.benchmarks.party import RequestForm

LOCATIONS_PER_CONNECTION = 8

_numbers = count(1)  # moments and message ids only ever grow, over all feeds and rounds


class StatusFeed:
    """PATCHes of the statuses of EVSEs; `acknowledged` is the last status of each (location, uid) that was answered 1000."""

    def __init__(self, form: RequestForm, connection: int) -> None:
        self._form = form
        first = connection * LOCATIONS_PER_CONNECTION
        ids = [location_id(number) for number in range(first, first + LOCATIONS_PER_CONNECTION)]
        self._evses = [(one, evse_uid(one, index)) for one in ids for index in range(1, EVSES + 1)]
        self._turn, self._sent = 0, (self._evses[0], STATUSES[0])
        self.acknowledged: dict[tuple[bytes, bytes], str] = {}

    def next(self) -> bytes:
        """The next EVSE, with another status than the last time round."""
        lap, index = divmod(self._turn, len(self._evses))
        self._turn += 1
        self._sent = self._evses[index], STATUSES[(lap + index) % len(STATUSES)]
        (location, uid), status = self._sent
        number = next(_numbers)
        return self._form.fill(b"/%b/%b" % (location, uid), b"%d" % number, status_patch(status, moment(number)))

    def answered(self, head: bytes, body: bytes) -> bool:
        """Remember what was acknowledged."""
        self.acknowledged[self._sent[0]] = self._sent[1]
        return is_success(head, body)


class PutFeed:
    """PUTs of whole Locations; `acknowledged` is the last moment of each that was answered 1000."""

    def __init__(self, form: RequestForm, template: Template, ids: list[bytes], laps: int | None = None) -> None:
        self._form, self._template, self._ids = form, template, ids
        self._left = None if laps is None else laps * len(ids)
        self._turn, self._sent = 0, (b"", b"")
        self.acknowledged: dict[bytes, bytes] = {}

    def next(self) -> bytes:
        """The next Location, newer than the last time round."""
        if self._left is not None and self._turn >= self._left:
            return b""
        name = self._ids[self._turn % len(self._ids)]
        self._turn += 1
        number = next(_numbers)
        self._sent = name, moment(number)
        return self._form.fill(b"/" + name, b"%d" % number, self._template.fill(*self._sent))

    def answered(self, head: bytes, body: bytes) -> bool:
        """Remember what was acknowledged."""
        self.acknowledged[self._sent[0]] = self._sent[1]
        return is_success(head, body)


class CdrFeed:
    """POSTs of CDRs; every tenth is sent a second time. `acknowledged` holds the ids that were answered 1000, each once."""

    AGAIN_EVERY = 10

    def __init__(self, form: RequestForm, template: Template) -> None:
        self._form, self._template = form, template
        self._turn, self._id, self._last = 0, b"", b""
        self.acknowledged: set[bytes] = set()

    def next(self) -> bytes:
        """A new CDR, or the last one again."""
        self._turn += 1
        number = next(_numbers)
        if self._turn % self.AGAIN_EVERY or not self._last:
            self._id = b"C%09d" % number
            self._last = self._template.fill(self._id, moment(number))
        return self._form.fill(b"", b"%d" % number, self._last)

    def answered(self, head: bytes, body: bytes) -> bool:
        """Remember what was acknowledged."""
        self.acknowledged.add(self._id)
        return is_success(head, body)


class GetFeed:
    """GETs of pages in turn; `check` says whether an answer is the right one for its path."""

    def __init__(self, form: RequestForm, paths: list[bytes], check: Callable[[bytes, bytes, bytes], bool]) -> None:
        self._form, self._paths, self._check = form, paths, check
        self._turn, self._asked = 0, b""

    def next(self) -> bytes:
        """The next page."""
        self._asked = self._paths[self._turn % len(self._paths)]
        self._turn += 1
        return self._form.fill(self._asked, b"%d" % next(_numbers))

    def answered(self, head: bytes, body: bytes) -> bool:
        """Whether it is that page."""
        return is_success(head, body) and self._check(self._asked, head, body)


def locations_of(connection: int, each: int = LOCATIONS_PER_CONNECTION) -> list[bytes]:
    """The ids of the Locations of one connection; no two connections share any."""
    return [location_id(number) for number in range(connection * each, (connection + 1) * each)]
