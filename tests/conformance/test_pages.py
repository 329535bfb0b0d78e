"""Section 3 of the checklist: lists, date windows and pages, of the hub's own copies and of partners behind it.

Each test of the hub's own lists has a year of its own, so that its objects are alone in their window.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hub.app import create_app
from hub.demo.faults import Fault
from hub.demo.party import DemoPlatform, role
from hub.demo.server import LoopbackServer
from hub.settings import Settings
from ocpi_modules.parties import Party
from tests.conftest import ADMIN_TOKEN, HUB, World, loopback_client
from tests.web.conftest import CP1, CP2, MS1, MS2, OT1, Bench

Object = dict[str, Any]
Unique = Callable[[str], str]
Example = Callable[..., Object]

LINK = re.compile(r'^<(https?://[^<>]+)>; rel="next"$')
CAP, DEFAULT = 100, 50  # objects on a page of the shared bench
FUNCTIONAL = ("locations", "sessions", "cdrs", "tariffs", "tokens")
PUSHED_AT_ONCE_MAX = 20

_years = count(1971)


@pytest.fixture
def year() -> int:
    """A year that no other test uses."""
    return next(_years)


def at(year: int, second: int) -> str:
    return f"{year}-06-01T00:{second // 60:02}:{second % 60:02}Z"


def of_year(year: int) -> str:
    """The window of a test, as the beginning of a query."""
    return f"date_from={year}-01-01T00:00:00Z&date_to={year + 1}-01-01T00:00:00Z"


def writer(bench: Bench, module: str, owner: Party = CP1) -> tuple[DemoPlatform, Party]:
    """Who owns objects of a module."""
    if module == "tokens":
        return bench.p3, MS1
    return (bench.p1 if owner == CP1 else bench.p2), owner


def reader(bench: Bench, module: str) -> tuple[DemoPlatform, Party]:
    """Who reads them at the hub."""
    return (bench.p1, CP1) if module == "tokens" else (bench.p3, MS1)


def made(example: Example, module: str, name: str, last_updated: str, owner: Party = CP1) -> Object:
    """An object of a module; sessions and CDRs are for NL/MS1, who also owns the tokens."""
    owner = MS1 if module == "tokens" else owner
    content = example(module.removesuffix("s"), country_code=owner.country_code, party_id=owner.party_id)
    content |= {"uid" if module == "tokens" else "id": name, "last_updated": last_updated}
    if "cdr_token" in content:
        content["cdr_token"] |= {"country_code": "NL", "party_id": "MS1"}
    return content


def id_of(content: Object) -> str:
    return str(content.get("id") or content["uid"])


async def keep(bench: Bench, module: str, content: Object) -> None:
    """Have the hub keep an object, as its owner."""
    platform, owner = writer(bench, module, Party(content["country_code"], content["party_id"]))
    path = f"receiver/{module}" if module == "cdrs" else f"receiver/{module}/{owner}/{id_of(content)}"
    method = "POST" if module == "cdrs" else "PUT"
    answer = await bench.send(platform, method, path, sender=owner, receiver=HUB, content=content)
    assert (answer.status_code, answer.json()["status_code"]) in {(201, 1000), (200, 1000)}, answer.text


async def keep_sessions(bench: Bench, example: Example, stamps: list[str], owner: Party = CP1) -> set[str]:
    """Have the hub keep a session for each of these moments; answers their ids."""
    sessions = [made(example, "sessions", f"S-{uuid.uuid4().hex[:12]}", stamp, owner) for stamp in stamps]
    for start in range(0, len(sessions), PUSHED_AT_ONCE_MAX):
        some = sessions[start : start + PUSHED_AT_ONCE_MAX]
        await asyncio.gather(*(keep(bench, "sessions", content) for content in some))
    return {content["id"] for content in sessions}


async def listed(bench: Bench, module: str, query: str = "") -> httpx.Response:
    """A page of the hub's list, as somebody who may read it."""
    platform, party = reader(bench, module)
    answer = await bench.send(platform, "GET", f"sender/{module}?{query}", sender=party, receiver=HUB)
    assert (answer.status_code, answer.json()["status_code"]) == (200, 1000), answer.text
    return answer


def ids(answer: httpx.Response) -> list[str]:
    return [id_of(content) for content in answer.json()["data"]]


def next_url(answer: httpx.Response) -> str | None:
    """The address in the Link header, which is of the strict form."""
    if "link" not in answer.headers:
        return None
    found = LINK.match(answer.headers["link"])
    assert found, answer.headers["link"]
    return found[1]


async def follow(bench: Bench, platform: DemoPlatform, url: str, sender: Party, receiver: Party) -> httpx.Response:
    """The page behind a Link, with the same token and routing headers."""
    path = url.partition("/ocpi/2.2.1/")[2]
    assert url == f"{bench.world.url}/ocpi/2.2.1/{path}", "the Link leads to the hub"
    return await bench.send(platform, "GET", path, sender=sender, receiver=receiver)


async def crawl(bench: Bench, query: str) -> list[httpx.Response]:
    """The pages of the hub's sessions for NL/MS1, from the first to the last."""
    pages = [await listed(bench, "sessions", query)]
    while (url := next_url(pages[-1])) is not None:
        pages.append(await follow(bench, bench.p3, url, MS1, HUB))
    return pages


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.proves("P-01")
@pytest.mark.parametrize("module", FUNCTIONAL)
async def test_lists_understand_four_parameters_and_need_none(
    shared: Bench, example: Example, unique: Unique, year: int, module: str
) -> None:
    names = [unique("X") for _ in range(3)]
    for second, name in enumerate(names):
        await keep(shared, module, made(example, module, name, at(year, second)))
    windowed = await listed(shared, module, f"{of_year(year)}&offset=1&limit=1")
    assert ids(windowed) == names[1:2]
    assert (windowed.headers["x-total-count"], windowed.headers["x-limit"]) == ("3", "1")
    bare, from_zero = await listed(shared, module), await listed(shared, module, "offset=0")
    assert bare.json()["data"] == from_zero.json()["data"] != []
    assert bare.headers["x-limit"] == str(DEFAULT)
    assert int(bare.headers["x-total-count"]) >= 3


@pytest.mark.proves("P-01")
async def test_the_list_of_parties_understands_them_too(shared: Bench) -> None:
    bare = await shared.send(shared.p1, "GET", "sender/hubclientinfo")
    total = bare.headers["x-total-count"]
    query = "date_from=2000-01-01T00:00:00Z&date_to=2100-01-01T00:00:00Z&offset=1&limit=2"
    page = await shared.send(shared.p1, "GET", f"sender/hubclientinfo?{query}")
    assert page.json()["data"] == bare.json()["data"][1:3]
    assert (page.headers["x-total-count"], page.headers["x-limit"]) == (total, "2")
    assert (await shared.send(shared.p1, "GET", "sender/hubclientinfo?offset=0")).json()["data"] == bare.json()["data"]


@pytest.mark.proves("P-02", "P-03")
@pytest.mark.parametrize("module", FUNCTIONAL)
async def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(
    shared: Bench, example: Example, unique: Unique, year: int, module: str
) -> None:
    name = unique("X")
    await keep(shared, module, made(example, module, name, at(year, 10)))
    assert ids(await listed(shared, module, f"date_from={at(year, 10)}&date_to={at(year, 50)}")) == [name]
    assert ids(await listed(shared, module, f"date_from={at(year, 11)}&date_to={at(year, 50)}")) == []
    assert ids(await listed(shared, module, f"date_from={at(year, 0)}&date_to={at(year, 11)}")) == [name]
    assert ids(await listed(shared, module, f"date_from={at(year, 0)}&date_to={at(year, 10)}")) == []


@pytest.mark.proves("P-02", "P-03")
@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        pytest.param("{}-06-01T00:00:10.250Z", "{}-06-01T00:00:10.250Z", "{}-06-01T00:00:10.251Z", id="milliseconds"),
        pytest.param("{}-06-01T00:00:10", "{}-06-01T00:00:10Z", "{}-06-01T00:00:10.001Z", id="written without Z"),
        pytest.param("{}-06-01T00:00:10Z", "{}-06-01T00:00:10", "{}-06-01T00:00:11", id="asked without Z"),
        pytest.param("{}-06-01T00:00:10Z", "{}-06-01T00%3A00%3A10Z", "{}-06-01T00%3A00%3A11Z", id="percent-encoded"),
    ],
)
async def test_a_window_is_read_in_every_form_of_a_date_time(
    shared: Bench, example: Example, unique: Unique, year: int, written: str, start: str, end: str
) -> None:
    name = unique("T")
    await keep(shared, "tariffs", made(example, "tariffs", name, written.format(year)))
    start, end = start.format(year), end.format(year)
    assert ids(await listed(shared, "tariffs", f"date_from={start}&date_to={end}")) == [name]
    assert ids(await listed(shared, "tariffs", f"date_from={end}&date_to={year + 1}-01-01T00:00:00Z")) == []
    assert ids(await listed(shared, "tariffs", f"date_from={year}-01-01T00:00:00Z&date_to={start}")) == []


@pytest.mark.proves("P-03")
async def test_adjacent_windows_share_nothing_and_miss_nothing(shared: Bench, example: Example, year: int) -> None:
    names = await keep_sessions(shared, example, [at(year, second) for second in range(0, 30, 3)])
    edges = [at(year, second) for second in (0, 7, 9, 9, 12, 30)]
    windows = [f"date_from={start}&date_to={end}" for start, end in pairwise(edges)]
    found = [ids(await listed(shared, "sessions", window)) for window in windows]
    assert sorted(name for page in found for name in page) == sorted(names)
    assert [len(page) for page in found] == [3, 0, 0, 1, 6]


@pytest.mark.proves("P-02", "P-03")
async def test_the_list_of_parties_is_windowed_in_the_same_way(shared: Bench) -> None:
    infos = (await shared.send(shared.p1, "GET", "sender/hubclientinfo")).json()["data"]
    asked = infos[0]
    moment = asked["last_updated"]
    after = datetime.fromisoformat(moment.removesuffix("Z")).replace(tzinfo=UTC) + timedelta(seconds=1)
    later = after.strftime("%Y-%m-%dT%H:%M:%SZ")

    async def found(query: str) -> bool:
        return asked in (await shared.send(shared.p1, "GET", f"sender/hubclientinfo?{query}")).json()["data"]

    assert await found(f"date_from={moment}")
    assert not await found(f"date_from={later}")
    assert not await found(f"date_to={moment}")
    assert await found(f"date_to={later}")


@pytest.mark.proves("P-04")
@pytest.mark.parametrize("depth", [pytest.param(2, id="a connector"), pytest.param(1, id="an EVSE")])
async def test_a_location_counts_as_changed_with_its_parts(
    shared: Bench, example: Example, unique: Unique, year: int, depth: int
) -> None:
    name, still, moment = unique("L"), unique("L"), {"last_updated": at(year, 0)}
    for each in (name, still):
        content = made(example, "locations", each, at(year, 0))
        evse = content["evses"][0]
        connectors = [connector | moment for connector in evse["connectors"]]
        await keep(shared, "locations", {**content, "evses": [evse | moment | {"connectors": connectors}]})
    part = [evse["uid"], connectors[0]["id"]][:depth]
    change = {"last_updated": at(year, 30), **({"max_amperage": 63} if depth == 2 else {"floor_level": "9"})}
    path = f"receiver/locations/DE/CP1/{name}/{'/'.join(part)}"
    answer = await shared.send(shared.p1, "PATCH", path, sender=CP1, receiver=HUB, content=change)
    assert answer.json()["status_code"] == 1000
    changed = await listed(shared, "locations", f"date_from={at(year, 30)}&date_to={at(year, 31)}")
    assert ids(changed) == [name]
    assert changed.json()["data"][0]["last_updated"] == at(year, 30)
    before = await listed(shared, "locations", f"date_from={at(year, 0)}&date_to={at(year, 30)}")
    assert ids(before) == [still], "and it is in no earlier window"


@pytest.mark.proves("P-13")
@pytest.mark.parametrize("module", [*FUNCTIONAL, "hubclientinfo"])
@pytest.mark.parametrize(
    "query",
    [
        "limit=abc",
        "limit=-1",
        "limit=1.5",
        "offset=-1",
        "offset=x",
        "offset=99999999999999999999999",
        "date_from=yesterday",
        "date_from=2019-13-01T00:00:00Z",
        "date_to=never",
        "date_to=2019-01-01",
        "date_from=2019-01-01T00:00:00%2B02:00",
    ],
)
async def test_malformed_parameters_are_2001(shared: Bench, module: str, query: str) -> None:
    platform, party = reader(shared, module)
    routed: dict[str, Any] = {"sender": party, "receiver": HUB} if module in FUNCTIONAL else {}
    answer = await shared.send(platform, "GET", f"sender/{module}?{query}", **routed)
    assert (answer.status_code, answer.json()["status_code"]) == (200, 2001)
    assert "data" not in answer.json()
    assert not [header for header in ("link", "x-total-count", "x-limit") if header in answer.headers]
    assert not [seen for each in shared.everybody for seen in each.seen if seen.sender == party]


# --- pages of the hub's own ------------------------------------------------------------------------


@pytest.mark.proves("P-05", "X-27")
async def test_a_page_is_never_larger_than_the_hub_allows(shared: Bench, example: Example, year: int) -> None:
    names = await keep_sessions(shared, example, [at(year, second) for second in range(CAP + 2)])
    page = await listed(shared, "sessions", f"{of_year(year)}&limit=2000")
    assert len(ids(page)) == CAP
    assert page.headers["x-limit"] == str(CAP)
    assert page.headers["x-total-count"] == str(CAP + 2)
    query = parse_qs(urlsplit(next_url(page) or "").query)
    assert (query["limit"], query["offset"]) == ([str(CAP)], [str(CAP)])
    rest = await follow(shared, shared.p3, next_url(page) or "", MS1, HUB)
    assert set(ids(page)) | set(ids(rest)) == names
    assert len(ids(rest)) == 2


@pytest.mark.proves("P-06", "X-27")
@pytest.mark.parametrize(
    ("query", "limit"),
    [
        pytest.param("limit=10", 10, id="as asked"),
        pytest.param("limit=2000", CAP, id="more than the hub allows"),
        pytest.param(f"limit={CAP}", CAP, id="exactly that"),
        pytest.param("", DEFAULT, id="not asked"),
    ],
)
async def test_x_limit_is_the_bound_of_a_page_and_not_what_is_on_it(
    shared: Bench, example: Example, year: int, query: str, limit: int
) -> None:
    await keep_sessions(shared, example, [at(year, second) for second in range(13)])
    pages = await crawl(shared, f"{of_year(year)}&{query}")
    assert [len(ids(page)) for page in pages] == ([10, 3] if limit == 10 else [13])
    assert {page.headers["x-limit"] for page in pages} == {str(limit)}


@pytest.mark.proves("P-07")
async def test_the_total_is_what_this_caller_may_see_whatever_the_page(
    shared: Bench, example: Example, unique: Unique, year: int
) -> None:
    for second in range(3):
        await keep(shared, "cdrs", made(example, "cdrs", unique("C"), at(year, second)))
    other = made(example, "cdrs", unique("C"), at(year, 5))
    other["cdr_token"] |= {"country_code": "BE", "party_id": "MS2"}
    await keep(shared, "cdrs", other)
    await keep(shared, "cdrs", made(example, "cdrs", unique("C"), at(year + 400, 0)))
    for query in ("limit=1", "limit=50", "limit=1&offset=2", "offset=3"):
        page = await listed(shared, "cdrs", f"{of_year(year)}&{query}")
        assert page.headers["x-total-count"] == "3"
    theirs = await shared.send(shared.p2, "GET", f"sender/cdrs?{of_year(year)}", sender=MS2, receiver=HUB)
    assert (theirs.headers["x-total-count"], ids(theirs)) == ("1", [other["id"]])
    owners = await shared.send(shared.p1, "GET", f"sender/cdrs?{of_year(year)}&limit=1", sender=CP1, receiver=HUB)
    assert owners.headers["x-total-count"] == "4"


@pytest.mark.proves("P-08")
@pytest.mark.parametrize(("objects", "links"), [(25, [True, True, False]), (20, [True, False]), (1, [False])])
async def test_every_page_but_the_last_has_a_link(
    shared: Bench, example: Example, year: int, objects: int, links: list[bool]
) -> None:
    await keep_sessions(shared, example, [at(year, second) for second in range(objects)])
    pages = await crawl(shared, f"{of_year(year)}&limit=10")
    assert ["link" in page.headers for page in pages] == links


@pytest.mark.proves("P-09")
async def test_a_link_is_absolute_and_repeats_the_filters(shared: Bench, example: Example, year: int) -> None:
    await keep_sessions(shared, example, [at(year, second) for second in range(5)])
    start, end = f"{year}-01-01T00:00:00.5Z", f"{year + 1}-01-01T00:00:00Z"
    first = await listed(shared, "sessions", f"date_from={start}&date_to={end}&limit=2")
    assert LINK.match(first.headers["link"])
    url = urlsplit(next_url(first) or "")
    assert f"{url.scheme}://{url.netloc}" == shared.world.url
    assert url.path == "/ocpi/2.2.1/sender/sessions"
    asked = parse_qs(url.query)
    assert asked.pop("cursor")
    assert asked == {"date_from": [start], "date_to": [end], "offset": ["2"], "limit": ["2"]}
    only_start = await listed(shared, "sessions", f"date_from={start}&limit=1")
    query = parse_qs(urlsplit(next_url(only_start) or "").query)
    assert query.pop("cursor")
    assert query == {"date_from": [start], "offset": ["1"], "limit": ["1"]}


@pytest.mark.proves("P-09", "P-08", "P-12")
async def test_the_list_of_parties_has_links_too(shared: Bench) -> None:
    whole = (await shared.send(shared.p1, "GET", "sender/hubclientinfo")).json()["data"]
    page = await shared.send(shared.p1, "GET", "sender/hubclientinfo?limit=2&date_from=2001-01-01T00:00:00Z")
    found = page.json()["data"]
    while (url := next_url(page)) is not None:
        assert url.startswith(f"{shared.world.url}/ocpi/2.2.1/sender/hubclientinfo?")
        assert parse_qs(urlsplit(url).query)["date_from"] == ["2001-01-01T00:00:00Z"]
        page = await shared.send(shared.p1, "GET", url.partition("/ocpi/2.2.1/")[2])
        found += page.json()["data"]
    assert len(whole) > 4
    assert found == whole


@pytest.mark.proves("P-10")
@pytest.mark.parametrize("module", [*FUNCTIONAL, "hubclientinfo"])
async def test_an_empty_list_is_a_success(shared: Bench, module: str) -> None:
    platform, party = reader(shared, module)
    routed: dict[str, Any] = {"sender": party, "receiver": HUB} if module in FUNCTIONAL else {}
    window = "date_from=1901-01-01T00:00:00Z&date_to=1902-01-01T00:00:00Z"
    answer = await shared.send(platform, "GET", f"sender/{module}?{window}", **routed)
    assert (answer.status_code, answer.json()["status_code"], answer.json()["data"]) == (200, 1000, [])
    assert (answer.headers["x-total-count"], answer.headers["x-limit"]) == ("0", str(DEFAULT))
    assert "link" not in answer.headers


@pytest.mark.proves("P-10")
async def test_a_page_past_the_end_is_empty_and_has_the_true_total(shared: Bench, example: Example, year: int) -> None:
    await keep_sessions(shared, example, [at(year, second) for second in range(3)])
    for query in ("offset=999999", "offset=3", "offset=3&limit=10"):
        page = await listed(shared, "sessions", f"{of_year(year)}&{query}")
        assert (ids(page), page.headers["x-total-count"]) == ([], "3")
        assert page.headers["x-limit"]
        assert "link" not in page.headers
    infos = await shared.send(shared.p1, "GET", "sender/hubclientinfo?offset=999999")
    assert (infos.status_code, infos.json()["status_code"], infos.json()["data"]) == (200, 1000, [])
    assert int(infos.headers["x-total-count"]) > 0


@pytest.mark.proves("P-11")
async def test_pages_do_not_shift_while_objects_change_and_come(
    shared: Bench, example: Example, unique: Unique, year: int
) -> None:
    """The oldest object is first, also after it was changed; a new one is last, although its owner dates it back."""
    names = [unique("S") for _ in range(4)]
    for name, second in zip(names, (30, 10, 20, 40), strict=True):
        await keep(shared, "sessions", made(example, "sessions", name, at(year, second)))
    query = f"{of_year(year)}&limit=1"
    first = await listed(shared, "sessions", query)
    rest = [await follow(shared, shared.p3, next_url(first) or "", MS1, HUB)]
    change = {"kwh": 99, "last_updated": at(year, 50)}
    path = f"receiver/sessions/DE/CP1/{names[0]}"
    patched = await shared.send(shared.p1, "PATCH", path, sender=CP1, receiver=HUB, content=change)
    assert patched.json()["status_code"] == 1000
    names.append(unique("S"))
    await keep(shared, "sessions", made(example, "sessions", names[-1], at(year, 5)))
    while (url := next_url(rest[-1])) is not None:
        rest.append(await follow(shared, shared.p3, url, MS1, HUB))
    assert [ids(page) for page in (first, *rest)] == [[name] for name in names]
    assert [page.headers["x-total-count"] for page in rest] == ["4", "5", "5", "5"]
    assert [ids(page) for page in await crawl(shared, query)] == [[name] for name in names], "and again the same"


@pytest.mark.proves("P-12")
async def test_a_crawl_brings_each_object_exactly_once(shared: Bench, example: Example, year: int) -> None:
    names = {("DE", name) for name in await keep_sessions(shared, example, [at(year, n) for n in range(30)])}
    names |= {("BE", name) for name in await keep_sessions(shared, example, [at(year, n) for n in range(27)], CP2)}
    pages = await crawl(shared, f"{of_year(year)}&limit=10")
    assert [len(ids(page)) for page in pages] == [10, 10, 10, 10, 10, 7]
    found = [(content["country_code"], content["id"]) for page in pages for content in page.json()["data"]]
    assert len(found) == len(set(found)) == 57
    assert set(found) == names


@pytest.mark.proves("P-16")
async def test_get_all_is_one_list_across_owners(shared: Bench, example: Example, unique: Unique, year: int) -> None:
    name = unique("L")
    for owner, objects in ((CP1, 3), (CP2, 4)):
        for number in range(objects):
            content = made(example, "locations", f"{name}-{number}", at(year, number), owner)
            await keep(shared, "locations", content)
    first = await listed(shared, "locations", f"{of_year(year)}&limit=5")
    url = next_url(first)
    assert url is not None
    rest = await follow(shared, shared.p3, url, MS1, HUB)
    assert [len(ids(page)) for page in (first, rest)] == [5, 2]
    assert [page.headers["x-total-count"] for page in (first, rest)] == ["7", "7"]
    assert next_url(rest) is None
    found = [(entry["party_id"], entry["id"]) for page in (first, rest) for entry in page.json()["data"]]
    wanted = [("CP1", f"{name}-{n}") for n in range(3)] + [("CP2", f"{name}-{n}") for n in range(4)]
    assert found == wanted, "in the order in which they came, none twice"


@pytest.mark.proves("X-55")
async def test_a_late_object_keeps_its_moment_and_shows_in_the_window_of_that_moment(
    shared: Bench, example: Example, unique: Unique, year: int
) -> None:
    """The window was read before; whoever reads with an overlap finds it."""
    early, late = unique("S"), unique("S")
    window, next_window = f"date_from={at(year, 0)}&date_to={at(year, 20)}", f"date_from={at(year, 20)}"
    await keep(shared, "sessions", made(example, "sessions", early, at(year, 10)))
    assert ids(await listed(shared, "sessions", window)) == [early]
    await keep(shared, "sessions", made(example, "sessions", late, at(year, 5)))
    again = await listed(shared, "sessions", window)
    assert ids(again) == [early, late]
    assert [content["last_updated"] for content in again.json()["data"]] == [at(year, 10), at(year, 5)]
    assert late not in ids(await listed(shared, "sessions", f"{next_window}&date_to={at(year, 3000)}"))


@pytest.mark.proves("X-53")
@pytest.mark.parametrize(
    "missing",
    [
        pytest.param({"operator"}, id="no operator"),
        pytest.param({"evses"}, id="no EVSEs"),
        pytest.param({"operator", "suboperator", "owner", "evses", "name"}, id="the least that OCPI asks for"),
    ],
)
async def test_a_location_without_evses_or_operator_is_listed_as_it_was_sent(
    shared: Bench, example: Example, unique: Unique, year: int, missing: set[str]
) -> None:
    content = made(example, "locations", unique("L"), at(year, 0))
    content = {name: value for name, value in content.items() if name not in missing}
    await keep(shared, "locations", content)
    assert (await listed(shared, "locations", of_year(year))).json()["data"] == [content]
    seen = await shared.p3.wait_until_seen(lambda entry: content["id"] in entry.path)
    assert seen[0].content == content


# --- pages of a partner behind the hub --------------------------------------------------------------


@pytest.fixture
def five(shared: Bench, example: Example, unique: Unique, year: int) -> list[str]:
    """Five Locations at CP1 itself, alone in their year."""
    names = [unique("L") for _ in range(5)]
    for second, name in enumerate(names):
        shared.p1.desk.offer("locations", made(example, "locations", name, at(year, second)))
    return names


async def ask_cp1(bench: Bench, query: str) -> httpx.Response:
    return await bench.send(bench.p3, "GET", f"sender/locations?{query}", sender=MS1, receiver=CP1)


def asked_of(platform: DemoPlatform) -> list[str]:
    """The path and query of every list that the hub asked a platform for."""
    return [f"{seen.path}?{seen.query}" for seen in platform.seen if seen.module_id == "locations"]


def mentions(answer: httpx.Response, platform: DemoPlatform) -> bool:
    """Whether a header tells where a platform is."""
    place = urlsplit(platform.base_url).netloc
    return any(place in value for value in answer.headers.values())


@pytest.mark.proves("P-14")
async def test_links_of_a_partner_come_as_links_of_the_hub(shared: Bench, five: list[str], year: int) -> None:
    first = await ask_cp1(shared, f"{of_year(year)}&limit=2")
    pages = [first]
    while (url := next_url(pages[-1])) is not None:
        assert urlsplit(url).netloc == urlsplit(shared.world.url).netloc
        pages.append(await follow(shared, shared.p3, url, MS1, CP1))
    assert [ids(page) for page in pages] == [five[:2], five[2:4], five[4:]]
    assert not any(mentions(page, shared.p1) for page in pages)
    assert {page.headers["ocpi-from-party-id"] for page in pages} == {"CP1"}
    assert {page.headers["ocpi-to-party-id"] for page in pages} == {"MS1"}
    own = [seen for seen in shared.p1.seen if seen.module_id == "locations"]
    assert [(seen.sender, seen.receiver) for seen in own] == [(MS1, CP1)] * 3


@pytest.mark.proves("P-14")
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("cursor=a%2Fb%3D%3D&x=1", id="a cursor"),
        pytest.param("offset=2&limit=2&offset=4", id="a name twice"),
        pytest.param("after=2019-01-01T00:00:00%2B00:00;x", id="a plus and a semicolon"),
        pytest.param("c=%C3%A9&d=%e9&empty=", id="letters, one of them no UTF-8"),
        pytest.param("c=" + "x" * 3000, id="a very long one"),
    ],
)
async def test_the_next_page_is_asked_for_exactly_as_the_partner_said(shared: Bench, query: str) -> None:
    path = "/2.2.1/sender/locations"
    link = f'<{shared.p1.base_url}{path}?{query}>; rel="next"'
    shared.p1.faults.append(Fault(module_id="locations", headers={"Link": link}, once=True))
    first = await ask_cp1(shared, "limit=2")
    url = next_url(first)
    assert url is not None
    assert "cursor" not in url
    await follow(shared, shared.p3, url, MS1, CP1)
    assert asked_of(shared.p1) == [f"{path}?limit=2", f"{path}?{query}"]


@pytest.mark.proves("P-14")
async def test_a_link_works_for_the_caller_it_was_given_to_and_nobody_else(
    shared: Bench, five: list[str], year: int
) -> None:
    url = next_url(await ask_cp1(shared, f"{of_year(year)}&limit=2")) or ""
    shared.forget_what_was_seen()
    path = url.partition("/ocpi/2.2.1/")[2]
    for platform, party in ((shared.p2, MS2), (shared.p5, OT1), (shared.p1, CP1)):
        for sender in (party, None, MS1):
            answer = await shared.send(platform, "GET", path, sender=sender, receiver=CP1)
            assert answer.json()["status_code"] // 1000 == 2
            assert "data" not in answer.json()
    nobody = await shared.http.get(url)
    assert nobody.status_code == 401
    assert not shared.p1.seen
    for _ in range(2):
        mine = await follow(shared, shared.p3, url, MS1, CP1)
        assert ids(mine) == five[2:4], "and for that one more than once"


@pytest.mark.proves("P-14")
async def test_a_link_that_was_tampered_with_is_no_address(shared: Bench, five: list[str], year: int) -> None:
    url = next_url(await ask_cp1(shared, f"{of_year(year)}&limit=2")) or ""
    shared.forget_what_was_seen()
    path = url.partition("/ocpi/2.2.1/")[2]
    middle = len(path) - 20
    other = path[:middle] + ("A" if path[middle] != "A" else "B") + path[middle + 1 :]
    for wrong in (other, path[:-10], path.replace("pages/locations", "pages/tariffs"), "pages/locations/x"):
        answer = await shared.send(shared.p3, "GET", wrong, sender=MS1, receiver=CP1)
        assert (answer.status_code, answer.json()["status_code"] // 1000) == (404, 2)
    assert not shared.p1.seen


@pytest.mark.proves("X-26", "P-14")
@pytest.mark.parametrize(
    "link",
    [
        pytest.param('<{base}{path}?page=2>; rel="next"', id="as it should be"),
        pytest.param('{base}{path}?page=2; rel="next"', id="without angle brackets"),
        pytest.param("<{base}{path}?page=2>; rel=next", id="without quotes"),
        pytest.param("<{base}{path}?page=2>;rel='next'", id="with single quotes"),
        pytest.param('<{path}?page=2>; rel="next"', id="without a host"),
        pytest.param('<?page=2>; rel="next"', id="only a query"),
        pytest.param('<locations?page=2>; rel="next"', id="relative to the list"),
        pytest.param('<{base}/1>; rel="prev", <{base}{path}?page=2>; rel="next", <{base}/9>; rel="last"', id="several"),
        pytest.param('<{base}{path}?page=2>; title="a, b"; rel="next"', id="with other parameters"),
        pytest.param('<{base}{path}?page=2>; rel="last next"', id="two relations in one"),
        pytest.param('<{base}{path}?page=2>; REL="NEXT"', id="in capitals"),
    ],
)
async def test_links_are_read_tolerantly_and_written_strictly(shared: Bench, link: str) -> None:
    path = "/2.2.1/sender/locations"
    written = link.format(base=shared.p1.base_url, path=path)
    shared.p1.faults.append(Fault(module_id="locations", headers={"Link": written}, once=True))
    url = next_url(await ask_cp1(shared, "limit=2"))
    assert url is not None
    await follow(shared, shared.p3, url, MS1, CP1)
    assert asked_of(shared.p1) == [f"{path}?limit=2", f"{path}?page=2"]


@pytest.mark.proves("X-26")
@pytest.mark.parametrize(
    "link",
    [
        pytest.param('<http://127.0.0.1/1>; rel="prev"', id="another relation"),
        pytest.param("<http://127.0.0.1/1>", id="no relation"),
        pytest.param('<ftp://127.0.0.1/1>; rel="next"', id="another scheme"),
        pytest.param("rubbish", id="rubbish"),
        pytest.param("", id="empty"),
    ],
)
async def test_what_is_no_link_to_a_next_page_is_left_out(shared: Bench, link: str) -> None:
    shared.p1.faults.append(Fault(module_id="locations", headers={"Link": link}, once=True))
    answer = await ask_cp1(shared, "limit=2&date_from=1902-01-01T00:00:00Z&date_to=1903-01-01T00:00:00Z")
    assert answer.json()["status_code"] == 1000
    assert "link" not in answer.headers


@pytest.mark.proves("X-26")
@pytest.mark.parametrize("http_status", [200, 201])
@pytest.mark.parametrize(
    "place",
    [
        pytest.param("{base}/2.2.1/receiver/cdrs/DE/CP1/{id}", id="absolute"),
        pytest.param("/2.2.1/receiver/cdrs/DE/CP1/{id}", id="without a host"),
        pytest.param("cdrs/DE/CP1/{id}", id="relative"),
    ],
)
async def test_the_location_of_a_cdr_is_read_tolerantly_and_written_strictly(
    shared: Bench, example: Example, unique: Unique, year: int, http_status: int, place: str
) -> None:
    name = unique("C")
    location = place.format(base=shared.p3.base_url, id=name)
    fault = Fault(module_id="cdrs", method="POST", http_status=http_status, headers={"Location": location})
    shared.p3.faults.append(fault)
    content = made(example, "cdrs", name, at(year, 0))
    posted = await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=MS1, content=content)
    assert (posted.status_code, posted.json()["status_code"]) == (http_status, 1000)
    assert posted.headers["location"].startswith(f"{shared.world.url}/ocpi/2.2.1/")
    read = await follow(shared, shared.p1, posted.headers["location"], CP1, MS1)
    assert read.json()["data"]["id"] == name
    own = [seen.path for seen in shared.p3.seen if seen.module_id == "cdrs" and seen.method == "GET"]
    assert own == [f"/2.2.1/receiver/cdrs/DE/CP1/{name}"]


@pytest.mark.proves("X-26")
async def test_a_cdr_whose_url_stands_in_data_has_a_location_at_the_hub(
    shared: Bench, example: Example, unique: Unique, year: int
) -> None:
    name = unique("C")
    body = b'{"data":"http://127.0.0.1/cdrs/1","status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
    shared.p3.faults.append(Fault(module_id="cdrs", method="POST", body=body, headers={"Location": ""}))
    content = made(example, "cdrs", name, at(year, 0))
    posted = await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=MS1, content=content)
    assert posted.json()["status_code"] == 1000
    read = await follow(shared, shared.p1, posted.headers["location"], CP1, MS1)
    assert read.json()["data"]["id"] == name


class InOddCase:
    """A list of two, of five in all, whose headers are written as somebody pleased."""

    def __init__(self, link: str, total: str, limit: str) -> None:
        self._headers = [(link, b"</2.2.1/sender/locations?page=2>; rel=next"), (total, b"5"), (limit, b"2")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b'{"data":[],"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
        headers = [(name.encode(), value) for name, value in self._headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.mark.proves("P-15", "T-09")
@pytest.mark.parametrize(
    ("link", "total", "limit"),
    [
        pytest.param("Link", "X-Total-Count", "X-Limit", id="as OCPI writes them"),
        pytest.param("link", "x-total-count", "x-limit", id="in small letters"),
        pytest.param("LINK", "X-TOTAL-COUNT", "X-LIMIT", id="in capitals"),
        pytest.param("lInK", "x-Total-count", "X-lImIt", id="in any case"),
    ],
)
async def test_counts_of_a_partner_are_passed_on_in_whatever_case_it_writes_them(
    world: World, link: str, total: str, limit: str
) -> None:
    odd = DemoPlatform("P1", [role("CPO", "DE/CP1")])
    page = Route("/2.2.1/sender/locations", InOddCase(link, total, limit))
    await world.stack.enter_async_context(odd.running(page))
    await odd.join(await world.invite(odd.roles), world.versions_url)
    asking = await world.join("P3", ("EMSP", "NL/MS1"))
    async with loopback_client() as http:
        bench = Bench(world, odd, odd, asking, asking, asking, http)
        answer = await ask_cp1(bench, "limit=2")
        assert answer.json()["status_code"] == 1000
        assert (answer.headers["x-total-count"], answer.headers["x-limit"]) == ("5", "2")
        assert next_url(answer) is not None


@pytest.mark.proves("P-15")
async def test_counts_of_a_partner_are_its_own_whatever_is_on_the_page(
    shared: Bench, five: list[str], year: int
) -> None:
    """They are not judged and not counted anew; those that a partner leaves out stay out."""
    first = await ask_cp1(shared, f"{of_year(year)}&limit=2")
    assert (first.headers["x-total-count"], first.headers["x-limit"]) == ("5", "2")
    more = {"X-Total-Count": "123456", "X-Limit": "7"}
    shared.p1.faults.append(Fault(module_id="locations", headers=more, once=True))
    said = await follow(shared, shared.p3, next_url(first) or "", MS1, CP1)
    assert (said.headers["x-total-count"], said.headers["x-limit"]) == ("123456", "7")
    shared.p1.faults.append(Fault(module_id="locations", headers={"X-Total-Count": "", "X-Limit": ""}, once=True))
    without = await ask_cp1(shared, f"{of_year(year)}&limit=2")
    assert ids(without) == five[:2]
    assert "x-total-count" not in without.headers
    assert "x-limit" not in without.headers


# --- Links after a while ----------------------------------------------------------------------------


class MovedClock:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Later:
    """An application that is put in after its address is known."""

    inner: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.inner(scope, receive, send)


@asynccontextmanager
async def hub_with_clock(url: str, server: tuple[Later, LoopbackServer], folder: Path) -> AsyncIterator[MovedClock]:
    """A hub at an address that stays the same when it is started again."""
    late, listening = server
    clock = MovedClock()
    settings = Settings(
        _env_file=None,
        data_dir=folder,
        admin_token=SecretStr(ADMIN_TOKEN),
        allow_private_partner_urls=True,
        public_url=f"http://127.0.0.1:{listening.port}",
    )
    late.inner = app = create_app(settings, url, clock)
    async with app.router.lifespan_context(app):
        await listening.start()
        try:
            yield clock
        finally:
            await listening.stop()


@pytest.mark.proves("P-14")
async def test_a_link_works_after_minutes_and_after_a_restart_of_the_hub(
    database_url: str, tmp_path: Path, example: Example
) -> None:
    late = Later()
    listening = LoopbackServer(late)
    url = f"http://127.0.0.1:{listening.port}"
    async with (
        loopback_client() as http,
        loopback_client(base_url=url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as admin,
        AsyncExitStack() as stack,
    ):
        world = World(url, database_url, admin, stack)
        async with hub_with_clock(database_url, (late, listening), tmp_path) as clock:
            asked = await world.join("P1", ("CPO", "DE/CP1"))
            asking = await world.join("P3", ("EMSP", "NL/MS1"))
            bench = Bench(world, asked, asked, asking, asking, asking, http)
            for number in range(3):
                asked.desk.offer("locations", made(example, "locations", f"L{number}", at(2020, number)))
            link = next_url(await ask_cp1(bench, "limit=2")) or ""
            clock.ahead = timedelta(minutes=30)
            assert ids(await follow(bench, asking, link, MS1, CP1)) == ["L2"]
        async with hub_with_clock(database_url, (late, listening), tmp_path):
            assert ids(await follow(bench, asking, link, MS1, CP1)) == ["L2"]
