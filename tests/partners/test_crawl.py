"""Reading a partner's list to its end (P-17, X-26), with a partner that is a table of pages."""

from __future__ import annotations

from typing import Any

import pytest

from hub.partners import crawl as crawl_module
from hub.partners.client import Answer
from hub.partners.crawl import STEPS_BACK_MAX, crawl, refused, step_back
from hub.partners.quirks import Quirks
from ocpi_modules.errors import ReceiverNotConnected, RoutingFault
from ocpi_modules.types import encode_json

BASE = "https://p.example/locations"
FIRST = f"{BASE}?limit=2"


class List:
    """A partner's list: what it answers by URL, and what was asked of it."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer | Exception]] = {}
        self.asked: list[str] = []

    def on(self, url: str, *answers: Answer | Exception) -> List:
        """What is answered at a URL; the last answer again and again."""
        self.answers[url] = list(answers)
        return self

    async def fetch(self, url: str) -> Answer:
        self.asked.append(url)
        left = self.answers.get(url) or [answer(404)]
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def read(self, quirks: Quirks | None = None) -> list[str]:
        """Every object of the list, by its name."""
        return [
            item.decode().strip('"')
            async for page in crawl(self.fetch, FIRST, quirks or Quirks())
            for item in page.items
        ]


def answer(http_status: int = 200, data: Any = None, **headers: Any) -> Answer:
    body = b'{"detail":"Not Found"}' if data is None else encode_json({"status_code": 1000, "data": data})
    return Answer(http_status, {name.replace("_", "-"): str(value) for name, value in headers.items()}, body)


def page(*names: str, total: int, link: str | None = None) -> Answer:
    if link is None:
        return answer(data=list(names), x_total_count=total, x_limit=2)
    return answer(data=list(names), x_total_count=total, x_limit=2, link=link)


def to(url: str) -> str:
    return f'<{url}>; rel="next"'


def at(offset: int) -> str:
    return f"{BASE}?limit=2&offset={offset}"


def counted(offset: int) -> str:
    return f"{BASE}?offset={offset}&limit=2"


@pytest.mark.proves("P-17")
async def test_links_are_followed_to_the_end_and_the_text_of_each_object_is_kept() -> None:
    p = List()
    p.on(FIRST, page("a", "b", total=5, link=to(f"{BASE}?cursor=x")))
    p.on(f"{BASE}?cursor=x", page("c", "d", total=5, link="</locations?cursor=y>; rel=next"))
    last = Answer(200, {"x-total-count": "5"}, b'{"data": [ {"id" : "e",  "price":1.10} ], "status_code":1000}')
    p.on(f"{BASE}?cursor=y", last)
    pages = [one.items async for one in crawl(p.fetch, FIRST, Quirks())]
    assert pages == [(b'"a"', b'"b"'), (b'"c"', b'"d"'), (b'{"id" : "e",  "price":1.10}',)]
    assert p.asked == [FIRST, f"{BASE}?cursor=x", f"{BASE}?cursor=y"]


async def test_an_empty_link_on_the_last_page_is_no_link() -> None:
    p = List().on(FIRST, page("a", "b", total=3, link=to(at(2)))).on(at(2), page("c", total=3, link=""))
    assert await p.read() == ["a", "b", "c"]


async def test_a_list_may_be_empty() -> None:
    assert await List().on(FIRST, page(total=0)).read() == []


@pytest.mark.proves("P-17")
async def test_when_the_total_falls_the_page_is_asked_for_again_as_much_earlier() -> None:
    """Objects before it went away, so others moved up into pages that were read already."""
    p = List()
    p.on(FIRST, page("a", "b", total=6, link=to(at(2))))
    p.on(at(2), page("d", "e", total=5, link=to(at(4))))
    p.on(at(1), page("c", "d", total=5, link=to(at(3))))
    p.on(at(3), page("e", "f", total=5))
    assert await p.read() == ["a", "b", "c", "d", "e", "f"]
    assert p.asked == [FIRST, at(2), at(1), at(3)]


async def test_it_is_stepped_back_by_the_drop_and_never_before_the_beginning() -> None:
    p = List()
    p.on(FIRST, page("a", "b", total=9, link=to(at(2))))
    p.on(at(2), page("g", "h", total=4, link=None))
    p.on(at(0), page("e", "f", total=4, link=to(at(2))))
    assert await p.read() == ["a", "b", "e", "f", "g", "h"]
    assert p.asked == [FIRST, at(2), at(0), at(2)]


@pytest.mark.parametrize(
    ("url", "before", "now", "earlier"),
    [
        pytest.param(at(4), 10, 9, at(3), id="P-17 one less"),
        pytest.param(at(4), 10, 7, at(1), id="three less"),
        pytest.param(at(4), 10, 2, at(0), id="more than were read"),
        pytest.param(at(4), 10, 10, None, id="the same"),
        pytest.param(at(4), 10, 11, None, id="more: they come at the end"),
        pytest.param(at(4), None, 9, None, id="it was not told before"),
        pytest.param(at(4), 10, None, None, id="it is not told now"),
        pytest.param(f"{BASE}?cursor=x", 10, 9, None, id="a cursor knows better"),
        pytest.param(FIRST, 10, 9, None, id="the first page"),
    ],
)
def test_a_step_back(url: str, before: int | None, now: int | None, earlier: str | None) -> None:
    assert step_back(url, before, now) == earlier


async def test_a_total_that_falls_with_each_page_is_stepped_back_for_so_often_and_no_more() -> None:
    """A partner whose total is nonsense costs no more than that."""
    asked: list[str] = []

    async def fetch(url: str) -> Answer:
        asked.append(url)
        left = 10_000 - len(asked)
        return page("x", "y", total=left, link=to(at(2 * len(asked))) if len(asked) < 3 * STEPS_BACK_MAX else None)

    pages = [one async for one in crawl(fetch, FIRST, Quirks())]
    assert len(asked) - len(pages) == STEPS_BACK_MAX


@pytest.mark.parametrize("http_status", [404, 422])
@pytest.mark.proves("X-26")
async def test_where_a_link_leads_nowhere_the_pages_are_counted_on(http_status: int) -> None:
    """What two libraries do: each Link of theirs is answered so, and the list is there all the same."""
    odd = f"{BASE}?date_from=None&offset=2&limit=2"
    p = List()
    p.on(FIRST, page("a", "b", total=5, link=to(odd)))
    p.on(odd, answer(http_status))
    p.on(counted(2), page("c", "d", total=5, link=to(f"{odd}&x")))
    p.on(f"{odd}&x", answer(http_status))
    p.on(counted(4), page("e", total=5, link=""))
    assert await p.read() == ["a", "b", "c", "d", "e"]
    assert p.asked == [FIRST, odd, counted(2), f"{odd}&x", counted(4)]


async def test_who_is_known_to_have_such_links_is_not_asked_at_them() -> None:
    p = List().on(FIRST, page("a", "b", total=3, link=to(f"{BASE}/ModuleID"))).on(counted(2), page("c", total=3))
    assert await p.read(Quirks(links="rebuild")) == ["a", "b", "c"]
    assert p.asked == [FIRST, counted(2)]


@pytest.mark.parametrize("elsewhere", ["https://q.example/locations?offset=2", "http://p.example/locations?offset=2"])
@pytest.mark.proves("R-08")
async def test_a_link_to_another_server_is_not_followed_but_counted_on(elsewhere: str) -> None:
    """The token of the partner would go there."""
    p = List().on(FIRST, page("a", "b", total=3, link=to(elsewhere))).on(counted(2), page("c", total=3))
    assert await p.read() == ["a", "b", "c"]
    assert elsewhere not in p.asked


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        pytest.param(answer(500), "HTTP 500: no OCPI answer", id="no envelope"),
        pytest.param(answer(404), "HTTP 404: no OCPI answer", id="nothing there, and nothing to count on from"),
        pytest.param(
            Answer(200, {}, b'{"status_code":3000,"status_message":"busy"}'), "HTTP 200: 3000 busy", id="a code"
        ),
        pytest.param(Answer(200, {}, b'{"status_code":2001}'), "HTTP 200: 2001", id="a code without words"),
        pytest.param(answer(data={"id": "L1"}), "HTTP 200: 1000", id="no list"),
    ],
)
async def test_a_page_that_cannot_be_read_ends_it_and_says_why(broken: Answer, words: str) -> None:
    with pytest.raises(RoutingFault, match=words):
        await List().on(FIRST, broken).read()
    assert refused(broken) == words


async def test_what_was_read_before_a_broken_page_has_come_through() -> None:
    p = List().on(FIRST, page("a", "b", total=4, link=to(at(2)))).on(at(2), answer(500))
    seen: list[bytes] = []

    async def keep_what_comes() -> None:
        async for one in crawl(p.fetch, FIRST, Quirks()):
            seen.extend(one.items)

    with pytest.raises(RoutingFault):
        await keep_what_comes()
    assert seen == [b'"a"', b'"b"']


async def test_a_partner_that_is_not_there_ends_it() -> None:
    with pytest.raises(ReceiverNotConnected):
        await List().on(FIRST, ReceiverNotConnected()).read()


async def test_a_list_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl_module, "PAGES_MAX", 7)
    p = List().on(FIRST, page("a", total=1000, link=to(FIRST)))
    with pytest.raises(RoutingFault, match="more than 7 pages"):
        await p.read()
    assert len(p.asked) == 7


async def test_a_page_that_was_asked_for_in_vain_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl_module, "PAGES_MAX", 7)
    asked: list[str] = []

    async def fetch(url: str) -> Answer:
        asked.append(url)
        return answer(404) if "lost" in url else page("a", total=1000, link=to(f"{BASE}?lost={len(asked)}"))

    with pytest.raises(RoutingFault):
        _ = [one async for one in crawl(fetch, FIRST, Quirks())]
    assert len(asked) == 7
