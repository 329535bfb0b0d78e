"""Lists of the settlement desk in other orders: the same rows page by page as at once, amounts one currency after the other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from typing import Any, get_args

import pytest

from hub.store.books import CAUSE_SORTS, CDR_SORTS, FINDING_SORTS
from hub.store.disputes import DISPUTE_SORTS
from hub.store.ordering import Order, Part, Parts, Type
from hub.store.statements import STATEMENT_SORTS
from hub.web.books import CauseSort, CdrSort, FindingSort
from hub.web.disputes import DisputeSort
from hub.web.listing import write_cursor
from hub.web.statements import StatementSort
from ocpi_modules.types import parse_datetime
from tests.databases import Databases
from tests.settlement.cases import Content, cdr, changed, session_of
from tests.web.clearing import Clearing, clearing_hub, dear
from tests.web.test_missing import ASKED_ONCE

Shown = dict[str, Any]
LOWEST = Decimal("-Infinity")
LOOKS_MAX, LOOK_SECONDS = 240, 0.25
WAITS = re.compile("another look|to be looked at")


@pytest.fixture(scope="module")
async def desk(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clearing]:
    """A billed month of two pairs and two currencies, with a CDR that has no price, two disputes, and three sessions that are missed."""
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, clearing_hub(url, folder, **ASKED_ONCE) as made:
        await made.bill(dear(1, "38"), dear(2, "60"), dear(3, "28"), dear(4, "28"), cdr(), IN_KRONOR, UNPRICED)
        for number, total in ((6, "7"), (7, "30"), (8, None)):
            await made.push("sessions", lonely(number, total))
        await bill(made)
        yield made


IN_KRONOR = {**dear(5, "300"), "currency": "SEK"}
UNPRICED = changed(dear(9, "28"), tariffs=[], charging_periods__0__tariff_id="NOWHERE")


def lonely(number: int, total: str | None) -> Content:
    """A completed session without a CDR."""
    at = f"2026-10-12T{number:02}:30:00Z"
    cost = {} if total is None else {"total_cost": {"excl_vat": float(total)}}
    session = session_of(dear(number), id=f"LONELY-{number}", last_updated=at)
    session.pop("total_cost", None)
    return {**session, **cost}


async def bill(desk: Clearing) -> None:
    """Advise the month, and dispute two CDRs of it."""
    (period,) = (await desk.get("periods"))["items"]
    for step, more in (("cut-off", {"before_end": True}), ("draft", {}), ("advise", {})):
        await do(desk, f"periods/{period['id']}/{step}", actor="Ada", **more)
    for number, amount in ((3, "5"), (4, "9")):
        wanted = {"excl_vat": amount, "incl_vat": amount}
        name = {"creditor": "DE/ABC", "cdr_id": f"CDR-DEAR-{number}"}
        await do(desk, "disputes", **name, amount=wanted, reason="PRICE", actor="Mira")


async def do(desk: Clearing, path: str, **asked: Any) -> None:
    for _ in range(LOOKS_MAX):
        answer = await desk.world.admin.post(f"/settlement/{path}", json=asked)
        if not WAITS.search(answer.text):
            break
        await asyncio.sleep(
            LOOK_SECONDS
        )  # the hub looks at what came, and once more where a session came after its CDR
    assert answer.is_success, answer.text


def _claimed(row: Shown) -> Any:
    return row["currency"], Decimal(row["claimed"]["excl_vat"])


def _difference(row: Shown) -> Any:
    priced = row["priced"]
    return row["currency"], LOWEST if priced is None else _claimed(row)[1] - Decimal(priced["excl_vat"])


def _amount(name: str) -> Callable[[Shown], Any]:
    return lambda row: (row["currency"], Decimal(row[name]))


def _moment(name: str) -> Callable[[Shown], Any]:
    return lambda row: parse_datetime(row[name])


def _estimated(row: Shown) -> Any:
    total = row["estimated"]
    return ("", LOWEST) if total is None else (row["currency"], Decimal(total["excl_vat"]))


SORTS: dict[str, dict[str, Callable[[Shown], Any]]] = {
    "cdrs": {
        "received": _moment("received_at"),
        "ended": _moment("end_date_time"),
        "claimed": _claimed,
        "difference": _difference,
        "kwh": lambda row: Decimal(row["kwh"] or LOWEST),
    },
    "findings": {
        "at_risk": _amount("at_risk"),
        "cdrs": lambda row: len(row["cdrs"]),
        "since": _moment("raised_at"),
    },
    "causes": {
        "at_risk": _amount("at_risk"),
        "cdrs": lambda row: row["cdrs"],
        "held": lambda row: row["held"],
        "since": _moment("first_at"),
    },
    "statements": {
        "excl_vat": _amount("excl_vat"),
        "incl_vat": _amount("incl_vat"),
        "cdrs": lambda row: row["cdrs"],
        "kept_out": lambda row: row["kept_out"],
        "made": _moment("made_at"),
    },
    "disputes": {
        "due": _moment("due_at"),
        "amount": lambda row: (row["currency"], Decimal(row["amount"]["excl_vat"])),
        "opened": _moment("opened_at"),
    },
    "missing": {"age": _moment("completed_at"), "estimated": _estimated},
}
OLDEST_FIRST = {"age"}
"""The largest age is the first moment."""


VARIED = {"received", "ended", "claimed", "difference", "at_risk", "excl_vat", "estimated", "due", "age", "amount"}
"""Those of which the month has more than one value in every list that has them."""


async def test_each_order_is_the_same_page_by_page_as_at_once(desk: Clearing) -> None:
    for path, sorts in SORTS.items():
        rows = names((await desk.get(path))["items"])
        for name, value in sorts.items():
            for sort in (name, f"-{name}"):
                whole = (await desk.get(path, sort=sort))["items"]
                values = [*map(value, whole)]
                is_descending = sort.startswith("-") != (name in OLDEST_FIRST)
                assert values == sorted(values, reverse=is_descending), (path, sort, values)
                assert sorted(names(whole)) == sorted(rows), (path, sort)
                assert names(await one_by_one(desk, path, sort)) == names(whole), (path, sort)
                assert name not in VARIED or len({*values}) > 1, (path, sort, values)


async def test_held_cdrs_are_sorted_like_all(desk: Clearing) -> None:
    for sort in ("-claimed", "claimed", "difference", "-received"):
        held = [row for row in (await desk.get("cdrs", sort=sort))["items"] if row["disposition"] == "HOLD"]
        whole = (await desk.get("cdrs", sort=sort, disposition="HOLD"))["items"]
        assert names(whole) == names(held), sort
        page = await desk.get("cdrs", sort=sort, disposition="HOLD", limit=2)
        behind = await desk.get("cdrs", sort=sort, disposition="HOLD", after=page["next"])
        assert names(page["items"] + behind["items"]) == names(held), (
            sort
        )  # one may be examined anew between two questions
    assert len(held) == 4


async def one_by_one(desk: Clearing, path: str, sort: str) -> list[Shown]:
    """All rows of a list, one on each page."""
    rows: list[Shown] = []
    after: dict[str, str] = {}
    while True:
        page = await desk.get(path, sort=sort, limit=1, **after)
        rows += page["items"]
        if page["next"] is None:
            return rows
        after = {"after": page["next"]}


def names(rows: list[Shown]) -> list[str]:
    """What rows are called, each by something of its own."""
    keys = ("key", "cause", "cdr_id", "session_id", "id")
    return [next(str(row[key]) for key in keys if row.get(key)) for row in rows]


async def test_what_is_no_order_and_a_place_of_another_one_are_refused(desk: Clearing) -> None:
    page = await desk.get("cdrs", sort="-claimed", limit=1)
    for asked in (
        {"sort": "colour"},
        {"sort": "claimed", "after": page["next"]},
        {"after": page["next"]},
        {"sort": "-claimed", "after": write_cursor(("-claimed", "EUR", "1e999999999", "DE/ABC", "X"))},
        {"sort": "-ended", "after": write_cursor(("-ended", "2026-02-30 00:00:00+00", "DE/ABC", "X"))},
    ):
        answer = await desk.world.admin.get("/settlement/cdrs", params=asked)
        assert answer.status_code == 400, asked


@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        pytest.param(CdrSort, CDR_SORTS, id="CDRs"),
        pytest.param(FindingSort, FINDING_SORTS, id="findings"),
        pytest.param(CauseSort, CAUSE_SORTS, id="causes"),
        pytest.param(StatementSort, STATEMENT_SORTS, id="statements"),
        pytest.param(DisputeSort, DISPUTE_SORTS, id="disputes"),
    ],
)
def test_what_a_list_offers_is_what_can_be_sorted_by(offered: Any, kept: Mapping[str, Parts]) -> None:
    assert {*get_args(offered)} == {*kept, *(f"-{name}" for name in kept)}


@pytest.mark.parametrize(
    ("part", "text"),
    [
        pytest.param("numeric", "NaN", id="no number"),
        pytest.param("numeric", "1e9", id="not as PostgreSQL writes numbers"),
        pytest.param("numeric", "１", id="a digit of another script"),
        pytest.param("bigint", "9223372036854775808", id="too large"),
        pytest.param("bigint", "infinity", id="whole numbers have no end that can be written"),
        pytest.param("timestamptz", "2026-10-12T08:00:00Z", id="not as PostgreSQL writes moments"),
        pytest.param("timestamptz", "2026-02-30 00:00:00+00", id="no day"),
    ],
)
def test_a_text_that_is_no_place_is_not_handed_to_the_database(part: Type, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Order((Part("x", part),)).read((text,))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        pytest.param("numeric", "-12.3450", id="a number"),
        pytest.param("numeric", "-Infinity", id="a number that is not there"),
        pytest.param("timestamptz", "2026-10-12 08:00:00.123+00", id="a moment"),
        pytest.param("timestamptz", "-infinity", id="a moment that is not there"),
        pytest.param("bigint", "-7", id="a whole number"),
        pytest.param("text", "'; drop table", id="any text: it is never part of a statement"),
    ],
)
def test_a_place_is_kept_as_it_was_written(part: Type, text: str) -> None:
    assert Order((Part("x", part),)).read((text,)) == (text,)
