"""The benchmark of the index keeps its word: its Locations are there, and its searches find what loops find."""

from __future__ import annotations

import pytest

from tests.benchmarks.navigation import (
    EVSES,
    HITS,
    ROUTE_KM,
    Stock,
    _measured,
    _row,
    _searches,
    box_of_hits,
    made_up_route,
    stocked,
)

SOME = 3_000


@pytest.fixture(scope="module")
def stock() -> Stock:
    return stocked(SOME)


def test_all_made_up_locations_are_loaded(stock: Stock) -> None:
    counts = stock.index.counts(stock.index.within(box_of_hits(stock.index, stock.spots[0])))
    assert len(stock.index) == len(stock.spots) == SOME
    assert counts.evses == EVSES * counts.locations >= EVSES * HITS
    assert {
        place: (entry.longitude, entry.latitude) for place in (0, 7, SOME - 1) for entry in [stock.index.entry(place)]
    } == {place: stock.spots[place] for place in (0, 7, SOME - 1)}


def test_a_made_up_route_is_a_road_of_that_length_with_its_bends(stock: Stock) -> None:
    assert ROUTE_KM <= made_up_route(stock.spots[0], 1)().length_m / 1000 < 1.5 * ROUTE_KM


def test_searches_find_what_loops_find_and_their_row_says_how_long_it_took(stock: Stock) -> None:
    """Else they would raise."""
    box, circle, route = _searches(stock)
    assert all(search.loop_seconds for search in (box, circle, route))
    row = _row(box, _measured(box), SOME)
    assert row.measured.endswith(" found")
    assert row.times_naive.endswith("x as fast")
