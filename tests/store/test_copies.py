"""The copies: what was said last, for exactly the audience it was meant for, in pages that do not shift."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from hub.store.changes import Change, Result
from hub.store.copies import Copies, Crawled, PageQuery
from hub.store.database import Database
from ocpi_modules.catalog import MODULES
from ocpi_modules.errors import InvalidParameters, OcpiError
from ocpi_modules.module import LookFor, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, fold, format_datetime
from tests.store import CP1, CP2, MS1, MS2, Object, owned_by, push

Example = Callable[..., Object]

T = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def copies(database: Database) -> AsyncIterator[Copies]:
    opened = Copies(database.direct)
    yield opened
    await opened.close()


@pytest.fixture
def location(example: Example) -> Callable[..., Object]:
    """A small location: `location(CP1, "L1", at=T)`."""

    def make(owner: Party, id: str, at: datetime = T, **changes: Any) -> Object:
        return {**example("location"), **owned_by(owner, id=id, evses=[], last_updated=format_datetime(at)), **changes}

    return make


def query(module_id: str, reader: Party, **changes: Any) -> PageQuery:
    return PageQuery(**{"module": MODULES[module_id], "reader": reader, "sees_shared": True, **changes})


async def seen(copies: Copies, module_id: str, reader: Party, **changes: Any) -> list[Object]:
    page = await copies.page(query(module_id, reader, **changes))
    return [decode_json(text) for text in page.texts]


async def ids_seen(copies: Copies, module_id: str, reader: Party, **changes: Any) -> list[str]:
    return [content[MODULES[module_id].key] for content in await seen(copies, module_id, reader, **changes)]


async def refused(copies: Copies, change: Change) -> OcpiError:
    with pytest.raises(OcpiError) as caught:
        await copies.keep(change)
    return caught.value


# --- one object -------------------------------------------------------------------------------------


async def test_an_object_is_kept_as_the_bytes_that_came_in(copies: Copies, location: Callable[..., Object]) -> None:
    """R-10, R-11, B-13, Y-07, Y-10."""
    change = push("locations", location(CP1, "L1", x_vendor={"a": 1.25}))
    kept = await copies.keep(change)
    copy = await copies.owned(MODULES["locations"], CP1, "L1", "")
    assert kept.result is Result.CREATED
    assert copy is not None
    assert copy.text == change.text
    assert (await copies.page(query("locations", MS1))).texts == (change.text,)


async def test_ids_are_the_same_object_in_whatever_case_and_keep_their_spelling(
    copies: Copies, location: Callable[..., Object]
) -> None:
    """Y-04."""
    await copies.keep(push("locations", location(CP1, "Loc1")))
    assert (await copies.keep(push("locations", location(CP1, "Loc1"), ids=("LOC1",)))).result is Result.UPDATED
    assert await ids_seen(copies, "locations", MS1) == ["Loc1"]
    for spelling in ("loc1", "LOC1", "Loc1"):
        assert await copies.owned(MODULES["locations"], CP1, spelling, "") is not None
        assert await copies.owners(LookFor("locations", spelling)) == {CP1}


async def test_the_type_of_a_token_makes_it_another_token(copies: Copies, example: Example) -> None:
    """TK-02, TK-11."""
    for kind in ("RFID", "APP_USER"):
        await copies.keep(push("tokens", example("token", **owned_by(MS1, uid="U1", type=kind))))
    assert await ids_seen(copies, "tokens", CP1) == ["U1", "U1"]
    app = await copies.owned(MODULES["tokens"], MS1, "u1", "APP_USER")
    assert app is not None
    assert decode_json(app.text)["type"] == "APP_USER"
    assert await copies.owners(LookFor("tokens", "u1", "APP_USER")) == {MS1}
    assert await copies.owners(LookFor("tokens", "u1", "OTHER")) == frozenset()


async def test_a_refused_push_leaves_everything_as_it_was(copies: Copies, location: Callable[..., Object]) -> None:
    """L-13, X-32."""
    fields = {"status": "REMOVED", "last_updated": format_datetime(T)}
    error = await refused(copies, push("locations", fields, owner=CP1, ids=("L1", "E1"), purpose=Purpose.UPDATE))
    assert (error.http_status, error.status_code) == (404, 2003)
    assert await copies.count() == {}


async def test_an_older_push_is_not_stored(copies: Copies, location: Callable[..., Object]) -> None:
    """X-31."""
    await copies.keep(push("locations", location(CP1, "L1", T, name="new")))
    kept = await copies.keep(push("locations", location(CP1, "L1", T - SECOND, name="old")))
    (content,) = await seen(copies, "locations", MS1)
    assert (kept.result, content["name"]) == (Result.STALE, "new")


async def test_a_deleted_tariff_is_gone_and_may_come_again(copies: Copies, example: Example) -> None:
    """TF-02."""
    tariff = push("tariffs", example("tariff", **owned_by(CP1, id="T1")))
    remove = push("tariffs", {}, owner=CP1, ids=("t1",), purpose=Purpose.REMOVE)
    await copies.keep(tariff)
    assert (await copies.keep(remove)).result is Result.REMOVED
    assert await copies.owned(MODULES["tariffs"], CP1, "T1", "") is None
    assert (await copies.page(query("tariffs", MS1))).total == 0
    assert (await refused(copies, remove)).http_status == 404
    assert (await copies.keep(tariff)).result is Result.CREATED


async def test_deleting_what_one_party_was_told_leaves_what_everybody_was_told(
    copies: Copies, example: Example
) -> None:
    """TF-02, X-13."""
    tariff = example("tariff", **owned_by(CP1, id="T1"))
    await copies.keep(push("tariffs", tariff))
    await copies.keep(push("tariffs", tariff, audience=MS1))
    await copies.keep(push("tariffs", {}, owner=CP1, ids=("T1",), purpose=Purpose.REMOVE, audience=MS1))
    assert await ids_seen(copies, "tariffs", MS1) == ["T1"]


# --- audience ---------------------------------------------------------------------------------------


async def test_what_one_party_was_told_is_shown_to_that_party_alone(
    copies: Copies, location: Callable[..., Object]
) -> None:
    """G-03, X-12, P-07."""
    await copies.keep(push("locations", location(CP1, "L1")))
    await copies.keep(push("locations", location(CP1, "L9"), audience=MS1))
    assert await ids_seen(copies, "locations", MS1) == ["L1", "L9"]
    for stranger in (MS2, CP2, CP1):
        assert await ids_seen(copies, "locations", stranger) == ["L1"]
        assert (await copies.page(query("locations", stranger))).total == 1
        assert await copies.visible(query("locations", stranger), LookFor("locations", "L9")) == {}
    assert (await copies.page(query("locations", MS1))).total == 2
    assert set(await copies.visible(query("locations", MS1), LookFor("locations", "l9"))) == {CP1}
    assert await copies.owned(MODULES["locations"], CP1, "L9", "") is None


async def test_what_one_party_was_told_stands_beside_what_everybody_was_told(
    copies: Copies, location: Callable[..., Object]
) -> None:
    """X-13: neither overwrites the other, and the party sees its own once."""
    await copies.keep(push("locations", location(CP1, "L1", T, name="for all")))
    await copies.keep(push("locations", location(CP1, "L1", T + SECOND, name="for MS1"), audience=MS1))
    names = {reader: [content["name"] for content in await seen(copies, "locations", reader)] for reader in (MS1, MS2)}
    assert names == {MS1: ["for MS1"], MS2: ["for all"]}
    assert (await copies.page(query("locations", MS1))).total == 1
    one = await copies.visible(query("locations", MS1), LookFor("locations", "L1"))
    assert decode_json(one[CP1].text)["name"] == "for MS1"
    kept = await copies.keep(push("locations", location(CP1, "L1", T, name="for all, again")))
    assert kept.result is Result.UPDATED, "the newer private copy does not make this one old"


async def test_sessions_and_cdrs_are_for_their_owner_and_their_emsp(copies: Copies, example: Example) -> None:
    """G-04, P-07, CD-01."""
    for number, (owner, payer) in enumerate([(CP1, MS1), (CP1, MS2), (CP2, MS1)], start=1):
        await copies.keep(push("sessions", example("session", **owned_by(owner, id=f"S{number}")), addressee=payer))
        cdr = example("cdr", **owned_by(owner, id=f"C{number}"))
        await copies.keep(push("cdrs", cdr, purpose=Purpose.ADD, addressee=payer, debtor=payer))
    expected = {CP1: ["1", "2"], CP2: ["3"], MS1: ["1", "3"], MS2: ["2"], Party("GB", "NS1"): []}
    for reader, numbers in expected.items():
        assert await ids_seen(copies, "sessions", reader) == [f"S{number}" for number in numbers]
        assert await ids_seen(copies, "cdrs", reader) == [f"C{number}" for number in numbers]
        assert (await copies.page(query("cdrs", reader, limit=1))).total == len(numbers)
    assert await copies.visible(query("sessions", MS2), LookFor("sessions", "S1")) == {}


async def test_a_reader_that_sees_no_shared_objects_sees_its_own(copies: Copies, example: Example) -> None:
    """G-04: tokens are for those who charge cars."""
    await copies.keep(push("tokens", example("token", **owned_by(MS1, uid="U1"))))
    await copies.keep(push("tokens", example("token", **owned_by(MS2, uid="U2"))))
    assert await ids_seen(copies, "tokens", MS1, sees_shared=False) == ["U1"]
    assert (await copies.page(query("tokens", MS1, sees_shared=False))).total == 1
    assert await copies.visible(query("tokens", MS1, sees_shared=False), LookFor("tokens", "U2", "RFID")) == {}
    assert await ids_seen(copies, "tokens", CP1) == ["U1", "U2"]


async def test_one_id_at_two_owners_is_two_objects(copies: Copies, location: Callable[..., Object]) -> None:
    """G-02, G-06, O-04, CD-05."""
    await copies.keep(push("locations", location(CP1, "L1")))
    await copies.keep(push("locations", location(CP2, "L1")))
    assert set(await copies.visible(query("locations", MS1), LookFor("locations", "L1"))) == {CP1, CP2}
    assert await copies.owners(LookFor("locations", "L1")) == {CP1, CP2}
    assert [content["party_id"] for content in await seen(copies, "locations", MS1)] == ["CP1", "CP2"]


async def test_an_owner_is_found_through_what_it_told_one_party(
    copies: Copies, location: Callable[..., Object]
) -> None:
    """O-03: finding a destination shows nothing to anybody."""
    await copies.keep(push("locations", location(CP1, "L9"), audience=MS1))
    assert await copies.owners(LookFor("locations", "L9")) == {CP1}


# --- pages ------------------------------------------------------------------------------------------


async def test_date_from_is_inclusive_and_date_to_is_exclusive(copies: Copies, location: Callable[..., Object]) -> None:
    """P-02, P-03."""
    await copies.keep(push("locations", location(CP1, "L1", T)))
    assert await ids_seen(copies, "locations", MS1, date_from=T) == ["L1"]
    assert await ids_seen(copies, "locations", MS1, date_from=T + timedelta(milliseconds=1)) == []
    assert await ids_seen(copies, "locations", MS1, date_to=T) == []
    assert await ids_seen(copies, "locations", MS1, date_to=T + timedelta(milliseconds=1)) == ["L1"]


async def test_adjacent_windows_share_nothing_and_miss_nothing(copies: Copies, location: Callable[..., Object]) -> None:
    """P-03, P-07."""
    for number in range(6):
        await copies.keep(push("locations", location(CP1, f"L{number}", T + number * SECOND)))
    early = query("locations", MS1, date_from=T, date_to=T + 3 * SECOND)
    late = query("locations", MS1, date_from=T + 3 * SECOND, date_to=T + 6 * SECOND)
    pages = [await copies.page(early), await copies.page(late)]
    assert [decode_json(text)["id"] for page in pages for text in page.texts] == [f"L{n}" for n in range(6)]
    assert [page.total for page in pages] == [3, 3]


async def test_a_changed_connector_brings_its_location_into_the_window(copies: Copies, example: Example) -> None:
    """P-04, L-10."""
    whole = example("location", **owned_by(CP1, id="L1"))
    await copies.keep(push("locations", whole))
    evse, later = whole["evses"][0], datetime(2026, 7, 1, tzinfo=UTC)
    ids = ("L1", evse["uid"], evse["connectors"][0]["id"])
    fields = {"max_amperage": 63, "last_updated": format_datetime(later)}
    await copies.keep(push("locations", fields, owner=CP1, ids=ids, purpose=Purpose.UPDATE))
    assert await ids_seen(copies, "locations", MS1, date_from=later) == ["L1"]


async def test_following_the_pages_gives_each_object_once(copies: Copies, location: Callable[..., Object]) -> None:
    """P-11, P-12: while old objects change and new ones come."""
    for number in range(57):
        await copies.keep(push("locations", location((CP1, CP2)[number % 2], f"L{number}", T - number * SECOND)))
    found: list[str] = []
    for offset in range(0, 60, 10):
        page = await copies.page(query("locations", MS1, offset=offset, limit=10))
        found += [decode_json(text)["id"] for text in page.texts]
        assert page.total == (57 if offset == 0 else 58)
        await copies.keep(push("locations", location(CP1, f"L{offset}", T + (offset + 1) * SECOND)))
        await copies.keep(push("locations", location(CP1, "L999", T - timedelta(days=9) + offset * SECOND)))
    assert found == [f"L{number}" for number in range(57)] + ["L999"]


async def test_a_page_beyond_the_end_is_empty_and_has_the_true_total(
    copies: Copies, location: Callable[..., Object]
) -> None:
    """P-10."""
    await copies.keep(push("locations", location(CP1, "L1")))
    page = await copies.page(query("locations", MS1, offset=999_999))
    assert (page.texts, page.total) == ((), 1)
    assert (await copies.page(query("tariffs", MS1))).total == 0


async def test_the_hub_knows_how_much_it_keeps(
    copies: Copies, location: Callable[..., Object], example: Example
) -> None:
    await copies.keep(push("locations", location(CP1, "L1")))
    await copies.keep(push("locations", location(CP1, "L1"), audience=MS1))
    await copies.keep(push("tariffs", example("tariff", **owned_by(CP1, id="T1"))))
    assert await copies.count() == {"locations": 2, "tariffs": 1}


# --- pulls ------------------------------------------------------------------------------------------

LOCATIONS = MODULES["locations"]
HOUR = timedelta(hours=1)


def crawled(*ids: str, at: datetime, before: datetime | None = None, owner: Party = CP1) -> Crawled:
    """A complete list of an owner's locations, read at a moment, and when the one before it began."""
    return Crawled(module=LOCATIONS, owner=owner, seen={(fold(one), "") for one in ids}, at=at, crawled_before=before)


async def test_what_was_pushed_last_is_known_by_module_owner_and_moment(
    copies: Copies, location: Callable[..., Object], example: Example
) -> None:
    """T-23: a pull asks for what changed since, and the pushes after a gap are no excuse."""
    for hours, content in enumerate((location(CP1, "L1"), location(CP1, "L2"), location(CP2, "L1"))):
        await copies.keep(push("locations", content, at=T + hours * HOUR))
    tariff = push("tariffs", example("tariff", **owned_by(CP1, id="T1")), at=T + 9 * HOUR)
    await copies.keep(tariff)
    late = T + 100 * HOUR
    assert await copies.last_push(LOCATIONS, [CP1], late) == T + HOUR
    assert await copies.last_push(LOCATIONS, [CP1], T + HOUR) == T, "before, not at"
    assert await copies.last_push(LOCATIONS, [CP1], T) is None
    assert await copies.last_push(LOCATIONS, [CP1, CP2], late) == T + 2 * HOUR
    assert await copies.last_push(MODULES["tariffs"], [CP1], late) == T + 9 * HOUR
    assert await copies.last_push(LOCATIONS, [MS1], late) is None
    assert await copies.last_push(LOCATIONS, [], late) is None


async def test_what_was_pulled_was_not_pushed(copies: Copies, location: Callable[..., Object]) -> None:
    late = T + 100 * HOUR
    await copies.keep(push("locations", location(CP1, "L1"), at=T, is_pulled=True))
    assert await copies.last_push(LOCATIONS, [CP1], late) is None
    await copies.keep(push("locations", location(CP1, "L1", name="new"), at=T + HOUR))
    assert await copies.last_push(LOCATIONS, [CP1], late) == T + HOUR
    newer = location(CP1, "L1", T + HOUR, name="newer")
    assert (await copies.keep(push("locations", newer, at=T + 2 * HOUR, is_pulled=True))).result is Result.UPDATED
    assert await copies.last_push(LOCATIONS, [CP1], late) == T + HOUR, "it is remembered when it was pushed"


async def test_what_is_pulled_and_was_there_already_is_no_news(copies: Copies, location: Callable[..., Object]) -> None:
    content = location(CP1, "L1", x_number=Decimal("1.50"))
    await copies.keep(push("locations", content))
    same_again = push("locations", dict(reversed(content.items())), is_pulled=True)
    assert (await copies.keep(same_again)).result is Result.UNCHANGED
    assert (await copies.keep(push("locations", content))).result is Result.UPDATED, "a push is news: B-12"
    assert (await copies.keep(push("locations", location(CP1, "L1"), is_pulled=True))).result is Result.UPDATED


async def test_what_a_complete_crawl_lacks_is_stale_and_hidden_from_every_reader(
    copies: Copies, location: Callable[..., Object]
) -> None:
    """X-29."""
    for name in ("L1", "L2", "L3"):
        await copies.keep(push("locations", location(CP1, name), is_pulled=True))
    await copies.keep(push("locations", location(CP2, "L2"), is_pulled=True))
    assert await copies.mark_missing(crawled("l1", "L3", at=T)) == 1
    for reader in (MS1, CP1, CP2):
        assert [(one["party_id"], one["id"]) for one in await seen(copies, "locations", reader)] == [
            ("CP1", "L1"),
            ("CP1", "L3"),
            ("CP2", "L2"),
        ]
    assert (await copies.page(query("locations", MS1))).total == 3
    assert set(await copies.visible(query("locations", MS1), LookFor("locations", "L2"))) == {CP2}
    assert (await copies.count_visible(query("locations", MS1))).by_owner == {CP1: 2, CP2: 1}
    assert (await copies.count())["locations"] == 4, "it is hidden, not deleted"
    assert await copies.owned(LOCATIONS, CP1, "L2", "") is not None, "its owner still finds it"
    assert await copies.mark_missing(crawled("L1", "L3", at=T + HOUR)) == 0, "it is stale already"


async def test_what_a_later_crawl_contains_or_its_owner_pushes_is_good_again(
    copies: Copies, location: Callable[..., Object]
) -> None:
    for name in ("L1", "L2"):
        await copies.keep(push("locations", location(CP1, name), is_pulled=True))
    assert await copies.mark_missing(crawled(at=T)) == 2
    assert await ids_seen(copies, "locations", MS1) == []
    assert await copies.mark_missing(crawled("L1", at=T + HOUR)) == 0
    assert await ids_seen(copies, "locations", MS1) == ["L1"]
    await copies.keep(push("locations", location(CP1, "L2", T + HOUR), at=T + HOUR))
    assert await ids_seen(copies, "locations", MS1) == ["L1", "L2"]


@pytest.mark.parametrize(
    ("pushed", "before", "is_left"),
    [
        pytest.param(T, T - HOUR, True, id="after the crawl before: that one could not contain it"),
        pytest.param(T, T, True, id="at its very beginning"),
        pytest.param(T, T + HOUR, False, id="before it"),
        pytest.param(T, None, True, id="there was no crawl before"),
    ],
)
async def test_what_was_pushed_since_the_crawl_before_is_left_alone(
    copies: Copies, location: Callable[..., Object], pushed: datetime, before: datetime | None, is_left: bool
) -> None:
    """Lists lag behind pushes at some partners."""
    await copies.keep(push("locations", location(CP1, "L1"), at=pushed))
    assert await copies.mark_missing(crawled(at=T + 2 * HOUR, before=before)) == (0 if is_left else 1)
    assert await ids_seen(copies, "locations", MS1) == (["L1"] if is_left else [])


async def test_what_one_party_was_told_alone_never_goes_stale(copies: Copies, location: Callable[..., Object]) -> None:
    """X-12: the owner's list for the hub does not contain it."""
    await copies.keep(push("locations", location(CP1, "L9"), audience=MS1, at=T - 9 * HOUR))
    assert await copies.mark_missing(crawled(at=T, before=T - HOUR)) == 0
    assert await ids_seen(copies, "locations", MS1) == ["L9"]


# --- many at once -----------------------------------------------------------------------------------


async def test_pushes_that_wait_together_work_on_each_other_s_result(copies: Copies, example: Example) -> None:
    """SE-07: a PUT and forty appended periods, submitted at once, are all there in their order."""
    session = example("session", **owned_by(CP1, id="S1"))
    period = session["charging_periods"][0]
    puts = [push("sessions", {**session, "charging_periods": []}, addressee=MS1)]
    for number in range(40):
        fields = {"charging_periods": [{**period, "x_number": number}], "last_updated": session["last_updated"]}
        puts.append(push("sessions", fields, owner=CP1, ids=("S1",), purpose=Purpose.UPDATE))
    kept = await asyncio.gather(*(copies.keep(change) for change in puts))
    (content,) = await seen(copies, "sessions", MS1)
    assert [entry["x_number"] for entry in content["charging_periods"]] == list(range(40))
    assert {one.addressee for one in kept} == {MS1}


async def test_one_bad_push_does_not_take_its_neighbours_down(copies: Copies, location: Callable[..., Object]) -> None:
    """A refusal, and a value that the database itself cannot keep, among good ones."""
    good = [push("locations", location(CP1, f"L{number}")) for number in range(10)]
    orphan = push(
        "locations", {"last_updated": "2026-01-01T00:00:00Z"}, owner=CP1, ids=("NOPE",), purpose=Purpose.UPDATE
    )
    impossible = push("locations", location(CP1, "L\x00"))
    outcomes = await asyncio.gather(
        *(copies.keep(change) for change in [*good[:5], orphan, impossible, *good[5:]]), return_exceptions=True
    )
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False] * 5 + [True] * 2 + [False] * 5
    assert isinstance(outcomes[5], OcpiError)
    assert await ids_seen(copies, "locations", MS1) == [f"L{number}" for number in range(10)]


async def test_two_writers_on_one_database_do_not_lose_each_other_s_work(database: Database, example: Example) -> None:
    """More processes than one: the row is locked while it is changed."""
    one, other = Copies(database.direct), Copies(database.direct)
    session = example("session", **owned_by(CP1, id="S1"))
    await one.keep(push("sessions", {**session, "charging_periods": []}, addressee=MS1))
    period = session["charging_periods"][0]
    fields = {"charging_periods": [period], "last_updated": session["last_updated"]}
    append = push("sessions", fields, owner=CP1, ids=("S1",), purpose=Purpose.UPDATE)

    async def append_ten(writer: Copies) -> None:
        for _ in range(10):
            await writer.keep(append)

    await asyncio.gather(append_ten(one), append_ten(other))
    (content,) = await seen(one, "sessions", MS1)
    assert len(content["charging_periods"]) == 20
    await one.close()
    await other.close()


async def test_what_was_answered_is_there_for_every_other_connection(
    copies: Copies, database: Database, location: Callable[..., Object]
) -> None:
    """HC-11, S-07: the answer comes after the commit."""
    await copies.keep(push("locations", location(CP1, "L1")))
    assert await Copies(database.direct).owned(MODULES["locations"], CP1, "L1", "") is not None


# --- CDRs -------------------------------------------------------------------------------------------


async def test_a_cdr_is_kept_once_and_never_changes(copies: Copies, example: Example) -> None:
    """CD-05, X-45."""
    cdr = example("cdr", **owned_by(CP1, id="C1"))
    first = push("cdrs", cdr, purpose=Purpose.ADD, addressee=MS1, debtor=MS1)
    assert (await copies.keep(first)).result is Result.CREATED
    assert (await copies.keep(first)).result is Result.UNCHANGED
    changed = push("cdrs", {**cdr, "total_time": 99}, purpose=Purpose.ADD, addressee=MS1, debtor=MS1)
    assert isinstance(await refused(copies, changed), InvalidParameters)
    copy = await copies.owned(MODULES["cdrs"], CP1, "c1", "")
    assert copy is not None
    assert (copy.text, copy.addressee) == (first.text, MS1)
    other = push("cdrs", {**cdr, **owned_by(CP2)}, purpose=Purpose.ADD, addressee=MS1, debtor=MS1)
    assert (await copies.keep(other)).result is Result.CREATED, "an id is unique for its owner only"


async def test_where_the_payer_keeps_a_cdr_is_remembered_and_not_forgotten(copies: Copies, example: Example) -> None:
    """CD-04."""
    cdr = example("cdr", **owned_by(CP1, id="C1"))
    for said, remembered in (
        (None, None),
        ("https://m.example/c/1", "https://m.example/c/1"),
        (None, "https://m.example/c/1"),
    ):
        await copies.keep(push("cdrs", cdr, purpose=Purpose.ADD, addressee=MS1, debtor=MS1, remote_url=said))
        copy = await copies.owned(MODULES["cdrs"], CP1, "C1", "")
        assert copy is not None
        assert copy.remote_url == remembered


async def test_totals_agree_with_what_the_pages_hold_whatever_happened(
    copies: Copies, location: Callable[..., Object], example: Example
) -> None:
    """P-07, G-03, G-04, X-13, X-29: the total is read from counts that are kept, and they miss nothing."""
    numbers = Random(7)
    readers = (CP1, CP2, MS1, MS2)
    for step in range(60):
        owner, name = numbers.choice((CP1, CP2)), f"L{numbers.randrange(6)}"
        audience = numbers.choice((None, None, MS1, MS2))
        kind = numbers.randrange(5)
        if kind < 3:
            await copies.keep(push("locations", location(owner, name, T + step * SECOND), audience=audience))
        elif kind == 3:
            session = example("session", **owned_by(owner, id=name, last_updated=format_datetime(T + step * SECOND)))
            await copies.keep(push("sessions", session, addressee=numbers.choice((MS1, MS2))))
        else:
            crawl = Crawled(
                module=MODULES["locations"], owner=owner, seen=[(fold(name), "")], at=T, crawled_before=None
            )
            await copies.mark_missing(crawl)
        for module_id in ("locations", "sessions"):
            for reader in readers:
                for shared in (True, False):
                    closed = frozenset({CP2}) if step % 2 else frozenset[Party]()
                    asked = query(module_id, reader, sees_shared=shared, limit=3, closed=closed)
                    page, found = await copies.page(asked), 0
                    total = page.total
                    while True:
                        found += len(page.texts)
                        if not page.last:
                            break
                        page = await copies.page(replace(asked, after=page.last))
                    assert found == total == (await copies.count_visible(asked)).total


async def test_a_cursor_goes_on_where_the_page_before_ended(copies: Copies, location: Callable[..., Object]) -> None:
    """P-09, P-11: also when what was on that page has changed or gone since."""
    for number in range(7):
        await copies.keep(push("locations", location(CP1, f"L{number}", T)))
    first = await copies.page(query("locations", MS1, limit=3))
    await copies.keep(push("locations", location(CP1, "L1", T + SECOND)))
    second = await copies.page(query("locations", MS1, limit=3, after=first.last))
    third = await copies.page(query("locations", MS1, limit=3, after=second.last))
    named = [[decode_json(text)["id"] for text in page.texts] for page in (first, second, third)]
    assert named == [["L0", "L1", "L2"], ["L3", "L4", "L5"], ["L6"]]
    assert [page.last > 0 for page in (first, second, third)] == [True, True, False]


async def test_a_patch_for_one_party_works_on_what_everybody_was_told(
    copies: Copies, location: Callable[..., Object]
) -> None:
    """X-13: that party alone sees the result; a PATCH of what nobody was told finds nothing."""
    await copies.keep(push("locations", location(CP1, "L1", T, name="for all")))
    fields = {"name": "for one", "last_updated": format_datetime(T + SECOND)}
    kept = await copies.keep(push("locations", fields, owner=CP1, ids=("L1",), purpose=Purpose.UPDATE, audience=MS1))
    assert kept.result is Result.UPDATED
    assert [one["name"] for one in await seen(copies, "locations", MS1)] == ["for one"]
    assert [one["name"] for one in await seen(copies, "locations", MS2)] == ["for all"]
    assert (await copies.page(query("locations", MS1))).total == 1
    absent = push("locations", fields, owner=CP1, ids=("L2",), purpose=Purpose.UPDATE, audience=MS1)
    assert (await refused(copies, absent)).http_status == 404
