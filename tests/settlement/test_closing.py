"""The end of a month through the real database: cut off, drafts, advice, netting, close, seal; each step whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.settlement.agreements import Agreement, Agreements, Fee
from hub.settlement.engine import Closing, Settler, open_closing, open_fee_check
from hub.settlement.engine.closing import UnknownPeriod, UnknownStatement
from hub.settlement.engine.cuttingoff import CuttingOff
from hub.settlement.files import differences
from hub.settlement.outputs import members
from hub.settlement.periods import NotNow, State
from hub.store.closing import ClosingBook, PeriodStep
from hub.store.database import Database
from hub.store.secrets import SealKey
from hub.store.stepfailures import StepFailures
from ocpi_modules.types import decode_json, encode_json
from tests.settlement.cases import CPO, EMSP, OTHER_EMSP, cdr, credit_of, dc_cdr
from tests.settlement.test_settler import DEAR, House

OCTOBER = "2026-10"
AFTER_CLOSE = datetime(2026, 11, 5, 18, 0, 1, tzinfo=UTC)
FEES = Agreements(
    known=(
        Agreement(
            id="DEABC-NLMSP",
            creditor=CPO,
            debtor=EMSP,
            fees=(Fee(payer="debtor", per_session=Decimal("0.25"), vat=Decimal(21)),),
        ),
    )
)


class Office(House):
    """A house with somebody who closes months."""

    def __init__(self, database: Database, agreements: Agreements | None = None) -> None:
        super().__init__(database)
        self.agreements = agreements or Agreements()
        self.settler = Settler(self.books, self.clock, self.agreements)
        self.fee_check = open_fee_check(database.direct, self.clock, self._in_force)
        self.closing: Closing = open_closing(
            database.direct, self.clock, self._in_force, SealKey(b"a key of the tests")
        )

        self.failures = StepFailures(database.direct)
        self.cutting_off = CuttingOff(self.closing, self.failures, self.clock)

    async def _in_force(self) -> Agreements:
        return self.agreements

    async def month(self) -> None:
        """Two CDRs, one of which somebody credits; one that is held."""
        for content, after in ((cdr(), 0), (dc_cdr(), 0), (DEAR, 0)):
            await self.receive(content, after)
        await self.settle_all()
        self.clock.moment = AFTER_CLOSE

    async def up_to(self, state: State) -> None:
        """Every step up to a state."""
        for step_state, step in self.steps():
            await step()
            if step_state is state:
                return

    def steps(self, period: str = OCTOBER) -> list[tuple[State, Callable[[], Awaitable[Any]]]]:
        closing = self.closing
        return [
            (State.CUT_OFF, lambda: closing.cut_off(period, "Ada")),
            (State.CUT_OFF, lambda: closing.draft(period, "Ada")),
            (State.ADVISED, lambda: closing.advise(period, "Ada")),
            (State.NETTED, lambda: closing.net(period, "Ada")),
            (State.NETTED, lambda: closing.close(period, "Ada")),
            (State.CLOSED, lambda: closing.close(period, "Bo")),
            (State.SEALED, lambda: closing.seal(period, "Ada")),
        ]

    async def all_steps(self) -> None:
        for _, step in self.steps():
            await step()

    async def state(self) -> str:
        ((state,),) = await self.rows(f"select state from period where id = '{OCTOBER}'")
        return str(state)

    async def live(self) -> list[tuple[Any, ...]]:
        return await self.rows(
            "select id, excl_vat, incl_vat, cdrs, credits, fees, kept_out, state from settlement_statement "
            "where state <> 'superseded' order by id"
        )


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    opened = Office(database)
    await opened.furnish()
    yield opened
    await opened.copies.close()


# --- the whole way -----------------------------------------------------------------------------


async def test_a_month_goes_from_open_to_sealed(office: Office) -> None:
    """Point 7."""
    await office.month()
    await office.all_steps()
    assert await office.state() == "sealed"
    assert await office.live() == [
        ("2026-10_DE-ABC_BE-EMO_EUR_1", Decimal(28), Decimal("33.32"), 1, 0, 0, 1, "advised"),
        ("2026-10_DE-ABC_NL-MSP_EUR_1", Decimal(9), Decimal("10.71"), 1, 0, 0, 0, "advised"),
    ]
    assert await office.rows("select step, actor from period_step order by id") == [
        ("cut_off", "Ada"),
        ("drafted", "Ada"),
        ("advised", "Ada"),
        ("netted", "Ada"),
        ("signed", "Ada"),
        ("closed", "Bo"),
        ("sealed", "Ada"),
    ]
    assert await office.closing.faults_of(OCTOBER) == []


async def test_every_step_taken_twice_does_nothing_the_second_time(office: Office) -> None:
    await office.month()
    for _, step in office.steps():
        await step()
        if await office.rows("select 1 from period where closed_by = 'Ada'"):
            continue  # that a person closes twice is refused, see below
        before = await everything(office)
        await step()
        assert await everything(office) == before
    await office.closing.cut_off(OCTOBER, "Cy")
    assert await office.state() == "sealed"


TABLES = (
    "period",
    "period_step",
    "settlement_statement",
    "statement_line",
    "statement_kept_out",
    "journal_entry",
    "posting",
    "seal",
    "verdict",
)


async def everything(office: Office) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(await office.rows(f"select * from {table}"), key=str) for table in TABLES}


# --- cut off -----------------------------------------------------------------------------------


async def test_a_month_is_cut_off_when_its_time_has_come(office: Office) -> None:
    await office.month()
    office.clock.moment = AFTER_CLOSE - timedelta(seconds=2)
    assert await office.cutting_off.run_due() == 0
    office.clock.moment = AFTER_CLOSE
    assert await office.cutting_off.run_due() == 1
    assert await office.cutting_off.run_due() == 0
    assert await office.rows("select step, actor from period_step") == [("cut_off", "")]


async def test_a_month_is_not_cut_off_before_all_that_came_in_time_is_looked_at(office: Office) -> None:
    await office.month()
    await office.receive(cdr(id="CDR-IN-TIME"), after=5)
    assert await office.cutting_off.run_due() == 0
    with pytest.raises(NotNow, match="1 CDR that came in time waits"):
        await office.closing.cut_off(OCTOBER, "Ada")
    await office.settle_all()
    assert await office.cutting_off.run_due() == 1


async def test_a_month_that_cannot_be_cut_off_says_so_and_is_tried_again_a_minute_later(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure stands until the cut-off goes through; other work of the round goes on."""
    await office.month()
    tried = list[str]()

    async def broken(step: PeriodStep, at: datetime, actor: str) -> None:
        tried.append(actor)
        raise ArithmeticError("a secret")

    with monkeypatch.context() as patched:
        patched.setattr(PeriodStep, "cut_off", broken)
        for passed in (timedelta(0), timedelta(seconds=59), timedelta(seconds=60)):
            office.clock.moment = AFTER_CLOSE + passed
            assert await office.cutting_off.run_due() == 0
    assert len(tried) == 2
    (failed,) = await office.failures.all()
    assert (failed.period, failed.step, failed.actor, failed.times) == (OCTOBER, "Cut off", "the hub itself", 2)
    assert "ArithmeticError" in failed.said
    assert "secret" not in failed.said
    assert await office.state() == "open"
    office.clock.moment = AFTER_CLOSE + timedelta(minutes=3)
    assert await office.cutting_off.run_due() == 1
    assert await office.failures.all() == []


async def test_a_month_says_what_holds_up_its_cut_off(office: Office) -> None:
    await office.month()
    period = (await office.closing.head(OCTOBER)).period
    await office.receive(cdr(id="CDR-IN-TIME"), after=5)
    assert await office.closing.holding_up(period) == 1
    office.clock.moment = AFTER_CLOSE - timedelta(seconds=2)
    assert await office.closing.holding_up(period) == 0, "its time has not come"
    office.clock.moment = AFTER_CLOSE
    await office.settle_all()
    assert await office.closing.holding_up(period) == 0


async def test_a_month_that_runs_is_cut_off_only_when_that_is_wanted(office: Office) -> None:
    await office.month()
    office.clock.moment = datetime(2026, 10, 25, tzinfo=UTC)
    with pytest.raises(NotNow, match="has not ended"):
        await office.closing.cut_off(OCTOBER, "Ada")
    period = await office.closing.cut_off(OCTOBER, "Ada", is_early=True)
    assert (period.state, period.closes_at) == (State.CUT_OFF, office.clock.moment)


async def test_what_comes_after_the_cut_off_counts_in_the_next_month(office: Office) -> None:
    """I02."""
    await office.month()
    office.clock.moment = datetime(2026, 11, 2, tzinfo=UTC)
    await office.closing.cut_off(OCTOBER, "Ada")
    await office.push("cdrs", cdr(id="CDR-LATE", session_id=None), datetime(2026, 11, 3, tzinfo=UTC))
    await office.settle_all()
    assert await office.rows("select period from verdict where cdr_id = 'CDR-LATE'") == [("2026-11",)]


async def test_steps_that_are_taken_at_once_are_taken_one_after_the_other(office: Office) -> None:
    await office.month()
    await asyncio.gather(*(office.closing.draft(OCTOBER, name) for name in ("Ada", "Bo", "Cy")))
    assert len(await office.live()) == 2
    assert await office.rows("select count(*) from period_step where step = 'drafted'") == [(1,)]
    await asyncio.gather(*(office.closing.cut_off(OCTOBER, name) for name in ("Ada", "Bo", "Cy")))
    await asyncio.gather(*(office.closing.advise(OCTOBER, name) for name in ("Ada", "Bo", "Cy")))
    assert await office.rows("select count(*) from journal_entry where event = 'billed'") == [(2,)]


# --- drafts ------------------------------------------------------------------------------------


async def test_a_new_draft_supersedes_the_one_before_where_something_changed(office: Office) -> None:
    await office.month()
    first = [one.id for one in await office.closing.draft(OCTOBER, "Ada")]
    assert first == ["2026-10_DE-ABC_BE-EMO_EUR_1", "2026-10_DE-ABC_NL-MSP_EUR_1"]
    await office.receive(credit_of(cdr()), after=3600)
    await office.settle_all()
    assert [one.id for one in await office.closing.draft(OCTOBER, "Ada")] == [
        "2026-10_DE-ABC_BE-EMO_EUR_1",
        "2026-10_DE-ABC_NL-MSP_EUR_2",
    ]
    before, changed = await office.closing.changes_of("2026-10_DE-ABC_NL-MSP_EUR_2")
    assert before is not None
    assert before.id == "2026-10_DE-ABC_NL-MSP_EUR_1"
    assert [(row["kind"], row["cdr_id"]) for row in changed.added] == [("credit", credit_of(cdr())["id"])]
    assert ([*changed.removed], changed.amount.excl_vat) == ([], Decimal(-9))
    assert await office.rows("select id, state from settlement_statement where state = 'superseded'") == [
        ("2026-10_DE-ABC_NL-MSP_EUR_1", "superseded")
    ]


async def test_old_drafts_are_not_advised(office: Office) -> None:
    await office.month()
    await office.closing.draft(OCTOBER, "Ada")
    await office.receive(credit_of(cdr()), after=3600)
    await office.settle_all()
    await office.closing.cut_off(OCTOBER, "Ada")
    with pytest.raises(NotNow, match="draft them again"):
        await office.closing.advise(OCTOBER, "Ada")
    await office.closing.draft(OCTOBER, "Ada")
    assert (await office.closing.advise(OCTOBER, "Ada")).state is State.ADVISED


async def test_a_month_without_drafts_is_not_advised(office: Office) -> None:
    await office.month()
    await office.closing.cut_off(OCTOBER, "Ada")
    with pytest.raises(NotNow, match="draft them again"):
        await office.closing.advise(OCTOBER, "Ada")


async def test_fees_stand_on_the_statement_of_the_hub(database: Database) -> None:
    office = Office(database, FEES)
    await office.furnish()
    await office.month()
    await office.all_steps()
    assert await office.live() == [
        ("2026-10_DE-ABC_BE-EMO_EUR_1", Decimal(28), Decimal("33.32"), 1, 0, 0, 1, "advised"),
        ("2026-10_DE-ABC_NL-MSP_EUR_1", Decimal(9), Decimal("10.71"), 1, 0, 0, 0, "advised"),
        ("2026-10_NL-HUB_NL-MSP_EUR_1", Decimal("0.25"), Decimal("0.3025"), 0, 0, 1, 0, "advised"),
    ]
    net = await office.closing.net_of(OCTOBER)
    assert {one["party"]: one["incl_vat"] for one in net["net"]} == {
        "DE-ABC": "44.03",
        "BE-EMO": "-33.32",
        "NL-HUB": "0.3025",
        "NL-MSP": "-11.0125",
    }
    await office.copies.close()


# --- what never changes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("update settlement_statement set excl_vat = 0", id="an advised statement"),
        pytest.param("delete from settlement_statement", id="a statement that is gone"),
        pytest.param("update statement_line set excl_vat = 0", id="a line"),
        pytest.param(
            "insert into statement_line select statement, 9, kind, cdr_creditor, cdr_key, 1, 1 from statement_line limit 1",
            id="a line more",
        ),
        pytest.param(
            "insert into statement_line select 'NOWHERE', 9, kind, cdr_creditor, cdr_key, 1, 1 from statement_line limit 1",
            id="a line of no statement",
        ),
        pytest.param(
            "insert into statement_kept_out select 'NOWHERE', 9, cdr_creditor, cdr_key, 'HOLD', '[]' from statement_line limit 1",
            id="something kept out of no statement",
        ),
        pytest.param("truncate settlement_statement", id="all statements"),
        pytest.param("update period_step set actor = 'Cy'", id="who took a step"),
        pytest.param("delete from statement_kept_out", id="what was kept out"),
    ],
)
async def test_what_was_advised_is_kept_by_the_database_itself(office: Office, statement: str) -> None:
    await office.month()
    await office.up_to(State.ADVISED)
    with pytest.raises(Exception, match=r"advised|added to|no draft"):
        async with office.database.direct.transaction() as connection:
            await connection.execute(statement)


async def test_a_draft_that_has_lines_keeps_its_name(office: Office) -> None:
    await office.month()
    await office.up_to(State.CUT_OFF)
    await office.closing.draft(OCTOBER, "Ada")
    with pytest.raises(Exception, match="history"):
        await office.rows("update settlement_statement set id = id || '-2' returning id")


async def test_verdicts_are_billed_beside_themselves(office: Office) -> None:
    """Their pages leave room, and no index of the table names the statement: a million of them are written without touching an index."""
    ((room,),) = await office.rows("select unnest(reloptions) from pg_class where relname = 'verdict'")
    assert int(room.removeprefix("fillfactor=")) <= 50
    indexed = await office.rows("select 1 from pg_indexes where tablename = 'verdict' and indexdef ~ 'statement'")
    assert indexed == []


async def test_a_cdr_on_two_lines_or_on_none_is_seen(office: Office) -> None:
    """Invariant 3: what is drafted is compared with the books line by line before it is advised, and before the month closes."""
    await office.month()
    await office.up_to(State.CUT_OFF)
    await office.closing.draft(OCTOBER, "Ada")
    await office.rows(
        "insert into statement_line select statement, 9, kind, cdr_creditor, cdr_key, excl_vat, incl_vat from statement_line "
        "where kind = 'cdr' returning line"
    )
    figures = await ClosingBook(office.database.direct).figures(OCTOBER)
    assert (figures.unlined, figures.astray) == (2, 0)
    await office.rows("update verdict set excl_vat = excl_vat + 1 where disposition = 'SETTLE' returning 1")
    assert (await ClosingBook(office.database.direct).figures(OCTOBER)).astray == 4
    await office.rows("update verdict set disposition = 'HOLD' where disposition = 'SETTLE' returning 1")
    figures = await ClosingBook(office.database.direct).figures(OCTOBER)
    assert (figures.unlined, figures.astray) == (0, 4)


async def test_what_is_billed_is_not_looked_at_again(office: Office) -> None:
    await office.month()
    await office.up_to(State.ADVISED)
    await office.rows("update claim set examined_at = null returning 1")
    before = await office.rows("select cdr_id, disposition, statement from verdict order by 1")
    await office.settle_all()
    assert await office.rows("select cdr_id, disposition, statement from verdict order by 1") == before


# --- close -------------------------------------------------------------------------------------


async def test_two_different_people_close_a_month(office: Office) -> None:
    await office.month()
    await office.up_to(State.NETTED)
    await office.closing.close(OCTOBER, "Ada")
    with pytest.raises(NotNow, match="a second person"):
        await office.closing.close(OCTOBER, " ADA ")
    assert await office.state() == "netted"
    assert (await office.closing.close(OCTOBER, "Bo")).state is State.CLOSED
    assert await office.rows("select closed_by from period where id = '2026-10'") == [("Ada and Bo",)]


async def test_a_month_does_not_close_while_a_cdr_of_it_waits(office: Office) -> None:
    await office.month()
    await office.up_to(State.NETTED)
    await office.rows("update claim set examined_at = null, failures = 3 where cdr_id = 'CDR-DEAR' returning 1")
    with pytest.raises(NotNow, match="1 CDR waits"):
        await office.closing.close(OCTOBER, "Ada")


async def test_the_checklist_says_what_was_so_when_the_month_closed(office: Office) -> None:
    await office.month()
    before = (await office.closing.view(OCTOBER)).counts
    assert {item.name for item in before.items if not item.is_met} == {"lines", "nothing_unbilled"}
    await office.up_to(State.CLOSED)
    view = (await office.closing.view(OCTOBER)).counts
    assert all(item.is_met for item in view.items)
    totals = {name: (count.cdrs, count.excl_vat) for name, count in view.totals["EUR"].items()}
    assert totals == {
        "IN": (3, Decimal(75)),
        "SETTLE": (2, Decimal(37)),
        "HOLD": (1, Decimal(38)),
        "DROP": (0, Decimal(0)),
        "DEFER": (0, Decimal(0)),
        "RETURNED": (0, Decimal(0)),
    }


async def test_steps_come_in_their_order(office: Office) -> None:
    await office.month()
    for step in (office.closing.advise, office.closing.net, office.closing.close, office.closing.seal):
        with pytest.raises(NotNow, match="is open"):
            await step(OCTOBER, "Ada")


async def test_what_does_not_exist_is_told(office: Office) -> None:
    with pytest.raises(UnknownPeriod):
        await office.closing.cut_off("1999-01", "Ada")
    with pytest.raises(UnknownStatement):
        await office.closing.whole("nothing")


# --- seal and proof ----------------------------------------------------------------------------


async def proof_file(office: Office, name: str, folder: Path) -> Path:
    whole = await office.closing.whole(name)
    content = {
        **whole.head,
        "proof": await office.closing.proof(name),
        "lines": whole.line_contents(),
        "unsettled": iter(whole.kept_out),
    }
    path = folder / f"{name}.json"
    path.write_bytes(b"".join(members(content)))
    return path


async def test_a_partner_verifies_a_statement_with_nothing_but_its_file(office: Office, tmp_path: Path) -> None:
    await office.month()
    with pytest.raises(NotNow, match="is open"):
        await office.closing.seal(OCTOBER, "Ada")
    await office.all_steps()
    key = office.closing.signer.public_key
    for name in ("2026-10_DE-ABC_BE-EMO_EUR_1", "2026-10_DE-ABC_NL-MSP_EUR_1"):
        path = await proof_file(office, name, tmp_path)
        assert differences(path, key) == []
    assert differences(path, "00" * 32) != []
    for change in ({"statement": "2026-10_DE-ABC_NL-MSP_EUR_2"}, {"creditor_name": "Another"}, {"state": "draft"}):
        content = decode_json(path.read_bytes())
        (tmp_path / "changed.json").write_bytes(encode_json(content | change))
        assert differences(tmp_path / "changed.json", key) != []
    content = decode_json(path.read_bytes())
    content["lines"][0]["excl_vat"] = "1.00"
    path.write_bytes(encode_json(content))
    assert differences(path, key) != []


async def test_the_seal_itself_verifies_and_shows_what_was_altered(office: Office, tmp_path: Path) -> None:
    await office.month()
    await office.all_steps()
    ((text,),) = await office.rows("select content from seal")
    path = tmp_path / "seal.json"
    path.write_text(text)
    assert differences(path, office.closing.signer.public_key) == []
    content = decode_json(text.encode())
    for place, value in (
        (("sealed", "statements", 0, "totals", "excl_vat"), "1"),
        (("sealed", "journal", "count"), 1),
        (("sealed", "previous"), "00" * 32),
        (("seal", "head", "sealed_at"), "2027-01-01T00:00:00Z"),
        (("seal", "signature"), "00" * 64),
    ):
        altered = decode_json(text.encode())
        put(altered, place, value)
        assert altered != content
        path.write_bytes(encode_json(altered))
        assert differences(path) != []


def put(content: Any, place: tuple[str | int, ...], value: object) -> None:
    for name in place[:-1]:
        content = content[name]
    content[place[-1]] = value


async def test_the_next_seal_is_chained_to_the_one_before(office: Office) -> None:
    await office.month()
    await office.push("cdrs", cdr(id="CDR-LATE", session_id=None), AFTER_CLOSE)
    await office.settle_all()
    office.clock.moment = datetime(2026, 12, 6, tzinfo=UTC)
    for _, step in office.steps("2026-11")[:-1]:
        await step()
    with pytest.raises(NotNow, match="2026-10 comes first"):
        await office.closing.seal("2026-11", "Ada")
    await office.all_steps()
    seal = await office.closing.seal("2026-11", "Ada")
    ((first,),) = await office.rows("select root from seal where period = '2026-10'")
    assert seal.previous == first
    assert await office.closing.faults_of("2026-11") == []


async def test_the_books_can_be_checked_against_the_seal(office: Office) -> None:
    await office.month()
    await office.all_steps()
    async with office.database.direct.transaction() as connection:
        await connection.execute("update verdict set energy = energy + 1 where cdr_id = $1", cdr()["id"])
    assert await office.closing.faults_of(OCTOBER) == ["the lines of 2026-10_DE-ABC_NL-MSP_EUR_1 were changed"]


async def test_nobody_owes_the_other_emsp_anything(office: Office) -> None:
    """Three parties need two payments at most."""
    await office.month()
    await office.all_steps()
    net = await office.closing.net_of(OCTOBER)
    assert net["is_final"] is True
    assert [(one["from"], one["to"], one["incl_vat"]) for one in net["transfers"]] == [
        (str(OTHER_EMSP).replace("/", "-"), "DE-ABC", "33.32"),
        ("NL-MSP", "DE-ABC", "10.71"),
    ]
