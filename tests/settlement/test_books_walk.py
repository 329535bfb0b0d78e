"""Seeded walks through the books, in the real database: whatever happens in whatever order, and wherever it breaks off, they are right.

After every step it is asked of the tables themselves what must never be otherwise; at the end all months go to their seal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from hub.settlement.agreements import Agreements
from hub.settlement.disputes import Reason, Step
from hub.settlement.engine.corrections import Answer, CorrectionAsked, CorrectionDesk, Kind
from hub.settlement.engine.disputes import DisputeAsked, DisputeRoom, NotBilled
from hub.settlement.netting import Amount
from hub.settlement.people import SamePerson
from hub.settlement.periods import NotNow
from hub.store.corrections import Corrections
from hub.store.direct import Unavailable
from hub.store.disputes import DisputeBook
from ocpi_modules.parties import Party
from ocpi_modules.types import fold
from tests.databases import Databases
from tests.settlement.cases import CPO, Content, credit_of, dc_tariff
from tests.settlement.test_closing import AFTER_CLOSE, Office
from tests.settlement.test_closing_meets import a_decision
from tests.settlement.test_months import Charge, Fuse, _content, an_office, fused, the_journal_balances

WALKS = 6
LONG_WALKS = 100
STEPS = 40
BREAKS_MAX = 15
CHARGES_MAX = 6
DAY = timedelta(days=1)
MONTHS_MAX = 8
FOUR = Amount(Decimal(4), Decimal("4.76"))
PART = (None, FOUR)


@dataclass
class Walk:
    """A house of which everything can happen, and what was seen of it so far."""

    office: Office
    pushed: dict[str, Content] = field(default_factory=dict)
    postings_of_closed: dict[str, int] = field(default_factory=dict)
    advised: dict[str, bytes] = field(default_factory=dict)
    deadlines: dict[int, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        direct, books = self.office.database.direct, self.office.books
        self.room = DisputeRoom(books, DisputeBook(direct), self.office.clock)
        self.desk = CorrectionDesk(self.room, Corrections(direct), self.office.fee_check)

    # --- what happens

    async def arrive(self, number: int) -> None:
        """A charge comes, or comes again; every third one claims too much."""
        await self._push(_content(number, Charge(bool(number % 2), number % 3 == 2, False, False, False, False)))

    async def credit(self, number: int) -> None:
        if (content := self.pushed.get(f"M{number}")) is not None:
            await self._push(credit_of(content))

    async def restate(self, number: int) -> None:
        """A replacement comes."""
        if (content := self.pushed.get(f"M{number}")) is not None:
            await self._push({**content, "id": f"M{number}-R"})

    async def tariff(self, _: int) -> None:
        await self.office.push("tariffs", dc_tariff(), self.office.clock.moment)

    async def decide(self, number: int) -> None:
        wanted = replace(
            a_decision("cdr", f"{CPO}/M{number % CHARGES_MAX}"), action=("accept", "hold", "drop")[number % 3]
        )
        if f"M{number % CHARGES_MAX}" in self.pushed:
            await self.office.books.decisions.keep(wanted, self.office.clock.moment, stands=True)

    async def revoke(self, number: int) -> None:
        for (decision,) in (await self.office.rows("select id from decision order by id"))[number:][:1]:
            if (kept := await self.office.books.decisions.load(decision)) is not None:
                await self.office.books.decisions.revoke(kept, "Otto", self.office.clock.moment)

    async def look(self, _: int) -> None:
        await self.office.settle_all()

    async def dispute(self, number: int) -> None:
        name = (str(CPO), f"M{number}")
        asked = DisputeAsked(name=name, amount=PART[number % 2], reason=Reason.PRICE, note="", actor="Dora")
        await self.room.open(asked)

    async def answer(self, number: int) -> None:
        """Somebody makes a step of a dispute."""
        step, actor = DISPUTED[number % len(DISPUTED)]
        for (dispute,) in (await self.office.rows("select id from dispute order by id desc"))[:1]:
            await self.room.step(dispute, step, actor, "")

    async def adjust(self, number: int) -> None:
        asked = CorrectionAsked(
            kind=Kind.ADJUSTMENT,
            name=(str(CPO), f"M{number}"),
            amount=-FOUR,
            reason=Reason.PRICE,
            note="",
            actor="Carl",
            party=CPO,
        )
        made = await self.desk.propose(asked)
        assert made.id is not None
        await self.desk.answer(made.id, Answer.AGREED, "Dora", Party.parse(made.debtor))

    async def rounds(self, _: int) -> None:
        """What the hub does by itself."""
        for job in (self.room.expire_due, self.room.concede_credited, self.desk.turn_superseded):
            await job()

    async def go_on(self, number: int) -> None:
        """The oldest month that is not sealed takes its next step, drafts included."""
        period, state = await self._oldest()
        steps = self.office.steps(period)
        for step in STEPS_OF.get(state, ()):
            await quietly(steps[step][1]())

    async def wait(self, number: int) -> None:
        self.office.clock.moment += (number * 7 + 1) * DAY

    # --- what must be so

    async def holds(self) -> None:
        """Invariants 1, 2, 3, 9 and 10, and that what is advised stays."""
        await the_journal_balances(self.office)
        for what, statement in NEVER.items():
            assert await self.office.rows(statement) == [], what
        assert await self.office.rows("select count(*) from claim") == [(len(self.pushed),)], "one claim for each CDR"
        await self._grows_no_more()
        await self._stays()
        await self._moves_on()

    async def _grows_no_more(self) -> None:
        rows = await self.office.rows(
            "select p.id, count(q.id) from period p left join posting q on q.period = p.id "
            "where p.state in ('closed', 'sealed') group by 1"
        )
        for period, count in rows:
            assert self.postings_of_closed.setdefault(period, count) == count, f"a posting in {period}"

    async def _stays(self) -> None:
        rows = await self.office.rows("select id, digest from settlement_statement where state = 'advised'")
        found = dict(rows)
        assert {name: found.get(name) for name in self.advised} == self.advised
        self.advised = found

    async def _moves_on(self) -> None:
        """Deadlines never move backwards."""
        for dispute, due_at in await self.office.rows("select id, due_at from dispute"):
            assert due_at >= self.deadlines.get(dispute, due_at)
            self.deadlines[dispute] = due_at

    # --- the beginning and the end

    async def begins(self) -> None:
        """Four charges of October, and October is over."""
        for number in range(4):
            await self.arrive(number)
        await self.look(0)
        self.office.clock.moment = AFTER_CLOSE

    async def ends(self) -> None:
        """Time goes by until everything is settled: every month verifies, and nothing is left where it does not belong."""
        for _ in range(MONTHS_MAX):
            self.office.clock.moment += 40 * DAY
            for step in (*[self.look, self.rounds] * 3, *[self.go_on] * 6):
                await quietly(step(0))
                await self.holds()
        sealed = [period for (period,) in await self.office.rows("select id from period where state = 'sealed'")]
        assert "2026-10" in sealed
        for period in sealed:
            assert await self.office.closing.faults_of(period) == []
        left = (
            "select 1 from posting p join period q on q.id = p.period and q.state = 'sealed' where kind <> 'claim:net' "
        )
        assert await self.office.rows(f"{left} group by kind, party, counterparty, currency having {_NOT_ZERO}") == []
        await self._chains()

    async def _chains(self) -> None:
        """Invariant 4: a charge, its credit, its replacement and all that corrected it come to what still stands."""
        rows = await self.office.rows(CHAINS)
        for name, owed, is_credited in rows:
            assert owed == 0 or not is_credited, name

    # --- inside

    async def _push(self, content: Content) -> None:
        self.office.clock.moment = max(self.office.clock.moment, datetime(2026, 10, 20, tzinfo=UTC))
        await self.office.push("cdrs", content, self.office.clock.moment)
        self.pushed[fold(content["id"])] = content

    async def _oldest(self) -> tuple[str, str]:
        rows = await self.office.rows("select id, state from period where state <> 'sealed' order by id limit 1")
        return rows[0] if rows else ("2026-10", "sealed")


_NOT_ZERO = "sum(excl_vat) <> 0 or sum(incl_vat) <> 0"

STEPS_OF = {"open": (0,), "cut_off": (1, 2), "advised": (3,), "netted": (4, 5), "closed": (6,)}

DISPUTED = (
    (Step.CONCEDE, "Carl"),
    (Step.COUNTER, "Carl"),
    (Step.INSIST, "Dora"),
    (Step.WITHDRAW, "Dora"),
    (Step.ARBITRATE, "Carl"),
    (Step.UPHOLD, "Hugo"),
    (Step.DISMISS, "Hugo"),
)

_UNBILLED = (
    "(select coalesce(sum(p.excl_vat), 0) from journal_entry e join posting p on p.entry = e.id "
    "where e.reference = v.creditor || '/' || v.cdr_key and e.event in ('accepted', 'withdrawn') "
    "and p.kind = 'claim:unbilled' and p.party = v.debtor)"
)
NEVER = {
    "a CDR that was looked at has a verdict": "select 1 from claim c left join verdict v using (creditor, cdr_key) "
    "where c.examined_at is not null and v.cdr_key is null",
    "what settles is posted once, what does not is not": f"select cdr_key from verdict v where {_UNBILLED} <> "
    "case when disposition = 'SETTLE' then excl_vat else 0 end",
    "what is billed settles, and stands on one advised line": "select v.cdr_key from verdict v where (v.statement is not null) <> "
    "(1 = (select count(*) from statement_line l join settlement_statement s on s.id = l.statement where s.state = 'advised' "
    "and l.kind in ('cdr', 'credit') and l.cdr_creditor = v.creditor and l.cdr_key = v.cdr_key and s.id = v.statement "
    "and s.period = v.period and v.disposition = 'SETTLE'))",
    "no line is advised twice": "select l.cdr_key from statement_line l join settlement_statement s on s.id = l.statement "
    "where s.state = 'advised' group by l.kind, l.cdr_creditor, l.cdr_key, s.debtor having count(*) > 1",
    "what is advised in a month settles in it": "select v.cdr_key from verdict v join period p on p.id = v.period "
    "where p.state in ('advised', 'netted', 'closed', 'sealed') and v.disposition = 'SETTLE' and v.statement is null",
    "statements are the sums of their lines": "select s.id from settlement_statement s left join statement_line l on l.statement = s.id "
    "where s.state <> 'superseded' group by s.id having coalesce(sum(l.excl_vat), 0) <> s.excl_vat",
    "statements are what is billed": "select s.id from settlement_statement s where s.state = 'advised' and s.excl_vat <> coalesce(("
    "select sum(p.excl_vat) from journal_entry e join posting p on p.entry = e.id where e.key = 'billed:' || s.id "
    "and p.kind = 'claim:billed' and p.party = s.debtor), 0)",
    "an advised adjustment names its statement": "select a.id from adjustment a join period p on p.id = a.period "
    "where a.kind = 'adjustment' and a.state = 'agreed' and (a.statement is null) <> (p.state in ('open', 'cut_off'))",
    "positions add up to zero": "select period, currency from posting where kind = 'claim:net' group by 1, 2 "
    "having sum(excl_vat) <> 0 or sum(incl_vat) <> 0",
    "disputes take no more than their line": "select v.cdr_key from verdict v "
    "join dispute d on d.creditor = v.creditor and d.cdr_key = v.cdr_key "
    "where d.state <> 'refused' and d.yielded <> 'debtor' group by v.creditor, v.cdr_key having sum(d.excl_vat) > v.excl_vat",
}

CHAINS = (
    "select o.cdr_key, o.excl_vat + (select coalesce(sum(c.excl_vat), 0) from verdict c where c.creditor = o.creditor "
    "and c.credit_of = o.cdr_key and c.disposition = 'SETTLE') + (select coalesce(sum(a.excl_vat), 0) from adjustment a "
    "where a.creditor = o.creditor and a.cdr_key = o.cdr_key and a.state = 'agreed'), exists (select 1 from verdict c "
    "where c.creditor = o.creditor and c.credit_of = o.cdr_key and c.disposition = 'SETTLE') from verdict o "
    "where o.disposition = 'SETTLE' and not o.is_credit"
)

EVENTS: Sequence[Callable[[Walk, int], Awaitable[None]]] = (
    *[Walk.arrive] * 4,
    Walk.credit,
    Walk.restate,
    Walk.tariff,
    Walk.decide,
    Walk.revoke,
    *[Walk.look] * 4,
    *[Walk.dispute] * 2,
    *[Walk.answer] * 2,
    Walk.adjust,
    *[Walk.rounds] * 2,
    *[Walk.go_on] * 6,
    Walk.wait,
)


async def quietly(step: Awaitable[Any]) -> None:
    """A step that may not be possible now."""
    with suppress(NotNow, NotBilled, SamePerson):
        await step


async def happens(walk: Walk, event: Callable[[Walk, int], Awaitable[None]], number: int, breaks_at: int) -> None:
    """Something happens; where it breaks off somebody does it again."""
    fuse = Fuse(breaks_at, after=bool(breaks_at % 2))
    try:
        with fused(fuse):
            await quietly(event(walk, number))
    except Unavailable:
        assert fuse.has_blown
        await walk.holds()
        await quietly(event(walk, number))


async def walked(databases: Databases, seed: int) -> None:
    """One walk, which its seed repeats."""
    random = Random(seed)
    async with an_office(databases, Agreements()) as office:
        walk = Walk(office)
        await walk.begins()
        for _ in range(STEPS):
            await happens(walk, random.choice(EVENTS), random.randrange(CHARGES_MAX), random.randrange(BREAKS_MAX))
            await walk.holds()
        await walk.ends()


@pytest.mark.parametrize("seed", range(WALKS))
async def test_whatever_happens_the_books_are_right(databases: Databases, seed: int) -> None:
    """Invariants 1 to 5, 7 to 10: CDRs in any order, twice, credited, replaced and late; decisions, disputes, corrections; broken off."""
    await walked(databases, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(WALKS, LONG_WALKS))
async def test_whatever_happens_for_long_the_books_are_right(databases: Databases, seed: int) -> None:
    """The same, many times."""
    await walked(databases, seed)
