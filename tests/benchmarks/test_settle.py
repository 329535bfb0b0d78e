"""The benchmark of settlement keeps its word: a month that a hub could have, all its steps, and an end to a run whose books are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from ocpi_modules.catalog import MODULES
from ocpi_modules.message import judge_whole
from ocpi_modules.types import OcpiObject, decode_json, encode_decoded
from tests.benchmarks import settle as benchmark
from tests.benchmarks.figures import DETAILS, TABLE
from tests.benchmarks.machine import Cores
from tests.benchmarks.month import Charge, Month
from tests.benchmarks.settle import CLOSING, READ, SETTLE, Stage, report_of, settle_of, stage_table, whole_of
from tests.benchmarks.stage import Options

SOME, PAIRS = 900, 300
MONTH = Month(SOME)
CHARGES = list(MONTH.all())


def model_of(module_id: str) -> type[OcpiObject]:
    model = MODULES[module_id].object
    assert model is not None
    return model


def objects() -> Iterator[tuple[str, Any]]:
    yield from (("locations", one) for _, one in MONTH.locations())
    yield from (("tokens", one) for _, one in MONTH.tokens())
    yield from (("sessions", one.session) for one in CHARGES if one.session is not None)
    yield from (("cdrs", one.cdr) for one in CHARGES)


# --- the month -------------------------------------------------------------------------------


def test_all_objects_of_the_month_are_valid() -> None:
    for module, content in objects():
        judge_whole(model_of(module), decode_json(encode_decoded(content)))


def test_a_charge_is_made_from_its_number_alone() -> None:
    assert [Month(SOME).charge(number) for number in (7, 650)] == [CHARGES[7], CHARGES[650]]


def test_every_cpo_charges_cars_of_every_emsp_in_three_currencies() -> None:
    pairs = {(one.cdr["country_code"], one.cdr["party_id"], one.debtor) for one in CHARGES[:PAIRS]}
    assert len(pairs) == PAIRS
    assert {one.cdr["currency"] for one in CHARGES} == {"EUR", "SEK", "JPY"}


def test_an_evse_charges_one_car_after_the_other() -> None:
    by_evse: dict[str, list[Charge]] = {}
    for one in CHARGES:
        if not one.cdr.get("credit"):
            by_evse.setdefault(one.cdr["cdr_location"]["evse_uid"], []).append(one)
    for charges in by_evse.values():
        times = [(one.cdr["start_date_time"], one.cdr["end_date_time"]) for one in charges]
        assert all(end < start for (_, end), (start, _) in pairwise(times))
    assert max(map(len, by_evse.values())) == SOME // MONTH.evses


def test_most_charges_have_a_session_and_some_are_credits() -> None:
    kinds = Counter((bool(one.cdr.get("credit")), one.session is not None) for one in CHARGES)
    assert kinds[False, True] > 0.9 * SOME
    assert kinds[True, False] > 0
    assert not kinds[True, True]
    names = {one.cdr["id"]: one for one in CHARGES}
    for credit in (one for one in CHARGES if one.cdr.get("credit")):
        original = names[credit.cdr["credit_reference_id"]]
        assert credit.debtor == original.debtor
        assert credit.received_at > original.received_at + timedelta(hours=23)


def test_cdrs_come_after_their_charge() -> None:
    assert all(one.received_at > datetime.fromisoformat(one.cdr["end_date_time"]) for one in CHARGES)


# --- the run ---------------------------------------------------------------------------------


def test_a_short_run_goes_from_cdrs_to_a_seal(capsys: pytest.CaptureFixture[str]) -> None:
    report = settle_of(Options(Cores(None, None)), 300)
    printed = capsys.readouterr().out
    assert all(f"| {name} " in printed for name in (READ, SETTLE, *CLOSING))
    assert len(report.rows[0].cells()) == len(TABLE)
    assert "300 CDRs, 300 pairs" in report.rows[0].work
    assert all(len(detail.cells()) == len(DETAILS) for detail in report.details)
    assert "net positions added up to zero" in report.remarks[0]


@pytest.mark.parametrize(
    ("faults", "items", "net", "message"),
    [
        pytest.param(
            ["the journal"], [], [("1", "EUR"), ("-1", "EUR")], "does not hold", id="the seal is of other books"
        ),
        pytest.param([], ["3 wait"], [("1", "EUR"), ("-1", "EUR")], "3 wait", id="an item of the checklist is not met"),
        pytest.param([], [], [("1", "EUR"), ("-1", "SEK")], "add up to", id="positions do not add up in a currency"),
        pytest.param([], [], [], "nothing was netted", id="there are no positions"),
    ],
)
async def test_books_that_are_wrong_end_the_run(
    faults: list[str], items: list[str], net: list[tuple[str, str]], message: str
) -> None:
    office: Any = StandIn(faults, items, net)
    with pytest.raises(RuntimeError, match=message):
        await benchmark.require_right(office)


class StandIn:
    """An office that says what it is told to."""

    def __init__(self, faults: list[str], items: list[str], net: list[tuple[str, str]]) -> None:
        self._faults, self._net = faults, [{"excl_vat": amount, "currency": currency} for amount, currency in net]
        self.items = [Unmet(sentence) for sentence in items]

    async def faults_of(self, _: str) -> list[str]:
        return self._faults

    @property
    def counts(self) -> StandIn:
        return self

    async def view(self, _: str) -> StandIn:
        return self

    async def net_of(self, _: str) -> dict[str, Any]:
        return {"is_final": True, "net": self._net}


class Unmet:
    """An item that is not so."""

    is_met = False

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence


def test_the_whole_is_what_settlement_does_without_what_is_there_to_compare() -> None:
    stages = [Stage(name, 2.0, 1.0, 0.5, 5_000_000, (2.0,)) for name in (READ, SETTLE, *CLOSING)]
    whole = whole_of(stages)
    assert (whole.seconds, whole.cpu_seconds, whole.database_cpu_seconds) == (14.0, 7.0, 3.5)
    assert "| all " in stage_table(stages, 100)
    assert "7.00x" in report_of(stages, 100).rows[0].times_limit


async def test_a_stage_is_repeated_until_nothing_is_left() -> None:
    left = [3, 2, 1]

    async def work() -> int:
        return left.pop() if left else 0

    meter = benchmark.Meter(1)
    await meter.measure("some work", work, until_nothing_is_left=True)
    assert len(meter.stages[0].calls) == 4
