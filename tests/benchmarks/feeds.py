"""What connections send: each feed has objects of its own, so the last acknowledged request about an object is known."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from itertools import count

import httpx

from tests.benchmarks.load import is_success
from tests.benchmarks.objects import EVSES, STATUSES, Template, evse_uid, location_id, moment, status_patch
from tests.benchmarks.party import RequestForm

LOCATIONS_PER_CONNECTION = 8

_numbers = count(1)  # moments and message ids only ever grow, over all feeds and rounds


class StatusFeed:
    """PATCHes of the statuses of EVSEs; `acknowledged` is the last status of each (location, uid) that was answered 1000."""

    def __init__(self, form: RequestForm, ids: Sequence[bytes]) -> None:
        self._form = form
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
        if not is_success(head, body):
            return False
        self.acknowledged[self._sent[0]] = self._sent[1]
        return True


class PutFeed:
    """PUTs of whole Locations; `acknowledged` is the last moment of each that was answered 1000.

    `allow` bounds how many requests are left. `sent_at` is the time (CLOCK_MONOTONIC) at which each moment was sent, of the last volley.
    """

    def __init__(self, form: RequestForm, template: Template, ids: Sequence[bytes], query: bytes = b"") -> None:
        self._form, self._template, self._ids, self._query = form, template, ids, query
        self._left: int | None = None
        self._turn, self._sent = 0, (b"", b"")
        self.acknowledged: dict[bytes, bytes] = {}
        self.sent_at: dict[str, float] = {}

    def allow(self, requests: int) -> None:
        """Send so many more, and then nothing."""
        self._left = requests
        self.sent_at.clear()

    def next(self) -> bytes:
        """The next Location, newer than the last time round."""
        if self._left is not None:
            if self._left == 0:
                return b""
            self._left -= 1
        name, number = self._ids[self._turn % len(self._ids)], next(_numbers)
        self._turn += 1
        self._sent = name, moment(number)
        if self._left is not None:
            self.sent_at[self._sent[1].decode()] = time.monotonic()
        return self._form.fill(b"/" + name + self._query, b"%d" % number, self._template.fill(*self._sent))

    def answered(self, head: bytes, body: bytes) -> bool:
        """Remember what was acknowledged."""
        if not is_success(head, body):
            return False
        self.acknowledged[self._sent[0]] = self._sent[1]
        return True


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
        if not is_success(head, body):
            return False
        self.acknowledged.add(self._id)
        return True


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


class CrawlFeed:
    """Follows the Links of one list to its end; `ids` are those of all objects, `is_done` says whether the last page came."""

    def __init__(self, form: RequestForm, path: bytes) -> None:
        self._form, self._path = form, path
        self.ids: list[bytes] = []
        self.totals: set[bytes] = set()

    @property
    def is_done(self) -> bool:
        """Whether there is no next page."""
        return not self._path

    def next(self) -> bytes:
        """The next page, until there is none."""
        return self._form.fill(self._path, b"%d" % next(_numbers)) if self._path else b""

    def answered(self, head: bytes, body: bytes) -> bool:
        """Take the ids and the Link."""
        self.ids += _LOCATION_ID.findall(body)
        self.totals |= set(_TOTAL.findall(head))
        link = _NEXT.search(head)
        self._path = httpx.URL(link[1].decode()).raw_path if link else b""
        return is_success(head, body)


_LOCATION_ID = re.compile(rb'"party_id":"BEN","id":"([^"]+)","publish"')
_TOTAL = re.compile(rb"x-total-count:\s*(\d+)", re.IGNORECASE)
_NEXT = re.compile(rb'link:\s*<([^>]+)>;\s*rel="?next', re.IGNORECASE)


def locations_of(connection: int) -> list[bytes]:
    """The ids of the Locations of one connection; no two connections share any."""
    first = connection * LOCATIONS_PER_CONNECTION
    return [location_id(number) for number in range(first, first + LOCATIONS_PER_CONNECTION)]
