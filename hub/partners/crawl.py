"""Reading a partner's list to its end: page after page, tolerant of what partners do to their paging (P-17, X-26)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from hub.partners.client import Answer
from hub.partners.dialect import counted_on, next_page_url, offset_of, with_parameters
from hub.partners.quirks import Quirks
from ocpi_modules.envelope import read_envelope, read_items
from ocpi_modules.errors import RoutingFault
from ocpi_modules.headers import read_count, read_next_link

PAGES_MAX = 10_000
STEPS_BACK_MAX = 100

Fetch = Callable[[str], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a partner's list: the text of each object, byte for byte, and the length of the whole list, if the page tells it."""

    items: tuple[bytes, ...]
    total: int | None


async def crawl(fetch: Fetch, first_url: str, quirks: Quirks) -> AsyncIterator[Page]:
    """The pages of a list, from its first to its last.

    When the total falls between two pages, objects moved up: the page is asked for again, that much earlier. A Link that leads nowhere
    (404, 422), or that is missing though the total says more, is replaced by counting on. Raises RoutingFault for a page that cannot be
    read, for a next page that cannot be found, and after PAGES_MAX pages.
    """
    walk = _Walk(fetch, quirks)
    url: str | None = first_url
    while url is not None:
        answer = await walk.ask(url)
        items = read_items(answer.body)
        if items is None:
            raise RoutingFault(refused(answer))
        walk.read_objects += len(items)
        yield Page(items, walk.total)
        url = walk.next(answer)


class _Walk:
    """Where a crawl stands: the page it read last and the total that page told."""

    def __init__(self, fetch: Fetch, quirks: Quirks) -> None:
        self._fetch, self._quirks = fetch, quirks
        self._url, self._last = "", None  # type: str, Answer | None
        self.total: int | None = None
        self.read_objects = 0
        self._pages, self._steps_back = 0, 0

    async def ask(self, url: str) -> Answer:
        answer = await self._answer(url)
        earlier = step_back(self._url, self.total, read_count(answer.headers.get("x-total-count")))
        if earlier is not None and self._steps_back < STEPS_BACK_MAX:
            self._steps_back += 1
            answer = await self._answer(earlier)
        self.total, self._last = read_count(answer.headers.get("x-total-count")), answer
        return answer

    def next(self, answer: Answer) -> str | None:
        url = next_page_url(self._url, answer.headers, answer.body, self._quirks)
        if url is None and self.read_objects < (self.total or 0) and (self._pages == 1 or offset_of(self._url)):
            url = counted_on(self._url, answer.headers, answer.body)
        if url is None and self._quirks.links == "follow" and read_next_link(answer.headers.get("link"), self._url):
            raise RoutingFault("the Link to the next page leads to another server")
        return url

    async def _answer(self, url: str) -> Answer:
        answer = await self._fetch(self._counted(url))
        if answer.http_status in {404, 422} and self._last is not None:
            other = counted_on(self._url, self._last.headers, self._last.body)
            if other is not None and other != url:
                url, answer = other, await self._fetch(self._counted(other))
        self._url = url
        return answer

    def _counted(self, url: str) -> str:
        self._pages += 1
        if self._pages > PAGES_MAX:
            raise RoutingFault(f"the list has more than {PAGES_MAX} pages")
        return url


def step_back(url: str, before: int | None, now: int | None) -> str | None:
    """The URL of the page that has to be asked for again, since the total fell; None when nothing was missed."""
    if before is None or now is None or now >= before or not offset_of(url):
        return None
    return with_parameters(url, {"offset": str(max(0, offset_of(url) - (before - now)))})


def refused(answer: Answer) -> str:
    """In words, an answer that is no page."""
    envelope = read_envelope(answer.body)
    said = f"{envelope.status_code} {envelope.status_message or ''}".strip() if envelope else "no OCPI answer"
    return f"HTTP {answer.http_status}: {said}"[:255]
