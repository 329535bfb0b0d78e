"""The benchmark of the pricer keeps its word: good CDRs, a plain pricer that is right, and an end to a run in which the two differ."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from hub.pricing.rounding import currency_exponent
from hub.pricing.selection import TariffBook
from ocpi_modules.catalog import MODULES
from ocpi_modules.message import judge_whole
from ocpi_modules.types import OcpiObject, decode_json, encode_decoded
from tests.benchmarks import naive_pricing
from tests.benchmarks import price as benchmark
from tests.benchmarks.charges import PERIODS_MAX, PERIODS_MIN, Object, Stored, owners, stored_cdrs
from tests.benchmarks.figures import TABLE
from tests.benchmarks.machine import Cores
from tests.benchmarks.price import (
    Job,
    Work,
    difference,
    jobs_of,
    line_of,
    measured,
    price_of,
    require_agreement,
    settled,
)
from tests.benchmarks.stage import Options

SOME = 400
AMONG = owners()
STORED = list(stored_cdrs(AMONG, SOME))
JOBS = jobs_of(STORED, AMONG)


def model_of(module_id: str) -> type[OcpiObject]:
    model = MODULES[module_id].object
    assert model is not None
    return model


def cdrs() -> list[Any]:
    return [decode_json(one.text) for one in STORED]


# --- what is priced --------------------------------------------------------------------------


def test_cdrs_and_tariffs_are_valid() -> None:
    for cdr in cdrs():
        judge_whole(model_of("cdrs"), cdr)
    for job in {id(job.shelf): job for job in JOBS}.values():
        for tariff in job.shelf.tariffs:
            judge_whole(model_of("tariffs"), decode_json(encode_decoded(tariff)))


def test_the_same_seed_makes_the_same_cdrs() -> None:
    assert [one.text for one in stored_cdrs(owners(), 20)] == [one.text for one in STORED[:20]]


def test_cdrs_have_all_the_shapes_that_are_asked_for() -> None:
    read = cdrs()
    lengths = Counter(len(cdr["charging_periods"]) for cdr in read)
    assert set(lengths) == set(range(PERIODS_MIN, PERIODS_MAX + 1))
    assert any(cdr.get("credit") for cdr in read)
    assert {"tariffs" in cdr for cdr in read} == {True, False}
    ids = [{period.get("tariff_id") for period in cdr["charging_periods"]} for cdr in read]
    assert {None} in ids, "some name no Tariff"
    assert any(len(names) == 2 for names in ids), "some change it on the way"


def test_tariffs_have_one_to_four_elements_and_every_kind_of_condition() -> None:
    tariffs = [tariff for owner in AMONG for tariff in owner.tariffs]
    assert len(tariffs) >= 40
    assert {len(tariff["elements"]) for tariff in tariffs} == {1, 2, 3, 4}
    elements = [element for tariff in tariffs for element in tariff["elements"]]
    names = {name for element in elements for name in element.get("restrictions", ())}
    assert names >= {"start_time", "end_time", "day_of_week", "min_duration", "max_duration", "min_kwh", "max_kwh"}
    components = [component for element in elements for component in element["price_components"]]
    assert {component["type"] for component in components} == {"FLAT", "ENERGY", "TIME", "PARKING_TIME"}
    assert any(component["step_size"] > 1 for component in components)
    assert {"vat" in component for component in components} == {True, False}
    assert any("min_price" in tariff for tariff in tariffs)
    assert any("max_price" in tariff for tariff in tariffs)
    assert {currency_exponent(tariff["currency"]) for tariff in tariffs} == {0, 2, 3}


def test_periods_follow_each_other_and_their_hours_have_four_decimals() -> None:
    for cdr in cdrs():
        starts = [datetime.fromisoformat(period["start_date_time"]) for period in cdr["charging_periods"]]
        assert starts == sorted(set(starts))
        hours = [
            one["volume"] for period in cdr["charging_periods"] for one in period["dimensions"] if "TIME" in one["type"]
        ]
        assert all(volume == round(volume, 4) for volume in hours)


# --- the plain pricer ------------------------------------------------------------------------


def component(kind: str, price: str, step_size: int = 1, **more: Any) -> Object:
    return {"type": kind, "price": Decimal(price), "step_size": step_size, **more}


def element(*components: Object, **restrictions: Any) -> Object:
    return {"price_components": list(components), "restrictions": restrictions}


def charged(tariff: Object, *periods: tuple[str, Object], **more: Any) -> tuple[Decimal, Decimal]:
    """What a CDR of these periods costs: (start, volumes)."""
    made = [
        {
            "start_date_time": start,
            "tariff_id": "t",
            "dimensions": [{"type": name, "volume": volume} for name, volume in volumes.items()],
        }
        for start, volumes in periods
    ]
    cdr = {"start_date_time": periods[0][0], "charging_periods": made, **more}
    return naive_pricing.price(cdr, [{"id": "T", **tariff}], "Europe/Amsterdam")


NOON, LATER, NIGHT = "2026-10-06T10:00:00Z", "2026-10-06T11:00:00Z", "2026-10-06T20:00:00Z"


@pytest.mark.parametrize(
    ("tariff", "periods", "expected"),
    [
        pytest.param(
            {"elements": [element(component("ENERGY", "0.25", vat=Decimal(20)))]},
            [(NOON, {"ENERGY": 10})],
            ("2.5", "3"),
            id="energy",
        ),
        pytest.param(
            {"elements": [element(component("ENERGY", "0.25", 500))]},
            [(NOON, {"ENERGY": Decimal("20.45")})],
            ("5.125", "5.125"),
            id="in steps",
        ),
        pytest.param(
            {"elements": [element(component("TIME", "6", 60))]},
            [(NOON, {"TIME": Decimal("0.1167")})],
            ("0.7", "0.7"),
            id="seven minutes",
        ),
        pytest.param(
            {"elements": [element(component("TIME", "1", 900), component("PARKING_TIME", "2", 900))]},
            [(NOON, {"TIME": Decimal("0.1")}), (LATER, {"PARKING_TIME": Decimal("0.2")})],
            ("0.6", "0.6"),
            id="only parking is rounded where it is priced",
        ),
        pytest.param(
            {
                "elements": [
                    element(component("ENERGY", "0.1"), start_time="22:00", end_time="06:00"),
                    element(component("ENERGY", "1")),
                ]
            },
            [(NOON, {"ENERGY": 1}), (NIGHT, {"ENERGY": 1})],
            ("1.1", "1.1"),
            id="windows are local",
        ),
        pytest.param(
            {"elements": [element(component("FLAT", "1")), element(component("ENERGY", "1"), min_kwh=Decimal(2))]},
            [(NOON, {"ENERGY": 2}), (LATER, {"ENERGY": 3})],
            ("4", "4"),
            id="a flat part once, energy from a threshold on",
        ),
        pytest.param(
            {"elements": [element(component("ENERGY", "1", vat=Decimal(10)))], "min_price": {"excl_vat": Decimal(2)}},
            [(NOON, {"ENERGY": 1})],
            ("2", "2.2"),
            id="a limit without VAT scales the other amount",
        ),
        pytest.param(
            {
                "elements": [element(component("ENERGY", "1"))],
                "max_price": {"excl_vat": Decimal(2), "incl_vat": Decimal(3)},
            },
            [(NOON, {"ENERGY": 9})],
            ("2", "3"),
            id="limits bind each for itself",
        ),
    ],
)
def test_the_plain_pricer_knows_the_rules(
    tariff: Object, periods: list[tuple[str, Object]], expected: tuple[str, str]
) -> None:
    assert charged(tariff, *periods) == tuple(map(Decimal, expected))


def test_a_credit_is_negative() -> None:
    assert charged({"elements": [element(component("FLAT", "1"))]}, (NOON, {"ENERGY": 1}), credit=True)[0] == -1


# --- agreement -------------------------------------------------------------------------------


def test_both_pricers_agree() -> None:
    require_agreement(JOBS)


def test_a_difference_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = naive_pricing.price
    monkeypatch.setattr(
        naive_pricing, "price", lambda *given: tuple(total + Decimal("1E-9") for total in honest(*given))
    )
    with pytest.raises(RuntimeError, match=f"{SOME} of {SOME} differ: C000000000: "):
        require_agreement(JOBS)


def test_a_cdr_without_a_price_is_a_difference() -> None:
    named = next(job for job, one in zip(JOBS, STORED, strict=True) if not one.is_embedding)
    without = benchmark.Shelf(TariffBook(()), named.shelf.tariffs, named.shelf.zone)
    assert "neither in the CDR nor known" in difference(Job(named.cdr, without))


def test_a_half_that_the_plain_pricer_just_misses_is_a_half() -> None:
    assert settled(Decimal("1.00499999999999999999"), "EUR") == Decimal("1.01")


# --- rounds and report -----------------------------------------------------------------------


def test_every_item_is_done_in_turn() -> None:
    seen = list[int]()
    found = measured(Work("it", seen.append, range(7)), seconds=0.3)
    assert seen[:9] == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert found.requests == len(seen)
    assert (
        len(found.latencies)
        == found.requests // (benchmark.BATCH + benchmark.TIMED_OF_BATCH) * benchmark.TIMED_OF_BATCH
    )


def test_a_line_holds_the_cdr_and_the_tariffs_that_it_names() -> None:
    def tariffs_in(stored: Stored, job: Job) -> set[str]:
        return {tariff["id"] for tariff in decode_json(line_of(stored, job))["tariffs"]}

    for one, job in islice(zip(STORED, JOBS, strict=True), 50):
        cdr = decode_json(one.text)
        named = {period.get("tariff_id") for period in cdr["charging_periods"]}
        assert tariffs_in(one, job) == (set() if one.is_embedding else named)


def test_a_short_run_has_something_to_say_of_everybody() -> None:
    report = price_of(Options(Cores(None, None), seconds=0.02, repeats=1), 40)
    assert [len(row.cells()) for row in report.rows] == [len(TABLE)] * 3
    assert report.rows[0].floor == "25,000/s"
    assert len(report.details) == 5
    assert all(detail.rate.middle > 0 for detail in report.details)
    assert "40 CDRs of" in report.remarks[0]
