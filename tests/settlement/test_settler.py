"""Settlement while the hub runs, through the real database: what is pushed is priced, checked and posted, once, in whatever portions."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from hub.settlement.agreements import Agreements
from hub.settlement.engine import Settler, open_books
from hub.settlement.engine.gathering import Gathered, Gatherer
from hub.settlement.engine.records import verdict_of
from hub.settlement.engine.settler import Books
from hub.settlement.facts import CdrFact
from hub.store.changes import Change
from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.direct import Unavailable
from hub.store.verdicts import ReceivedCdr
from ocpi_modules.catalog import MODULES
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json, lenient_datetime
from tests.settlement.cases import (
    CPO,
    EMSP,
    OTHER_EMSP,
    Content,
    cdr,
    credit_of,
    dc_cdr,
    dc_tariff,
    location,
    other_token,
    session_of,
    tariff,
    token,
)

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class StandingClock:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


class House:
    """A hub's store with the small world in it, and the engine."""

    def __init__(self, database: Database) -> None:
        self.database, self.copies, self.clock = database, Copies(database.direct), StandingClock()
        self.books: Books = open_books(database.direct)
        self.settler = Settler(self.books, self.clock, Agreements())

    async def furnish(self) -> None:
        for module, content in (
            ("locations", location()),
            ("tariffs", tariff()),
            ("tariffs", dc_tariff()),
            ("tokens", token()),
            ("tokens", other_token()),
            ("sessions", session_of(cdr())),
            ("sessions", session_of(dc_cdr())),
        ):
            await self.push(module, content)

    async def push(self, module_id: str, content: Content, at: datetime = NOW, *, is_judged: bool = False) -> None:
        module, text = MODULES[module_id], encode_json(content)
        decoded = decode_json(text)
        payer = Party.of(**_party(decoded["cdr_token"])) if module.is_addressed else None
        change = Change(
            module=module,
            purpose=Purpose.ADD if module.is_final else Purpose.REPLACE,
            owner=Party.of(**_party(decoded)),
            ids=(decoded[module.key],),
            variant=module.variant_of({}, decoded),
            content=decoded,
            text=text,
            at=at,
            addressee=payer,
            debtor=payer,
            is_judged=is_judged,
        )
        await self.copies.keep(change)

    async def receive(self, content: Content, after: int = 0) -> None:
        """A CDR comes, a few minutes after its charge."""
        end = lenient_datetime(content["end_date_time"])
        assert end is not None
        await self.push("cdrs", content, end + timedelta(minutes=5) + after * SECOND)

    async def settle_all(self) -> int:
        """Look until nothing waits; returns how many CDRs were looked at."""
        looked_at = 0
        while count := await self.settler.settle_due():
            looked_at += count
        return looked_at

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in await self.database.direct.fetch(statement)]

    async def dispositions(self) -> dict[str, str]:
        return dict(await self.rows("select cdr_id, disposition from verdict order by cdr_id"))

    async def findings(self) -> list[tuple[str, str]]:
        return await self.rows(
            "select f.kind, string_agg(c.cdr_key, '+' order by c.cdr_key) from finding f "
            "join finding_cdr c on c.finding = f.key where cleared_at is null and severity = 'ERROR' group by f.key, f.kind order by 1, 2"
        )

    async def owed(self) -> dict[tuple[str, str], Decimal]:
        """What is unbilled by party and currency: positive is owed by it."""
        balances = await self.books.journal.balances()
        sums: dict[tuple[str, str], Decimal] = {}
        for line in balances:
            sums[line.party, line.currency] = sums.get((line.party, line.currency), Decimal(0)) + line.excl_vat
        return sums


def _party(content: Content) -> dict[str, str]:
    return {"country_code": content["country_code"], "party_id": content["party_id"]}


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    opened = House(database)
    await opened.furnish()
    yield opened
    await opened.copies.close()


TWICE = cdr(id="CDR-TWICE")
DEAR = dc_cdr(
    id="CDR-DEAR",
    session_id=None,
    start_date_time="2026-10-12T08:00:00Z",
    end_date_time="2026-10-12T08:30:00Z",
    charging_periods__0__start_date_time="2026-10-12T08:00:00Z",
    total_cost={"excl_vat": 38.0, "incl_vat": 45.22},
    total_energy_cost={"excl_vat": 37.0, "incl_vat": 44.03},
    last_updated="2026-10-12T08:35:00Z",
)


async def test_a_clean_month_settles_as_claimed(house: House) -> None:
    """Point 9: priced, checked and posted."""
    await house.receive(cdr())
    await house.receive(dc_cdr())
    assert await house.settle_all() == 2
    assert await house.dispositions() == {cdr()["id"]: "SETTLE", dc_cdr()["id"]: "SETTLE"}
    assert await house.rows("select kind from finding") == []
    assert await house.owed() == {
        (str(CPO), "EUR"): Decimal("-37"),
        (str(EMSP), "EUR"): Decimal("9"),
        (str(OTHER_EMSP), "EUR"): Decimal("28"),
    }
    assert await house.rows("select cdr_id, period, priced_excl_vat, priced_incl_vat from verdict order by 3") == [
        (cdr()["id"], "2026-10", Decimal("9"), Decimal("10.71")),
        (dc_cdr()["id"], "2026-10", Decimal("28"), Decimal("33.32")),
    ]


class Watched(Gatherer):
    """Tells whether waste was searched for while it gathered, and then finds no database."""

    def __init__(self) -> None:
        self.was_searching = True

    async def gather(self, received: Sequence[ReceivedCdr]) -> Gathered:
        self.was_searching = gc.isenabled()
        raise Unavailable


async def test_waste_is_searched_for_again_after_a_look_that_failed(house: House) -> None:
    """Benchmark: not in the middle of a batch, which is a million values that all go at its end."""
    gatherer = Watched()
    settler = Settler(replace(house.books, gatherer=gatherer), house.clock, Agreements())
    await house.receive(cdr())
    with pytest.raises(Unavailable):
        await settler.settle_due()
    assert (gatherer.was_searching, gc.isenabled()) == (False, True)


@pytest.mark.parametrize(
    ("is_judged", "kinds"),
    [
        pytest.param(False, [("INVALID_CDR",)], id="a forwarded one, or of a lenient partner"),
        pytest.param(True, [], id="found valid at the door"),
    ],
)
async def test_a_cdr_is_validated_once(house: House, is_judged: bool, kinds: list[tuple[str]]) -> None:
    """A01: by the hub's door or by settlement; this one could not have come through the door."""
    await house.push("cdrs", cdr(auth_method="whitelist"), is_judged=is_judged)
    await house.settle_all()
    assert await house.rows("select kind from finding where check_id = 'A01'") == kinds


async def test_what_a_cdr_was_matched_with_is_kept(house: House) -> None:
    """Point 2."""
    await house.receive(cdr())
    await house.settle_all()
    ((matches,),) = await house.rows("select matches from verdict")
    found = decode_json(matches.encode())
    assert found["session"]["id"] == cdr()["session_id"]
    assert found["token"]["owner"] == str(EMSP)
    assert (found["location"]["id"], found["location"]["evse"]) == (location()["id"], True)
    assert found["tariffs"] == [tariff()["id"]]


async def test_a_claim_above_the_tariff_is_held_and_not_posted(house: House) -> None:
    await house.receive(DEAR)
    await house.settle_all()
    assert await house.dispositions() == {"CDR-DEAR": "HOLD"}
    assert await house.findings() == [("PRICE_MISMATCH", "CDR-DEAR")]
    assert await house.owed() == {}
    assert await house.rows("select cause, at_risk from finding") == [
        ("G03|PRICE_MISMATCH|DE/ABC|EUR|tariff|T-DC", Decimal("11.9"))
    ]


async def test_a_second_cdr_for_a_session_is_held_when_it_comes_later(house: House) -> None:
    """D01: the first one stays as it was posted."""
    await house.receive(cdr())
    await house.settle_all()
    await house.receive(TWICE, after=60)
    await house.settle_all()
    assert await house.dispositions() == {cdr()["id"]: "SETTLE", "CDR-TWICE": "HOLD"}
    assert (await house.owed())[str(EMSP), "EUR"] == 9


async def test_a_credit_and_its_replacement_leave_the_replacement(house: House) -> None:
    """Invariant 4, J04."""
    await house.receive(cdr())
    await house.settle_all()
    replacement = cdr(id="CDR-NEW")
    await house.receive(credit_of(cdr()), after=3600)
    await house.receive(replacement, after=7200)
    await house.settle_all()
    assert set((await house.dispositions()).values()) == {"SETTLE"}
    assert await house.owed() == {(str(CPO), "EUR"): Decimal(-9), (str(EMSP), "EUR"): Decimal(9)}


async def test_what_was_settled_is_withdrawn_when_another_charge_overlaps_it(house: House) -> None:
    """D03: both are held, and the books say so by an entry more."""
    await house.receive(cdr())
    await house.settle_all()
    overlap = cdr(id="CDR-OVER", session_id=None, cdr_token=other_token_of(), total_cost=cdr()["total_cost"])
    await house.receive(overlap, after=60)
    await house.settle_all()
    assert await house.dispositions() == {cdr()["id"]: "HOLD", "CDR-OVER": "HOLD"}
    assert await house.owed() == {}
    assert await house.rows("select event from journal_entry order by id") == [("accepted",), ("withdrawn",)]


def other_token_of() -> Content:
    """The token of the other eMSP as CDRs name it."""
    return {name: other_token()[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}


async def test_a_cdr_that_is_released_is_posted_again(house: House) -> None:
    """A held CDR is looked at again when what held it is credited."""
    await house.receive(cdr())
    await house.receive(TWICE, after=60)
    await house.settle_all()
    assert (await house.dispositions())["CDR-TWICE"] == "HOLD"
    await house.receive(credit_of(cdr()), after=3600)
    await house.settle_all()
    assert (await house.dispositions())["CDR-TWICE"] == "SETTLE"
    assert await house.owed() == {(str(CPO), "EUR"): Decimal(-9), (str(EMSP), "EUR"): Decimal(9)}


async def test_looking_again_changes_nothing(house: House) -> None:
    """Invariant 5."""
    for content in (cdr(), TWICE, DEAR):
        await house.receive(content)
    await house.settle_all()
    before = await state_of(house)
    await house.rows("update claim set examined_at = null returning 1")
    assert await house.settle_all() == 3
    assert await state_of(house) == before


@pytest.mark.parametrize("order", [*permutations(range(4))][::5], ids=str)
async def test_the_order_and_the_portions_in_which_cdrs_are_looked_at_do_not_matter(
    house: House, order: Sequence[int]
) -> None:
    """Invariant 5: what counts is when each was received."""
    arrivals = [(cdr(), 0), (TWICE, 60), (credit_of(cdr()), 3600), (DEAR, 0)]
    for number in order:
        content, after = arrivals[number]
        await house.receive(content, after)
        await house.settle_all()
    assert await house.dispositions() == {
        cdr()["id"]: "SETTLE",
        credit_of(cdr())["id"]: "SETTLE",
        "CDR-TWICE": "SETTLE",
        "CDR-DEAR": "HOLD",
    }
    assert await house.owed() == {(str(CPO), "EUR"): Decimal(-9), (str(EMSP), "EUR"): Decimal(9)}
    assert await house.findings() == [("PRICE_MISMATCH", "CDR-DEAR")]


async def test_a_late_cdr_counts_in_the_open_month(house: House) -> None:
    """I02: a closed month never changes."""
    await house.receive(dc_cdr())
    await house.settle_all()
    await house.rows("update period set state = 'closed' returning 1")
    await house.push("cdrs", cdr(), datetime(2026, 11, 20, tzinfo=UTC))
    await house.settle_all()
    assert await house.rows("select cdr_id, period from verdict order by 2") == [
        (dc_cdr()["id"], "2026-10"),
        (cdr()["id"], "2026-11"),
    ]
    assert await house.rows("select distinct period from posting order by 1") == [("2026-10",), ("2026-11",)]


async def test_a_look_that_breaks_off_keeps_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point 9: killed between any two steps, the next look does it again."""
    await house.receive(cdr())

    async def broken(*_: Any) -> int:
        raise ConnectionError("the server went away")

    with monkeypatch.context() as patched:
        patched.setattr("hub.store.verdicts.write_entries", broken)
        with pytest.raises(Unavailable):
            await house.settle_all()
    assert (await house.dispositions(), await house.owed()) == ({}, {})
    assert await house.settle_all() == 1
    assert (await house.owed())[str(EMSP), "EUR"] == 9


async def test_a_cdr_that_cannot_be_examined_keeps_no_other_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.receive(DEAR)
    await house.receive(cdr())
    await house.receive(dc_cdr())

    def odd(found: CdrFact, *rest: Any) -> Any:
        if found.id == "CDR-DEAR":
            raise ZeroDivisionError
        return verdict_of(found, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("hub.settlement.engine.settler.verdict_of", odd)
        assert await house.settler.settle_due() == 2
        with pytest.raises(ZeroDivisionError):
            await house.settler.settle_due()
    assert set(await house.dispositions()) == {cdr()["id"], dc_cdr()["id"]}
    assert await house.settle_all() == 1
    assert (await house.dispositions())["CDR-DEAR"] == "HOLD"


async def state_of(house: House) -> list[list[tuple[Any, ...]]]:
    return [
        await house.rows("select * from posting order by id"),
        await house.rows("select creditor, cdr_key, disposition, turn, period from verdict order by 1, 2"),
        await house.rows("select key, cleared_at from finding order by 1"),
    ]
