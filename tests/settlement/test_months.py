"""Generated months through the real database, to their seal: what holds whatever comes, in whatever order, wherever it breaks off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.settlement.agreements import Agreement, Agreements, Fee
from hub.settlement.periods import NotNow
from hub.store.database import Database
from hub.store.direct import Direct, Unavailable
from ocpi_modules.types import format_datetime, lenient_datetime
from tests.databases import Databases
from tests.settlement.cases import CPO, EMSP, Content, credit_of, dc_cdr, other_token, token
from tests.settlement.test_closing import AFTER_CLOSE, OCTOBER, Office, everything, office

__all__ = ["office"]

EXAMPLES = 12
OWNERS = ("country_code", "party_id", "uid", "type", "contract_id")
AGREED = Agreements(
    known=(
        Agreement(
            id="DEABC-NLMSP",
            creditor=CPO,
            debtor=EMSP,
            fees=(
                Fee(payer="debtor", per_session=Decimal("0.35"), vat=Decimal(21)),
                Fee(payer="creditor", percent=Decimal(2)),
            ),
            netting="bilateral",
        ),
    )
)


# --- where it breaks off -------------------------------------------------------------------------


class Broken(ConnectionError):
    """The database went away, because the test wants it so."""


class Fuse:
    """Counts what is said to the database, and breaks at a number: before it is done, or after."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.is_after, self.has_blown = at, after, False

    async def say(self, ask: Callable[..., Awaitable[Any]], *values: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.is_after:
            self.has_blown = True
            raise Broken
        answer = await ask(*values)
        if self.left == 0:
            self.has_blown = True
            raise Broken
        return answer


class Fused:
    """A connection with a fuse."""

    def __init__(self, connection: Any, fuse: Fuse) -> None:
        self._connection, self._fuse = connection, fuse

    async def execute(self, *values: Any) -> Any:
        return await self._fuse.say(self._connection.execute, *values)

    async def executemany(self, *values: Any) -> Any:
        return await self._fuse.say(self._connection.executemany, *values)

    async def fetch(self, *values: Any) -> Any:
        return await self._fuse.say(self._connection.fetch, *values)

    async def copy_records_to_table(self, table: str, **rows: Any) -> Any:
        return await self._fuse.say(partial(self._connection.copy_records_to_table, **rows), table)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@contextmanager
def fused(fuse: Fuse) -> Iterator[None]:
    """What transactions say goes through the fuse; a connection that was used with one is not used again."""
    whole = Direct.transaction

    @asynccontextmanager
    async def transaction(self: Direct, **how: bool) -> AsyncIterator[Any]:
        async with whole(self, **how) as connection:
            yield Fused(connection, fuse)
            await fuse.say(_nothing)  # between the last word and the commit

    with patch.object(Direct, "transaction", transaction):
        yield


async def _nothing() -> None:
    return None


async def broken_everywhere(office: Office, step: Callable[[], Awaitable[Any]]) -> int:
    """Take a step that breaks off at its first word to the database, its second, and so on; returns after how many it went through."""
    at = 0
    while True:
        at += 1
        before = await everything(office)
        fuse = Fuse(at, after=bool(at % 2))
        try:
            with fused(fuse):
                await step()
        except Unavailable:
            assert fuse.has_blown
            assert await everything(office) == before
        else:
            assert not fuse.has_blown
            return at


async def test_a_step_that_breaks_off_anywhere_keeps_nothing(office: Office) -> None:
    """Point 9, invariant 5: killed between any two words, and taken again."""
    await office.month()
    words = [await broken_everywhere(office, step) for _, step in office.steps()]
    assert min(words) > 3
    assert await office.state() == "sealed"
    assert await office.closing.faults_of(OCTOBER) == []


@contextmanager
def answers_lost() -> Iterator[None]:
    """Whatever is committed is kept, and nobody hears of it."""
    whole = Direct.transaction

    @asynccontextmanager
    async def transaction(self: Direct, **how: bool) -> AsyncIterator[Any]:
        async with whole(self, **how) as connection:
            yield connection
        raise Unavailable

    with patch.object(Direct, "transaction", transaction):
        yield


async def test_a_step_whose_answer_got_lost_was_taken_once(office: Office) -> None:
    """The commit was heard, the answer was not: whoever tries again changes nothing."""
    await office.month()
    for _, step in office.steps():
        with answers_lost(), pytest.raises(Unavailable):
            await step()
        before = await everything(office)
        with suppress(NotNow):  # who signed first hears that a second person has to
            await step()
        assert await everything(office) == before
    assert await office.state() == "sealed"


# --- months ------------------------------------------------------------------------------------


class Charge(NamedTuple):
    """Something that a month holds: a charge at the DC EVSE, on a day of its own."""

    is_first_emsp: bool
    is_over_claimed: bool
    is_credited: bool
    is_replaced: bool
    is_pushed_twice: bool
    is_late: bool


@dataclass(frozen=True)
class Arrival:
    """A CDR that comes at a moment."""

    content: Content
    at: datetime


CHARGES = st.lists(st.builds(Charge, *[st.booleans()] * 6), min_size=1, max_size=5)


def arrivals_of(charges: Sequence[Charge]) -> list[Arrival]:
    """All CDRs of a month with when they come."""
    return [arrival for number, charge in enumerate(charges) for arrival in _arrivals(number, charge)]


def _arrivals(number: int, charge: Charge) -> Iterator[Arrival]:
    content = _content(number, charge)
    end = lenient_datetime(content["end_date_time"])
    assert end is not None
    at = AFTER_CLOSE + timedelta(hours=number) if charge.is_late else end + timedelta(minutes=5)
    yield Arrival(content, at)
    if charge.is_pushed_twice:
        yield Arrival(content, at + timedelta(minutes=1))
    if charge.is_credited:
        yield Arrival(credit_of(content), at + timedelta(minutes=10))
        if charge.is_replaced:
            yield Arrival({**content, "id": f"{content['id']}-R"}, at + timedelta(minutes=20))


def _content(number: int, charge: Charge) -> Content:
    start = datetime(2026, 10, 3 + number, 8, tzinfo=UTC)
    said = {
        "id": f"M{number}",
        "session_id": None,
        "start_date_time": format_datetime(start),
        "end_date_time": format_datetime(start + timedelta(minutes=30)),
        "charging_periods__0__start_date_time": format_datetime(start),
        "last_updated": format_datetime(start + timedelta(minutes=31)),
        "cdr_token": {name: (token() if charge.is_first_emsp else other_token())[name] for name in OWNERS},
    }
    if charge.is_over_claimed:
        said["total_cost"] = {"excl_vat": Decimal("38.00"), "incl_vat": Decimal("45.22")}
        said["total_energy_cost"] = {"excl_vat": Decimal("37.00"), "incl_vat": Decimal("44.03")}
    return dc_cdr(**said)


@asynccontextmanager
async def an_office(databases: Databases, agreements: Agreements) -> AsyncIterator[Office]:
    """An office with a database of its own."""
    async with databases.lent() as url:
        database = Database(url)
        try:
            made = Office(database, agreements)
            await made.furnish()
            yield made
            await made.copies.close()
        finally:
            await database.close()


async def lived_through(office: Office, arrivals: Sequence[Arrival], portions: Sequence[bool]) -> None:
    """The CDRs come in an order, and are looked at in portions; then the month ends."""
    for number, arrival in enumerate(arrivals):
        await office.push("cdrs", arrival.content, arrival.at)
        if portions[number % len(portions)]:
            await office.settle_all()
    await office.settle_all()
    office.clock.moment = AFTER_CLOSE + timedelta(days=1)


async def came_to(office: Office) -> dict[str, Any]:
    """All that a month came to."""
    return {
        "statements": await office.rows(
            "select id, digest, kept_out_digest, excl_vat, incl_vat from settlement_statement where state = 'advised' order by id"
        ),
        "net": await office.closing.net_of(OCTOBER),
        "root": await office.rows("select root from seal"),
        "verdicts": await office.rows("select cdr_id, period, disposition from verdict order by 1"),
    }


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    charges=CHARGES.filter(lambda charges: not all(charge.is_late for charge in charges)),
    order=st.randoms(use_true_random=False),
    portions=st.lists(st.booleans(), min_size=1, max_size=4),
    breaks_at=st.integers(1, 25),
    has_agreements=st.booleans(),
)
async def test_a_month_comes_to_the_same_in_any_order_and_wherever_it_breaks_off(
    databases: Databases,
    charges: list[Charge],
    order: Any,
    portions: list[bool],
    breaks_at: int,
    has_agreements: bool,
) -> None:
    """Invariants 1 to 9, but those of invoices."""
    arrivals, agreements = arrivals_of(charges), AGREED if has_agreements else Agreements()
    shuffled = list(arrivals)
    order.shuffle(shuffled)
    async with an_office(databases, agreements) as office:
        await lived_through(office, arrivals, [False])
        await plain_charges_settle(office, charges)
        await office.all_steps()
        await holds(office)
        once = await came_to(office)
    async with an_office(databases, agreements) as office:
        await lived_through(office, shuffled, portions)
        for _, step in office.steps():
            await broken_once(step, breaks_at)
        await holds(office)
        assert await came_to(office) == once


async def plain_charges_settle(office: Office, charges: Sequence[Charge]) -> None:
    """What is claimed as its tariff says settles, what is claimed above is held; what is late counts in November."""
    expected = {
        f"M{number}": ("HOLD" if charge.is_over_claimed else "SETTLE", "2026-11" if charge.is_late else OCTOBER)
        for number, charge in enumerate(charges)
        if not charge.is_credited
    }
    rows = await office.rows("select cdr_id, disposition, period from verdict")
    assert {name: (disposition, period) for name, disposition, period in rows if name in expected} == expected


async def broken_once(step: Callable[[], Awaitable[Any]], at: int) -> None:
    """Take a step that breaks off once."""
    fuse = Fuse(at, after=False)
    try:
        with fused(fuse):
            await step()
    except Unavailable:
        assert fuse.has_blown
        await step()


async def holds(office: Office) -> None:
    """What is so of every month that is sealed."""
    assert await office.closing.faults_of(OCTOBER) == []
    await the_journal_balances(office)
    await each_settled_cdr_has_its_line(office)
    await lines_are_the_ledger(office)
    await positions_are_zero(office)
    await nothing_is_posted_any_more(office)


async def the_journal_balances(office: Office) -> None:
    unbalanced = "select entry from posting group by entry, currency having sum(excl_vat) <> 0 or sum(incl_vat) <> 0"
    assert await office.rows(unbalanced) == []
    await the_sums_are_those_of_the_rows(office)


async def the_sums_are_those_of_the_rows(office: Office) -> None:
    """What the database keeps by itself is what one comes to by adding up."""
    kept = await office.rows(
        "select period, creditor, debtor, currency, disposition, cdrs, excl_vat from verdict_total where cdrs <> 0 order by 1, 2, 3, 4, 5"
    )
    assert kept == await office.rows(
        "select period, creditor, debtor, currency, disposition, count(*), sum(excl_vat) from verdict "
        "group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5"
    )
    balances = await office.rows("select * from account_balance order by 1, 2, 3, 4, 5")
    assert balances == await office.rows(
        "select kind, party, counterparty, period, currency, sum(excl_vat), sum(incl_vat) from posting "
        "group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5"
    )


async def each_settled_cdr_has_its_line(office: Office) -> None:
    lines = await office.rows(
        "select l.cdr_creditor, l.cdr_key from statement_line l join settlement_statement s on s.id = l.statement "
        "where s.state = 'advised' and l.kind in ('cdr', 'credit') order by 1, 2"
    )
    settled = await office.rows(
        f"select creditor, cdr_key from verdict where period = '{OCTOBER}' and disposition = 'SETTLE' order by 1, 2"
    )
    assert lines == settled


async def lines_are_the_ledger(office: Office) -> None:
    """Σ lines = Σ statements = Σ what was moved from unbilled to billed."""
    lines = await office.rows(
        "select s.id, sum(l.excl_vat), sum(coalesce(l.incl_vat, l.excl_vat)) from settlement_statement s "
        "join statement_line l on l.statement = s.id where s.state = 'advised' group by 1 order by 1"
    )
    stated = await office.rows(
        "select id, excl_vat, incl_vat from settlement_statement where state = 'advised' and cdrs + credits + fees > 0 order by 1"
    )
    assert lines == stated
    billed = await office.rows(
        "select e.reference, sum(p.excl_vat), sum(p.incl_vat) from journal_entry e join posting p on p.entry = e.id "
        "join settlement_statement s on s.id = e.reference "
        "where e.event = 'billed' and p.kind = 'claim:billed' and p.party = s.debtor group by 1 order by 1"
    )
    assert [row for row in billed if row[0] in {one[0] for one in stated}] == stated


async def positions_are_zero(office: Office) -> None:
    net = await office.closing.net_of(OCTOBER)
    for side in ("excl_vat", "incl_vat"):
        assert sum(Decimal(one[side]) for one in net["net"]) == 0
    parties = {one["party"] for one in net["net"]}
    multilateral = [one for one in net["transfers"] if one["mode"] == "multilateral"]
    assert len(multilateral) <= max(len(parties) - 1, 0)


async def nothing_is_posted_any_more(office: Office) -> None:
    """Invariant 9."""
    assert (
        await office.rows(
            f"select 1 from posting p join journal_entry e on e.id = p.entry where p.period = '{OCTOBER}' and e.known_at > "
            f"(select made_at from period_step where period = '{OCTOBER}' and step = 'closed')"
        )
        == []
    )
    with pytest.raises(Exception, match="is closed"):
        async with office.database.direct.transaction() as connection:
            await connection.execute(
                "with e as (insert into journal_entry (key, event, reference, actor, reason, known_at) "
                "values ('x', 'accepted', 'x', '', '', now()) returning id) insert into posting "
                f"(entry, kind, party, counterparty, period, currency, excl_vat, incl_vat) "
                f"select id, 'claim:unbilled', 'DE/ABC', 'NL/MSP', '{OCTOBER}', 'EUR', 0, 0 from e"
            )


async def test_a_month_that_is_credited_whole_owes_nothing(office: Office) -> None:
    """Invariant 4: original + credit = 0."""
    charges = [Charge(True, False, True, False, False, False)] * 3
    await lived_through(office, arrivals_of(charges), [True])
    await office.all_steps()
    assert (await office.closing.net_of(OCTOBER))["transfers"] == []
