"""What every public address has in common: caching, pressing, other origins, the licence, keys, and how faults are told (N-T9)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.app import HubApplication
from hub.navigation import doorkeeper, prices
from hub.navigation.routes import answers, door
from hub.store.direct import Direct, Record
from ocpi_modules.parties import Party
from tests.conftest import World, loopback_client, running_hub
from tests.navigation.land import CPO, EMSP, Land, until
from tests.settlement.cases import location, tariff

BERLIN = "13,52,14,53"
LOC1 = "/nav/v1/locations/DE/ABC/LOC1"
LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
STREAM = "/nav/v1/stream"
LOOKS_MAX = 50

CACHED = [
    pytest.param(f"/nav/v1/locations?bbox={BERLIN}", id="a box"),
    pytest.param("/nav/v1/locations?near=52.53,13.38&radius=1000&open_now=false", id="around a point"),
    pytest.param(LOC1, id="one Location in full"),
    pytest.param("/open/ocpi/2.2.1/locations", id="open OCPI"),
    pytest.param("/open/ocpi/2.2.1/locations?date_from=2020-01-01T00:00:00Z", id="open OCPI by date"),
    pytest.param("/open/ocpi/2.2.1/locations/DE/ABC/LOC1", id="one Location by OCPI"),
    pytest.param("/open/ocpi/2.2.1/tariffs", id="open tariffs"),
    pytest.param("/open/datex2/v3.7/table", id="DATEX II table"),
    pytest.param("/open/datex2/v3.7/status", id="DATEX II status"),
    pytest.param("/open/datex2/de-afir-01-00-00/static", id="AFIR static"),
    pytest.param("/open/datex2/de-afir-01-00-00/dynamic", id="AFIR dynamic"),
    pytest.param("/open/irve/statique.csv", id="IRVE static"),
    pytest.param("/open/irve/dynamique.csv", id="IRVE dynamic"),
    pytest.param("/ocm/v3/poi", id="OCM"),
    pytest.param("/ocm/v3/poi?modifiedsince=2020-01-01", id="OCM since"),
    pytest.param("/ocm/v3/referencedata", id="OCM words"),
    pytest.param("/nav/v1/tiles/12/2200/1343.mvt", id="a tile"),
    pytest.param("/nav/v1/tiles/3/4/2.mvt", id="a tile of clusters"),
    pytest.param("/map", id="the map page"),
]


OUT_OF_MEMORY = ("/ocm/v3/referencedata", "/nav/v1/tiles/12/2200/1343.mvt", "/nav/v1/tiles/3/4/2.mvt", "/map")
PATHS = [str(one.values[0]) for one in CACHED]


@contextmanager
def statements_of_requests(patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The SQL that is executed while requests are answered, and not what the hub does besides."""
    found: list[str] = []
    is_answering: ContextVar[bool] = ContextVar("is_answering", default=False)
    call, take_slot = HubApplication.__call__, Direct._take_slot

    async def answering(self: HubApplication, *said: Any) -> None:
        is_answering.set(True)
        await call(self, *said)

    async def taken(self: Direct) -> None:
        if is_answering.get():
            found.append("a connection")
        await take_slot(self)

    with patch.context() as patched:
        patched.setattr(HubApplication, "__call__", answering)
        patched.setattr(Direct, "_take_slot", taken)
        yield found


@pytest.mark.parametrize("path", CACHED)
async def test_who_has_it_gets_304_and_nothing_is_read(land: Land, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with statements_of_requests(monkeypatch) as statements:
        first = await land.reader.get(path)
        assert (first.status_code, bool(first.content)) == (200, True)
        assert statements or path in OUT_OF_MEMORY or "tariffs" in path  # else the second could not show anything
        statements.clear()
        again = await land.reader.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content, statements) == (304, b"", [])
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    listed = await land.reader.get(path, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
    assert listed.status_code == 304
    other = await land.reader.get(path, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


OF_MORE_THAN_STATUSES = ("/ocm/v3/referencedata", "/map")
"""What says nothing of any status, nor of any price."""
WITHOUT_PRICES = (
    "/open/ocpi/2.2.1/locations",
    "/open/ocpi/2.2.1/locations/DE/ABC/LOC1",
    "/open/irve/dynamique.csv",
)
STILL = ("/open/datex2/v3.7/table", "/open/datex2/de-afir-01-00-00/static", "/open/ocpi/2.2.1/tariffs")
"""What says nothing of any status."""


async def tags_of(land: Land, paths: Sequence[str]) -> dict[str, str]:
    return {path: (await land.reader.get(path)).headers["ETag"] for path in paths}


async def until_tag_is_new(land: Land, path: str, tag: str) -> None:
    async def is_new() -> bool:
        return (await land.reader.get(path, headers={"If-None-Match": tag})).headers["ETag"] != tag

    await land.until(is_new)


async def push_tariff(land: Land, receiver: Party | None = None, **changes: Any) -> None:
    content = tariff(**changes)
    assert (await land.cpo.push("tariffs", CPO, (content["id"],), content, receiver=receiver)).is_success


async def test_a_status_leaves_what_says_nothing_of_it_as_it_was(land: Land) -> None:
    paths = (*STILL, "/ocm/v3/referencedata")
    tags, status = await tags_of(land, paths), (await land.get(LOC1)).headers["ETag"]
    await land.turn()
    await until_tag_is_new(land, LOC1, status)
    assert await tags_of(land, paths) == tags


async def test_a_tariff_changes_only_what_is_priced_by_it(land: Land) -> None:
    beside = (*WITHOUT_PRICES, f"/nav/v1/locations?bbox={BERLIN}", LOC1)
    tags, tariffs = await tags_of(land, beside), (await land.get("/open/ocpi/2.2.1/tariffs")).headers["ETag"]
    await push_tariff(land, id="NOBODYS", type="AD_HOC_PAYMENT")
    await until_tag_is_new(land, "/open/ocpi/2.2.1/tariffs", tariffs)
    assert await tags_of(land, beside) == tags
    own = (await land.get("/open/ocpi/2.2.1/locations/DE/ABC/LOC1")).json()["data"]["evses"][0]
    await push_tariff(land, id=own["connectors"][0]["tariff_ids"][0], type="AD_HOC_PAYMENT")
    await until_tag_is_new(land, LOC1, tags[LOC1])
    await until_tag_is_new(land, f"/nav/v1/locations?bbox={BERLIN}", tags[f"/nav/v1/locations?bbox={BERLIN}"])
    assert await tags_of(land, WITHOUT_PRICES) == {path: tags[path] for path in WITHOUT_PRICES}


async def test_a_tariff_that_is_not_for_everybody_changes_nothing(land: Land) -> None:
    before = await tags_of(land, PATHS)
    await push_tariff(land, id="ROAMING")
    await push_tariff(land, receiver=EMSP, id="PRIVATE", type="AD_HOC_PAYMENT")
    await push_tariff(land, id="SIGNAL", type="AD_HOC_PAYMENT")  # what came before it has been seen, too
    await until_tag_is_new(land, "/open/ocpi/2.2.1/tariffs", before["/open/ocpi/2.2.1/tariffs"])
    between = await tags_of(land, PATHS)
    await push_tariff(land, id="ROAMING", last_updated="2027-05-01T00:00:00Z")
    await push_tariff(land, receiver=EMSP, id="PRIVATE", type="AD_HOC_PAYMENT", last_updated="2027-05-01T00:00:00Z")
    await asyncio.sleep(2 * prices.LOOK_SECONDS)
    assert await tags_of(land, PATHS) == between


async def test_what_changed_is_not_304(land: Land) -> None:
    paths = [path for path in PATHS if path not in OF_MORE_THAN_STATUSES]
    tags = {path: (await land.reader.get(path)).headers["ETag"] for path in paths}
    content = tariff(id="AD-HOC", type="AD_HOC_PAYMENT")
    assert (await land.cpo.push("tariffs", CPO, (content["id"],), content, receiver=None)).is_success
    await land.turn()
    for path, tag in tags.items():

        async def is_new(path: str = path, tag: str = tag) -> bool:
            answer = await land.reader.get(path, headers={"If-None-Match": tag})
            return answer.status_code == 200 and answer.headers["ETag"] != tag

        await land.until(is_new)


async def test_the_tag_of_one_location_says_nothing_of_another(land: Land) -> None:
    await land.put(location(id="OTHER"))
    await land.until_seen("/nav/v1/locations/DE/ABC/OTHER")
    tag = (await land.get(LOC1)).headers["ETag"]
    answer = await land.reader.get("/nav/v1/locations/DE/ABC/OTHER", headers={"If-None-Match": tag})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param("", id="nothing"),
        pytest.param('W/""', id="empty"),
        pytest.param('W/"x.y.z"', id="words"),
        pytest.param('W/"99999999999999999999.1.2.3"', id="a number too large"),
        pytest.param('W/"-1.1.2.3"', id="a number below nothing"),
        pytest.param('W/"4000000000.1.2.3"', id="a number that no Location can have"),
        pytest.param(",".join(['W/"1.1.1.1"'] * 400), id="many"),
    ],
)
async def test_tags_that_nobody_gave_are_no_tags(land: Land, tag: str) -> None:
    for path in (LOC1, "/open/ocpi/2.2.1/locations", f"/nav/v1/locations?bbox={BERLIN}"):
        answer = await land.reader.get(path, headers={"If-None-Match": tag})
        assert answer.status_code == 200, path


@pytest.mark.parametrize(
    "path", [f"/nav/v1/locations?bbox={BERLIN}", LOC1, "/open/ocpi/2.2.1/locations/DE/ABC/LOC1"], ids=str
)
async def test_who_only_knows_a_time_is_told_304_unless_anything_changed(
    land: Land, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SETTLING", answers.SETTLING / 4)

    async def is_settled() -> bool:
        return "Last-Modified" in (await land.get(path)).headers

    await land.until(is_settled)
    changed_at = (await land.get(path)).headers["Last-Modified"]
    assert abs((parsedate_to_datetime(changed_at) - datetime.now(UTC)).total_seconds()) < 120
    again = await land.reader.get(path, headers={"If-Modified-Since": changed_at})
    assert (again.status_code, again.content) == (304, b"")
    await asyncio.sleep(1)  # the next change is in another second
    await land.turn()

    async def is_new() -> bool:
        answer = await land.reader.get(path, headers={"If-Modified-Since": changed_at})
        return answer.status_code == 200 and answer.headers.get("Last-Modified", changed_at) != changed_at

    await land.until(is_new)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("yesterday", id="no date"),
        pytest.param("Mon, 01 Jan 99999 00:00:00 GMT", id="a year that no calendar has"),
        pytest.param("Mon, 99 Foo 2020 25:61:61 GMT", id="a day that no calendar has"),
        pytest.param("Mon, 01 Jan 2001 00:00:00", id="long ago, without a zone"),
        pytest.param(format_datetime(datetime(1970, 1, 1, tzinfo=UTC), usegmt=True), id="long ago"),
    ],
)
async def test_times_that_say_nothing_are_not_304(land: Land, moment: str) -> None:
    answer = await land.reader.get(f"/nav/v1/locations?bbox={BERLIN}", headers={"If-Modified-Since": moment})
    assert answer.status_code == 200


async def test_what_is_posted_is_answered_whatever_is_known(land: Land) -> None:
    line = {"type": "LineString", "coordinates": [[13.0, 52.53], [13.8, 52.53]]}
    answer = await land.reader.post("/nav/v1/locations", json=line, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["returned"] > 0) == (200, True)


# --- pressing ---


async def both(land: Land, path: str, name: str) -> tuple[httpx.Response, httpx.Response]:
    """An answer as it is and pressed, while nothing changes: what tests before did may still be on its way to the map."""
    for _ in range(LOOKS_MAX):
        plain = await land.reader.get(path, headers={"Accept-Encoding": "identity"})
        pressed = await land.reader.get(path, headers={"Accept-Encoding": name})
        again = await land.reader.get(path, headers={"Accept-Encoding": "identity"})
        if without_times(plain.content) == without_times(again.content):
            return plain, pressed
        await asyncio.sleep(0.2)
    raise AssertionError("it changes all the time")


@pytest.mark.parametrize("path", [*CACHED, pytest.param("/nav/v1/changes", id="changes")])
async def test_pressed_answers_hold_the_same_bytes(land: Land, path: str) -> None:
    if "tariffs" in path or "by OCPI" in path:
        return
    for name in ("gzip", "br", "zstd"):
        plain, pressed = await both(land, path, name)
        assert "Content-Encoding" not in plain.headers
        assert without_times(pressed.content) == without_times(plain.content)
        assert pressed.headers.get("Content-Encoding") == name or len(plain.content) < door.COMPRESSED_MIN_BYTES
        assert "Accept-Encoding" in pressed.headers["Vary"] or "Content-Encoding" not in pressed.headers


async def test_a_stream_is_not_pressed(land: Land) -> None:
    async with land.reader.stream("GET", STREAM, headers={"Accept-Encoding": "gzip, br, zstd"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert (await anext(answer.aiter_bytes())).startswith(b"retry: ")


# --- other pages, other methods, the licence ---


async def test_pages_of_others_may_ask(land: Land) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    wanted = "authorization, x-api-key, if-none-match, last-event-id"
    leave = await land.reader.options(LOC1, headers={**asked, "Access-Control-Request-Headers": wanted})
    assert leave.status_code == 200
    assert leave.headers["Access-Control-Allow-Origin"] == "*"
    allowed = leave.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in wanted.split(", "))
    assert "Access-Control-Allow-Credentials" not in leave.headers
    for path in (LOC1, "/open/ocpi/2.2.1/locations", "/nav/v1/locations", "/nav/v1/nothing"):
        answer = await land.reader.get(path, headers={"Origin": "https://app.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*", path
        shown = answer.headers["Access-Control-Expose-Headers"]
        assert all(name in shown for name in ("ETag", "X-Total-Count", "Link", "Retry-After", "Content-Range"))


@pytest.mark.parametrize("path", PATHS)
async def test_who_has_any_edition_is_told_304(land: Land, path: str) -> None:
    assert (await land.reader.get(path, headers={"If-None-Match": "*"})).status_code == 304


@pytest.mark.parametrize("path", [*CACHED, pytest.param("/nav/v1/changes", id="changes")])
async def test_head_says_what_get_says_without_a_body(land: Land, path: str) -> None:
    get, head = await land.reader.get(path), await land.reader.head(path)
    assert (head.status_code, head.content) == (200, b"")
    names = ("ETag", "Content-Type", "Cache-Control", "X-Total-Count", "Access-Control-Allow-Origin")
    assert {name: head.headers.get(name) for name in names} == {name: get.headers.get(name) for name in names}
    lengths = [answer.headers.get("Content-Length") for answer in (get, head)]
    assert (lengths[0] is None) == (lengths[1] is None)
    # the moment of an answer stands in its envelope, and ends where its thousandths are zeros
    assert abs(int(lengths[0] or 0) - int(lengths[1] or 0)) <= len(".123")


async def test_head_of_a_stream_ends(land: Land) -> None:
    head = await land.reader.head(STREAM)
    assert (head.status_code, head.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert "Content-Length" not in head.headers
    assert (await land.reader.head(f"{STREAM}?bbox=nowhere")).status_code == 400


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        pytest.param("/nav/v1/locations", "GET, HEAD, OPTIONS, POST", id="two routes at one address"),
        pytest.param(LOC1, "GET, HEAD, OPTIONS", id="one Location"),
        pytest.param(STREAM, "GET, HEAD, OPTIONS", id="the stream"),
        pytest.param("/open/ocpi/2.2.1/locations", "GET, HEAD, OPTIONS", id="where OCPI is spoken"),
        pytest.param("/map", "GET, HEAD, OPTIONS", id="the map page"),
    ],
)
async def test_options_and_405_say_which_methods_there_are(land: Land, path: str, methods: str) -> None:
    answer = await land.reader.options(path)
    assert (answer.status_code, answer.content, answer.headers["Allow"]) == (204, b"", methods)
    refused = await land.reader.patch(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, methods)


async def test_options_of_nothing_are_none(land: Land) -> None:
    answer = await land.reader.options("/nav/v1/nothing")
    assert (answer.status_code, answer.json()["code"], "Allow" in answer.headers) == (404, "NOT_FOUND", False)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"/nav/v1/locations?bbox={BERLIN}", id="a box"),
        pytest.param("/nav/v1/changes", id="changes"),
        pytest.param("/nav/v1/price?location=DE/ABC/LOC1&evse=E1&kwh=10", id="a price"),
    ],
)
async def test_the_licence_is_in_answers_and_their_heads(land: Land, path: str) -> None:
    answer = await land.get(path)
    said = answer.json()
    assert (said["licence"], said["licence_url"]) == ("CC-BY-4.0", LICENCE_URL)
    assert said["attribution"]
    assert f'<{LICENCE_URL}>; rel="license"' in answer.headers["Link"]
    full = (await land.get(LOC1)).json()["properties"]
    assert full["licence_url"] == LICENCE_URL


async def test_the_next_page_and_the_licence_are_both_links(land: Land) -> None:
    await land.put(location(id="OTHER"))
    await land.until_seen("/nav/v1/locations/DE/ABC/OTHER")
    answer = await land.get("/open/ocpi/2.2.1/locations", limit=1)
    assert 'rel="next"' in answer.headers["Link"]
    assert 'rel="license"' in answer.headers["Link"]
    assert answer.links["next"]["url"].endswith("limit=1&offset=1")


# --- faults ---


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/nav/v1/locations", 400, "WHERE_MISSING", id="nothing asked"),
        pytest.param("GET", "/nav/v1/nothing", 404, "NOT_FOUND", id="no such address"),
        pytest.param("GET", "/nav/v1/locations/DE/ABC/NONE", 404, "NOT_FOUND", id="no such Location"),
        pytest.param("GET", "/nav/v1/locations/DEU/ABC/LOC1", 404, "NOT_FOUND", id="no such party"),
        pytest.param("DELETE", "/nav/v1/locations", 405, "METHOD_NOT_ALLOWED", id="no such method"),
        pytest.param("GET", "/ocm/v3/poi?maxresults=many", 400, "INVALID_PARAMETER", id="OCM"),
        pytest.param("GET", "/open/datex2/v3.7/table?bbox=1", 400, "INVALID_PARAMETER", id="DATEX II"),
    ],
)
async def test_faults_are_problem_documents(land: Land, method: str, path: str, status: int, code: str) -> None:
    answer = await land.reader.request(method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    said = answer.json()
    assert (said["status"], said["code"], said["type"]) == (status, code, "about:blank")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/open/ocpi/2.2.1/locations?limit=0", 400, id="a limit of nothing"),
        pytest.param("/open/ocpi/2.2.1/locations?date_from=soon", 400, id="no date"),
        pytest.param("/open/ocpi/2.2.1/locations/DE/ABC/NONE", 404, id="no such Location"),
        pytest.param("/open/ocpi/2.2.1/nothing", 404, id="no such module"),
    ],
)
async def test_where_ocpi_is_spoken_faults_are_in_its_envelope(land: Land, path: str, status: int) -> None:
    answer = await land.reader.get(path)
    said = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert 2000 <= said["status_code"] < 3000
    assert said["status_message"]
    assert said["timestamp"]


async def test_what_breaks_is_told_in_the_same_form(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> Sequence[Record]:
        raise ZeroDivisionError("a secret")

    with monkeypatch.context() as patched:
        patched.setattr("hub.store.publicplaces.PublicPlaces.whole", broken)
        answer = await land.reader.get("/nav/v1/locations/DE/ABC/LOC1")
    assert (answer.status_code, answer.json()["code"]) == (500, "FAILED")
    assert b"secret" not in answer.content


# --- keys ---


@pytest.fixture(scope="module")
async def two_hubs(databases: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[World, World]]:
    """Two processes of one hub, in which nobody may read without a key, and what is asked is added up often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doorkeeper, "COUNTED_EVERY_SECONDS", 0.1)
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(databases.lent())
            folder: Path = tmp_path_factory.mktemp("hubs")
            settings = {
                "secret_key": "the-key-of-both-processes-of-one-hub",
                "map_anonymous_per_second": 0,
                "navigation": True,
            }
            hubs = [running_hub(url, folder / name, **settings) for name in ("a", "b")]
            yield await stack.enter_async_context(hubs[0]), await stack.enter_async_context(hubs[1])


async def key_of(world: World, **asked: Any) -> tuple[int, str]:
    answer = await world.admin.post("/admin/readers", json={"name": "App", **asked})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.json()["key"]


def asking(world: World, key: str = "") -> httpx.AsyncClient:
    return loopback_client(base_url=world.url, headers={"Authorization": f"Bearer {key}"} if key else {})


PATH = f"/nav/v1/locations?bbox={BERLIN}"
AT_ONCE = 40


async def test_without_a_key_nobody_reads_where_that_is_off(two_hubs: tuple[World, World]) -> None:
    async with asking(two_hubs[0]) as nobody:
        answer = await nobody.get(PATH)
        assert (answer.status_code, answer.json()["code"]) == (401, "KEY_REQUIRED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert 'rel="license"' in answer.headers["Link"]
        in_ocpi = await nobody.get("/open/ocpi/2.2.1/locations")
        assert (in_ocpi.status_code, in_ocpi.json()["status_code"]) == (401, 2001)


async def test_a_key_is_taken_as_bearer_as_header_or_in_the_query(two_hubs: tuple[World, World]) -> None:
    _, key = await key_of(two_hubs[0])
    async with asking(two_hubs[0], key) as reader, asking(two_hubs[0]) as nobody:
        assert (await reader.get(PATH)).status_code == 200
        assert (await nobody.get(PATH, headers={"X-API-Key": key})).status_code == 200
        assert (await nobody.get(f"{PATH}&key={key}")).status_code == 200


async def test_what_is_read_with_a_key_that_is_needed_is_kept_by_no_cache_for_others(
    two_hubs: tuple[World, World], land: Land
) -> None:
    """RFC 9111, 3.5: an answer that is public may be given to whoever asks the cache next, without a key."""
    _, key = await key_of(two_hubs[0])
    async with asking(two_hubs[0], key) as reader:
        first = await reader.get(PATH)
        assert first.headers["Cache-Control"] == "private, max-age=5"
        again = await reader.get(PATH, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.headers["Cache-Control"]) == (304, "private, max-age=5")
        assert (await reader.get("/nav/v1/changes")).headers["Cache-Control"] == "no-store"
        assert (await reader.get("/ocm/v3/")).headers["Cache-Control"] == "no-store"
    assert (await land.get(PATH)).headers["Cache-Control"] == "public, max-age=5"


async def test_a_revoked_key_counts_no_more(two_hubs: tuple[World, World]) -> None:
    number, key = await key_of(two_hubs[0])
    async with asking(two_hubs[0], key) as reader:
        assert (await reader.get(PATH)).status_code == 200
        assert (await two_hubs[0].admin.delete(f"/admin/readers/{number}")).status_code == 204
        answer = await reader.get(PATH)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNKNOWN_KEY")
        assert (await two_hubs[0].admin.delete(f"/admin/readers/{number}")).status_code == 404


async def test_the_quota_of_a_day_counts_in_all_processes(two_hubs: tuple[World, World]) -> None:
    _, key = await key_of(two_hubs[0], per_day=20, per_second=1000)
    async with asking(two_hubs[0], key) as here, asking(two_hubs[1], key) as there:
        for _ in range(10):
            assert (await here.get(PATH)).status_code == 200
            assert (await there.get(PATH)).status_code == 200

        async def today() -> int:
            (row,) = [one for one in (await two_hubs[1].admin.get("/admin/readers")).json() if one["per_day"] == 20]
            requests: int = row["requests_today"]
            return requests

        async def are_added_up() -> bool:
            return await today() >= 20

        async def is_used_up() -> bool:
            return {(await one.get(PATH)).status_code for one in (here, there)} == {429}

        await until(are_added_up)
        await until(is_used_up)
        answer = await there.get(PATH)
        assert answer.json()["code"] == "QUOTA_USED_UP"
        assert 0 < int(answer.headers["Retry-After"]) <= 86_400
        assert await today() < 2 * 20, "each of them alone would have let in twenty"


async def test_who_asks_too_fast_is_told_when_to_come_back(two_hubs: tuple[World, World]) -> None:
    _, key = await key_of(two_hubs[0], per_second=1)
    async with asking(two_hubs[0], key) as reader:
        found = [await reader.get(PATH) for _ in range(doorkeeper.BURST_SECONDS)]
        assert [one.status_code for one in found] == [200] * doorkeeper.BURST_SECONDS
        more = await asyncio.gather(*(reader.get(PATH) for _ in range(AT_ONCE)))  # on a busy machine some are in time
        refused = [one for one in more if one.status_code != 200]
        assert {(one.status_code, one.json()["code"], one.headers["Retry-After"]) for one in refused} == {
            (429, "TOO_FAST", "1")
        }


async def test_who_guesses_keys_is_told_to_wait(two_hubs: tuple[World, World]) -> None:
    """Each guess is looked for in the database: an address has only so many."""
    _, key = await key_of(two_hubs[1])
    async with asking(two_hubs[1], key) as reader, asking(two_hubs[1]) as guesser:
        assert (await reader.get(PATH)).status_code == 200
        most = doorkeeper.GUESSES_PER_SECOND * doorkeeper.BURST_SECONDS
        found = [await guesser.get(PATH, headers={"X-API-Key": f"map_{n}"}) for n in range(most)]
        assert [one.status_code for one in found] == [401] * most
        more = count(most)

        async def is_refused() -> bool:
            return (await guesser.get(PATH, headers={"X-API-Key": f"map_{next(more)}"})).status_code == 429

        await until(is_refused)
        assert (await reader.get(PATH)).status_code == 200  # whose key is known goes on


def without_times(body: bytes) -> bytes:
    """An answer without when it was made, which formats with an envelope say."""
    return re.sub(rb"20\d\d-\d\d-\d\dT[0-9:.]+(Z|\+00:00)", b"", body)
