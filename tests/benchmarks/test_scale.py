"""What is counted for all of Europe: the page is current, its inputs are those of the benchmarks, and the arithmetic holds."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from tests.benchmarks import scale
from tests.benchmarks.figures import DETAILS, Detail, Figure, table
from tests.benchmarks.scale import (
    CHARGE_POINTS,
    EXPECTED,
    HIGH,
    LOW,
    PAGE,
    PERFORMANCE,
    Traffic,
    average,
    cpu_figures,
    current_page,
    database_connections,
    database_cores,
    disk_bytes,
    hub_cores,
    inputs,
    lane_charge_points,
    lane_sessions_a_month,
    limits,
    nats_cores,
    objects_of_pull,
    processes,
    stream_bytes,
    wal_bytes,
    with_generated,
)


@pytest.fixture(scope="module")
def given() -> dict[str, float]:
    """What is counted with."""
    return {name: one.value for name, one in inputs(PERFORMANCE.read_text(encoding="utf-8")).items()}


def test_the_page_is_what_the_benchmarks_and_the_arithmetic_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == current_page(), "run: python -m tests.benchmarks.scale --write"


def test_figures_are_read_from_the_page_of_performance_as_it_writes_them() -> None:
    one = Detail("cdr-post, hub", *map(Figure.of, ([1000.0], [1.0], [2.0], [1234.5, 1100, 1300], [0.5])))
    other = Detail("page, naive", *map(Figure.of, ([1.0], [1.0], [2.0], [41.2], [0.5])))
    page = f"| cdr-post, hub | a table above |\n\n{table(DETAILS, [one.cells(), other.cells()])}\n\nmore"
    assert cpu_figures(page) == {"cdr-post, hub": 1234, "page, naive": 41.2}


def test_a_benchmark_that_is_not_on_the_page_is_missed() -> None:
    with pytest.raises(KeyError, match="status-patch"):
        inputs(table(DETAILS, []))


def test_every_assumption_has_its_remark_and_grows_from_low_to_high() -> None:
    assert {each.name for each in fields(Traffic)} == scale.REMARKS.keys()
    smaller = {"page_objects"}  # smaller pages are more work
    for each in fields(Traffic):
        low, expected, high = (getattr(one, each.name) for one in (LOW, EXPECTED, HIGH))
        assert (low <= expected <= high) or (each.name in smaller and low >= expected >= high), each.name


def test_a_day_of_statuses_is_the_statuses_of_a_day() -> None:
    assert average(EXPECTED).statuses * 86_400 == pytest.approx(CHARGE_POINTS * EXPECTED.statuses_a_charge_point_day)
    assert average(EXPECTED).cdrs * 86_400 * 30 == pytest.approx(48_000_000)


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        pytest.param({"location_receivers": 300, "token_receivers": 300}, 2, id="twice the receivers"),
        pytest.param({"share_told": 0.25}, 0.25, id="permissions let a quarter through"),
    ],
)
def test_deliveries_grow_with_receivers_and_shrink_with_permissions(changes: dict[str, float], times: float) -> None:
    changed = average(replace(EXPECTED, **changes))
    assert changed.broadcasts == pytest.approx(average(EXPECTED).broadcasts * times)


def test_a_load_twice_over_costs_twice_as_much(given: dict[str, float]) -> None:
    once, twice = average(EXPECTED), average(EXPECTED).at(2)
    for cost in (nats_cores, stream_bytes, wal_bytes):
        assert cost(twice, given) == pytest.approx(2 * cost(once, given))
    for costs in (hub_cores, database_cores):
        assert sum(costs(twice, given).values()) == pytest.approx(2 * sum(costs(once, given).values()))


def test_a_pull_brings_a_location_once_however_often_it_changed() -> None:
    places = CHARGE_POINTS / scale.EVSES_A_LOCATION
    often, seldom = replace(EXPECTED, pulls_a_receiver_day=0.01), replace(EXPECTED, pulls_a_receiver_day=24 * 60 * 60)
    assert objects_of_pull(often)[0] == pytest.approx(places)
    assert objects_of_pull(seldom)[0] == pytest.approx(average(EXPECTED).statuses + average(EXPECTED).puts, rel=0.01)


def test_the_total_of_a_page_looks_at_no_more_than_a_reader_has_or_everybody_changed() -> None:
    everybody, own = 1_600_000, 48_000_000 * EXPECTED.months_kept / EXPECTED.location_receivers
    assert objects_of_pull(EXPECTED)[2] == everybody
    assert objects_of_pull(replace(EXPECTED, pulls_a_receiver_day=0.01))[2] == pytest.approx(own)


def test_only_the_months_that_are_kept_are_on_disk(given: dict[str, float]) -> None:
    one, two = (disk_bytes(replace(EXPECTED, months_kept=months), given) for months in (1, 2))
    assert two["CDRs"] == 2 * one["CDRs"] == pytest.approx(96e6 * given["cdr_bytes"])
    assert two["Locations"] == one["Locations"]


def test_processes_are_never_none_and_leave_room_on_their_cores() -> None:
    assert [processes(cores) for cores in (0.0, 0.6, 0.61, 6.0)] == [1, 1, 2, 10]


def test_each_process_brings_its_two_pools_and_the_lock(given: dict[str, float]) -> None:
    assert database_connections(4, given) == 4 * (8 + 6 + 1)


def test_a_lane_holds_what_fits_into_the_answers_of_its_receiver(given: dict[str, float]) -> None:
    quick, slow = replace(LOW, answer_milliseconds=5), replace(LOW, answer_milliseconds=500)
    (lane, *_), (slow_lane, *_) = limits(quick, given), limits(slow, given)
    assert (lane.given, slow_lane.given) == (200, 2)
    assert lane.times < 1 < slow_lane.times


def test_what_one_lane_carries_is_what_fills_it(given: dict[str, float]) -> None:
    """As many charge points as it carries, without Sessions, keep it busy all the time."""
    share = lane_charge_points(EXPECTED) / CHARGE_POINTS
    (lane, *_) = limits(replace(EXPECTED, share_told=share, largest_payer_share=0), given)
    assert lane.times == pytest.approx(1)
    share = lane_sessions_a_month(EXPECTED) / 48_000_000
    (lane, *_) = limits(replace(EXPECTED, share_told=0, largest_payer_share=share), given)
    assert lane.times == pytest.approx(1)


def test_other_content_replaces_only_what_is_between_the_markers() -> None:
    page = f"before\n{scale.BEGIN}\nold\n{scale.END}\nafter"
    assert with_generated(page, r"new \1") == f"before\n{scale.BEGIN}\n\nnew \\1\n\n{scale.END}\nafter"
    with pytest.raises(ValueError, match="no markers"):
        with_generated("nothing", "new")
