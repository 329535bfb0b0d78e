"""The index answers as a loop over all Locations would, wherever on the globe and whatever happened before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.navigation import grid
from hub.navigation.entry import PAYMENTS, Entry, Vehicles, entry_of, pack_entry, unpack_entry
from hub.navigation.filters import Filter
from hub.navigation.geometry import Box
from hub.navigation.grid import Arrangement, arranged
from hub.navigation.index import Index
from hub.navigation.location import Business, Hours, PublicLocation
from hub.navigation.route import Route
from ocpi_modules.locations import Status
from tests.navigation import naive
from tests.navigation.naive import Spot
from tests.navigation.worlds import (
    NOON,
    OPERATORS,
    STANDARDS,
    any_location,
    clustered_spots,
    connector,
    degrees,
    entry_at,
    evse,
    latitudes,
    location,
    longitudes,
    often,
)

EVERYWHERE = Box(-180, -90, 180, 90)


def loaded(spots: Sequence[Spot]) -> Index:
    return Index.load((number, number + 1, pack_entry(entry_at(spot))) for number, spot in enumerate(spots))


def grown(spots: Sequence[Spot]) -> Index:
    """One after the other, half of them before all is put in order."""
    index = Index()
    for number, spot in enumerate(spots):
        index.put(number, number + 1, entry_at(spot))
        if number == len(spots) // 2:
            index.tidy()
    return index


WAYS = pytest.mark.parametrize("made", [pytest.param(loaded, id="loaded"), pytest.param(grown, id="put one by one")])


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    low, high = sorted((draw(latitudes), draw(latitudes)))
    return Box(draw(longitudes), low, draw(longitudes), high)


# --- where --------------------------------------------------------------------------------------


@WAYS
@often
@given(spots=clustered_spots(), box=boxes())
def test_a_box_holds_what_a_loop_finds(made: Callable[[Sequence[Spot]], Index], spots: list[Spot], box: Box) -> None:
    expected = naive.within(dict(enumerate(spots)), box.west, box.south, box.east, box.north)
    assert made(spots).within(box).tolist() == expected


@WAYS
@often
@given(
    spots=clustered_spots(), radius_m=st.sampled_from((0.0, 50.0, 5_000.0, 40_000.0, 2_000_000.0, 3e7)), data=st.data()
)
def test_near_is_what_a_loop_finds_nearest_first(
    made: Callable[[Sequence[Spot]], Index], spots: list[Spot], radius_m: float, data: st.DataObject
) -> None:
    here = data.draw(st.sampled_from(spots) if spots else st.tuples(longitudes, latitudes))
    found = made(spots).near(here[1], here[0], radius_m)
    expected = naive.near(dict(enumerate(spots)), here, radius_m)
    assert sorted(found.numbers.tolist()) == sorted(number for _, number in expected)
    assert found.distances_m.tolist() == pytest.approx([distance for distance, _ in expected], abs=0.01)


def test_a_circle_at_60_degrees_north_is_twice_as_many_degrees_wide_as_high() -> None:
    """Pitfall N6: a radius in degrees would find the first and lose the second, or find the third too."""
    spots = [(20.0, 60.04), (20.085, 60.0), (20.0, 60.085)]
    found = loaded(spots).near(60.0, 20.0, 5_000)
    assert found.numbers.tolist() == [0, 1]
    assert found.distances_m.tolist() == pytest.approx([4_448, 4_726], abs=1)


@pytest.mark.parametrize(
    ("box", "numbers"),
    [
        pytest.param(Box(179, -20, -179, -10), [0, 1, 2], id="over the 180th meridian"),
        pytest.param(Box(179, -20, 180, -10), [0, 2], id="up to it, where 180 and -180 are the same"),
        pytest.param(Box(-180, -20, -179, -10), [1, 2], id="from it"),
        pytest.param(EVERYWHERE, [0, 1, 2, 3], id="the whole globe"),
    ],
)
def test_boxes_meet_at_the_180th_meridian(box: Box, numbers: list[int]) -> None:
    assert loaded([(179.5, -17.0), (-179.5, -17.0), (180.0, -17.0), (0.0, -17.0)]).within(box).tolist() == numbers


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param((0, 10, 1, 9), id="south above north"),
        pytest.param((0, 0, 181, 1), id="beyond 180"),
        pytest.param((0, -91, 1, 1), id="beyond the pole"),
        pytest.param((float("nan"), 0, 1, 1), id="no number"),
        pytest.param((0, 0, 1, float("nan")), id="no number in the north"),
    ],
)
def test_an_impossible_box_is_refused(edges: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="itudes are from"):
        Box(*edges)


# --- along a route ------------------------------------------------------------------------------


@st.composite
def routes(draw: st.DrawFn, start: Spot) -> list[Spot]:
    """Bent ones of up to some hundred kilometres, with loops and points that come twice."""
    steps = st.tuples(st.floats(-0.15, 0.15), st.floats(-0.1, 0.1))
    far = st.tuples(st.floats(-1.5, 1.5), st.floats(-0.5, 0.5))
    points = [start]
    for east, north in draw(st.lists(st.one_of(steps, steps, far), min_size=1, max_size=60)):
        longitude, latitude = points[-1]
        points.append(((longitude + east + 180) % 360 - 180, max(-85.0, min(85.0, latitude + north))))
    return points


@WAYS
@often
@given(spots=clustered_spots(latitude_max=84), corridor_m=st.sampled_from((30.0, 2_000.0, 25_000.0)), data=st.data())
def test_along_a_route_is_what_a_loop_over_all_segments_finds(
    made: Callable[[Sequence[Spot]], Index], spots: list[Spot], corridor_m: float, data: st.DataObject
) -> None:
    first = spots[0] if spots and abs(spots[0][1]) <= 85 else (10.0, 56.0)
    points = data.draw(routes(start=first))
    found = made(spots).along(route_of(points), corridor_m)
    feet = {number: naive.foot(points, spot) for number, spot in enumerate(spots) if abs(spot[1]) <= 86}
    offsets = dict(zip(found.numbers.tolist(), found.offsets_m.tolist(), strict=True))
    surely = {number for number, foot in feet.items() if foot.offset_m < corridor_m - 0.01}
    perhaps = {number for number, foot in feet.items() if foot.offset_m < corridor_m + 0.01}
    assert surely <= set(offsets) <= perhaps
    assert offsets == pytest.approx({number: feet[number].offset_m for number in offsets}, abs=0.01)
    assert found.positions_m.tolist() == sorted(found.positions_m.tolist())


def route_of(points: Sequence[Spot]) -> Route:
    return Route.of(np.array([point[0] for point in points]), np.array([point[1] for point in points]))


def winding(points: int, seed: int) -> Route:
    """From Copenhagen some 450 km to the south-west, with bends of all sizes."""
    noise = np.random.default_rng(seed)
    bends = np.cumsum(noise.normal(0, 1, (2, points)), axis=1)
    share = np.linspace(0, 1, points)
    return Route.of(
        12.5 - 4.0 * share + 0.0004 * bends[0] + 0.00005 * noise.normal(0, 1, points),
        55.7 - 3.2 * share + 0.0002 * bends[1],
    )


@pytest.mark.parametrize(
    "points", [pytest.param(2, id="a line"), pytest.param(300, id="bends"), pytest.param(10_000, id="all")]
)
@pytest.mark.parametrize("corridor_m", [200.0, 2_000.0, 20_000.0])
def test_nothing_is_simplified_on_a_route_of_many_points(points: int, corridor_m: float) -> None:
    """The tree over the segments neither loses nor gains a place, nor moves one along the route."""
    route, noise = winding(points, seed=points), np.random.default_rng(7)
    picked = noise.integers(0, len(route.latitudes), 20)
    east, north = (
        route.longitudes[picked] + noise.normal(0, corridor_m / 80_000, 20),
        route.latitudes[picked] + noise.normal(0, corridor_m / 130_000, 20),
    )
    spots = list(zip(east.tolist(), north.tolist(), strict=True))
    line = list(zip(route.longitudes.tolist(), route.latitudes.tolist(), strict=True))
    feet = [naive.foot(line, spot) for spot in spots]
    expected = {number: foot for number, foot in enumerate(feet) if foot.offset_m <= corridor_m}
    found = loaded(spots).along(route, corridor_m)
    assert expected
    assert dict(zip(found.numbers.tolist(), found.offsets_m.tolist(), strict=True)) == pytest.approx(
        {number: foot.offset_m for number, foot in expected.items()}, abs=0.001
    )
    assert dict(zip(found.numbers.tolist(), found.positions_m.tolist(), strict=True)) == pytest.approx(
        {number: foot.position_m for number, foot in expected.items()}, abs=0.01
    )


def test_the_offset_is_the_true_distance_to_the_nearest_of_many_points_of_the_line() -> None:
    """Against points a few metres apart, at 60° north, without any plane (N6)."""
    route = route_of([(20.0, 60.0), (20.3, 60.1), (20.2, 60.25)])
    shares = np.linspace(0, 1, 4_000)
    bends = [np.interp(shares * 2, [0, 1, 2], values) for values in ([20.0, 20.3, 20.2], [60.0, 60.1, 60.25])]
    dense = list(zip(*(bend.tolist() for bend in bends), strict=True))
    spots = [(20.1, 60.05), (20.25, 60.05), (20.33, 60.1), (20.18, 60.18), (20.19, 60.26)]
    found = loaded(spots).along(route, 8_000)
    nearest = {number: min(naive.metres(spot, point) for point in dense) for number, spot in enumerate(spots)}
    assert dict(zip(found.numbers.tolist(), found.offsets_m.tolist(), strict=True)) == pytest.approx(nearest, abs=2)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        pytest.param([(0.0, 0.0)], "2 to 10,000 points", id="one point"),
        pytest.param([(0.0, 0.0)] * 10_001, "2 to 10,000 points", id="too many points"),
        pytest.param([(0.0, 0.0), (181.0, 0.0)], "lies between", id="off the globe"),
        pytest.param([(0.0, 0.0), (1.0, 86.0)], "lies between", id="where no road goes"),
        pytest.param([(0.0, 0.0), (1.0, float("nan"))], "lies between", id="no number"),
        pytest.param([(0.0, 0.0), (60.0, 0.0)], "5,000 km", id="too long"),
    ],
)
def test_an_absurd_route_is_refused_with_the_reason(points: list[Spot], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        route_of(points)


@pytest.mark.parametrize("corridor_m", [0.0, -1.0, 25_001.0, float("nan")])
def test_an_absurd_corridor_is_refused(corridor_m: float) -> None:
    with pytest.raises(ValueError, match="25 km"):
        Index().along(route_of([(0.0, 0.0), (0.1, 0.1)]), corridor_m)


# --- changes ------------------------------------------------------------------------------------


def put(index: Index, known: dict[int, Entry], number: int, spot: Spot, available: int) -> None:
    known[number] = entry_at(spot, available)
    assert index.put(number, index.latest_seq + 1, known[number])


def remove(index: Index, known: dict[int, Entry], number: int) -> None:
    assert index.remove(number, index.latest_seq + 1) is (known.pop(number, None) is not None)


steps = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 9), st.tuples(longitudes, latitudes), st.integers(0, 2)),
    st.tuples(st.just("remove"), st.integers(0, 9)),
    st.tuples(st.sampled_from(("look", "adopt"))),
)


@settings(often, max_examples=150)
@given(history=st.lists(steps, max_size=40), box=boxes())
def test_after_any_mixture_of_changes_all_is_found_where_it_is(history: list[tuple[Any, ...]], box: Box) -> None:
    """An order may be adopted long after it was looked at (as another thread does)."""
    index, known, order = Index(), dict[int, Entry](), arranged(Index().cells())
    for name, *details in history:
        if name == "look":
            order = arranged(index.cells())
        elif name == "adopt":
            index.adopt(order)
            order = arranged(index.cells())
        elif name == "put":
            put(index, known, *details)
        else:
            remove(index, known, *details)
    places = {number: (entry.longitude, entry.latitude) for number, entry in known.items()}
    assert len(index) == len(known)
    assert index.within(EVERYWHERE).tolist() == sorted(known)
    assert index.within(box).tolist() == naive.within(places, box.west, box.south, box.east, box.north)
    assert {number: index.entry(number) for number in known} == known
    counts = index.counts(index.within(EVERYWHERE))
    assert (counts.locations, counts.evses) == (len(known), 2 * len(known))
    assert counts.available == sum(entry.available for entry in known.values())


def test_what_happens_between_a_look_and_its_order_is_not_lost() -> None:
    """Another thread sorts while one moves, one goes, one comes in the row of that, and one comes in a row of its own."""
    index = loaded([(10.0, 50.0), (20.0, 50.0), (30.0, 50.0)])
    cells = index.cells()
    index.put(0, 10, entry_at((40.0, 50.0)))
    index.remove(1, 11)
    index.put(7, 12, entry_at((50.0, 50.0)))
    index.put(8, 13, entry_at((60.0, 50.0)))
    index.adopt(arranged(cells))
    places = {0: 40.0, 2: 30.0, 7: 50.0, 8: 60.0}
    assert {number: index.within(Box(x, 50, x, 50)).tolist() for number, x in places.items()} == {
        n: [n] for n in places
    }
    assert index.within(EVERYWHERE).tolist() == [0, 2, 7, 8]
    index.put(0, 14, entry_at((10.0, 50.0)))
    index.remove(8, 15)
    assert index.within(EVERYWHERE).tolist() == [0, 2, 7]
    assert index.within(Box(10, 50, 10, 50)).tolist() == [0]


def test_what_is_not_newer_changes_nothing() -> None:
    index = Index()
    assert index.put(1, 10, entry_at((1.0, 1.0)))
    assert not index.put(1, 10, entry_at((2.0, 2.0)))
    assert not index.remove(1, 9)
    assert index.entry(1).longitude == 1.0
    assert index.remove(1, 11)
    assert not index.remove(1, 12)


def test_an_index_that_is_untidy_says_so_and_tidies_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "TAIL_ROWS_MAX", 5)
    index = loaded([(x, 10.0) for x in range(5)])
    for number in range(6):
        assert not index.is_untidy
        index.put(10 + number, 100 + number, entry_at((number, 20.0)))
    assert index.is_untidy
    index.tidy()
    assert not index.is_untidy


def test_groups_that_come_and_go_leave_no_gaps_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.navigation.index._GARBAGE_MIN", 20)
    index, plain = Index(), entry_of(location())
    double = entry_of(location(evses=(evse(), evse("2", connectors=(connector(standard="CHADEMO"),)))))
    for seq in range(1, 200):
        index.put(seq % 5, seq, double if seq // 5 % 2 else plain)
        if index.is_untidy:
            index.tidy()
    assert len(index.groups.kind) < 120
    assert {number: index.entry(number) for number in range(5)} == {
        number: double if (195 + number) // 5 % 2 else plain for number in range(5)
    }


def test_names_that_nobody_has_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.navigation.columns.Names.is_littered", property(lambda names: len(names) > 8))
    index = Index()
    for seq in range(1, 50):
        tariffs = (connector(tariff_ids=(f"T{seq}",), max_electric_power=1000 * seq),)
        place = location(party_id=f"A{seq}", evses=(evse(connectors=tariffs),))
        index.put(seq % 3, seq, entry_of(place))
    index.tidy()
    assert len(index.operators.by_number) == len(index.parties.by_number) == 3
    assert sorted(index.parties.by_number) == ["DK/A47", "DK/A48", "DK/A49"]
    everybody = np.array([0, 1, 2])
    assert index.matching(everybody, Filter(power_min_kw=48.5), NOON).tolist() == [False, True, False]
    assert [index.entry(number).groups[0].tariff_ids for number in (0, 1, 2)] == [("T48",), ("T49",), ("T47",)]


@pytest.mark.parametrize("number", [-1, 1 << 28])
def test_a_number_that_is_none_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="numbers of Locations"):
        Index().put(number, 1, entry_at((0.0, 0.0)))


@pytest.mark.parametrize("number", [-1, 0, 7])
def test_a_number_that_no_location_has_is_a_key_error(number: int) -> None:
    with pytest.raises(KeyError):
        loaded([]).counts(np.array([number]))


def test_a_change_is_seen_in_its_box_and_nowhere_else() -> None:
    index = loaded([(10.0, 50.0), (20.0, 50.0)])
    here, there, meridian = Box(9, 49, 11, 51), Box(19, 49, 21, 51), Box(179, -1, -179, 1)
    before = index.latest_seq
    assert [index.changed_in(box, before) for box in (here, there)] == [False, False]
    assert index.changed_in(here, before - 1) is None, "what was before the start is not known"
    index.put(0, before + 1, entry_at((20.5, 50.0)))
    assert [index.changed_in(box, before) for box in (here, there)] == [True, True], "it went from one to the other"
    index.remove(0, before + 2)
    assert [index.changed_in(box, before + 1) for box in (here, there)] == [False, True]
    index.put(0, before + 3, entry_at((-180.0, 0.0)))
    assert [index.changed_in(box, before + 2) for box in (there, meridian)] == [False, True]


def test_changes_long_ago_are_not_known() -> None:
    index = Index()
    index.recent = type(index.recent)(kept=3)
    for seq in range(1, 6):
        index.put(seq, seq, entry_at((10.0, 50.0)))
    assert [index.changed_in(EVERYWHERE, seq) for seq in range(6)] == [None, None, True, True, True, False]


def test_a_stamp_stays_as_long_as_all_are_as_they_were() -> None:
    index = loaded([(10.0, 50.0), (20.0, 50.0), (30.0, 50.0)])
    first = index.stamp(np.array([0, 1]))
    index.put(2, 99, entry_at((30.0, 50.0), 0))
    index.tidy()
    assert index.stamp(np.array([0, 1])) == first
    assert len({first, index.stamp(np.array([1, 0])), index.stamp(np.array([0, 2])), index.stamp(np.array([0]))}) == 4
    index.put(1, 100, entry_at((20.0, 50.0), 0))
    assert index.stamp(np.array([0, 1])) != first


def test_the_tariffs_of_some_locations_are_named_once_with_their_owners() -> None:
    index = Index()
    for number, ids in enumerate((("B", "A"), ("A", "B"), ("C",), ())):
        index.put(number, number + 1, entry_of(location(evses=(evse(connectors=(connector(tariff_ids=ids),)),))))
    other = location(country_code="DE", party_id="LFX", evses=(evse(connectors=(connector(tariff_ids=("C",)),)),))
    index.put(4, 9, entry_of(other))
    assert sorted(index.tariffs_of(np.array([0, 1, 2, 3]))) == [
        ("DK/BLA", ()),
        ("DK/BLA", ("A", "B")),
        ("DK/BLA", ("C",)),
    ]
    assert list(index.tariffs_of(np.array([4]))) == [("DE/LFX", ("C",))]
    assert list(index.tariffs_of(np.array([], np.int64))) == []


def test_owners_are_listed_with_the_first_name_of_their_operators() -> None:
    index = Index()
    for number, name in enumerate(("Ladefix", "Blåstrøm", "Ladefix")):
        index.put(number, number + 1, entry_of(location(operator=Business(name))))
    index.put(3, 9, entry_of(location(country_code="DE", party_id="LFX", operator=Business("Ladefix"))))
    assert index.run_by() == {"DK/BLA": "Blåstrøm", "DE/LFX": "Ladefix"}


# --- what a Location comes to -------------------------------------------------------------------


@often
@given(place=any_location())
def test_an_entry_survives_being_packed_loaded_and_read(place: PublicLocation) -> None:
    entry = entry_of(place)
    assert unpack_entry(pack_entry(entry)) == entry
    assert Index.load([(3, 1, pack_entry(entry))]).entry(3) == entry


def test_an_evse_with_two_kinds_of_plug_is_in_two_groups_and_counted_once() -> None:
    both = (connector(), connector(id="2", standard="CHADEMO", max_electric_power=50_000), connector(id="3"))
    entry = entry_of(
        location(evses=(evse("1", connectors=both), evse("2", Status.OUTOFORDER), evse("3", Status.UNKNOWN)))
    )
    assert (entry.evses, entry.available, entry.out_of_service, entry.unknown) == (3, 1, 1, 1)
    groups = {group.kind.standard: (group.total, group.available, group.out_of_service) for group in entry.groups}
    assert groups == {"CHADEMO": (1, 1, 0), "IEC_62196_T2_COMBO": (3, 1, 1)}


def test_more_than_a_column_holds_is_cut_and_not_wrapped() -> None:
    entry = msgspec.structs.replace(entry_of(location()), evses=70_000)
    index = Index()
    index.put(0, 1, entry)
    assert index.entry(0).evses == Index.load([(0, 1, pack_entry(entry))]).entry(0).evses == 65_535


# --- filters ------------------------------------------------------------------------------------

some = st.sampled_from
filters = st.builds(
    Filter,
    connectors=st.frozensets(some(STANDARDS), max_size=2),
    power_min_kw=some((None, 0.0, 11.0, 22.0, 50.0)),
    power_max_kw=some((None, 50.0, 150.0)),
    operators=st.frozensets(some(("de/LFX", "BLÅSTRØM", "Nobody", *filter(None, OPERATORS))), max_size=2),
    payments=st.frozensets(some(("RFID_READER", "CREDIT_CARD_PAYABLE")), max_size=2),
    is_available_now=st.booleans(),
    vehicle=some((None, Vehicles.CAR, Vehicles.MOTORCYCLE)),
)


@often
@given(places=st.lists(any_location(), max_size=8), wanted=filters)
def test_filters_let_through_what_a_loop_lets_through(places: list[PublicLocation], wanted: Filter) -> None:
    index = Index()
    for number, place in enumerate(places):
        index.put(number, number + 1, entry_of(place))
    matching = index.matching(np.arange(len(places)), wanted, NOON)
    expected = [
        naive.matches(place, wanted) if wanted.is_of_groups else naive._is_run_by(place, wanted) for place in places
    ]
    assert matching.tolist() == expected


def test_a_free_slow_socket_beside_a_fast_one_that_is_taken_is_not_a_fast_one_that_is_free() -> None:
    slow = evse("1", connectors=(connector(standard="IEC_62196_T2", max_electric_power=11_000),))
    index = Index()
    index.put(0, 1, entry_of(location(evses=(slow, evse("2", Status.CHARGING)))))
    asked = [Filter(power_min_kw=100), Filter(is_available_now=True), Filter(power_min_kw=100, is_available_now=True)]
    assert [bool(index.matching(np.array([0]), wanted, NOON)[0]) for wanted in asked] == [True, True, False]


def test_open_now_asks_each_schedule_and_leaves_out_what_nobody_said() -> None:
    index, shut = Index(), Hours(twentyfourseven=False)
    for number, hours in enumerate((Hours(twentyfourseven=True), None, shut)):
        index.put(number, number + 1, entry_of(location(opening_times=hours)))
    assert index.matching(np.array([2, 1, 0]), Filter(is_open_now=True), NOON).tolist() == [False, False, True]


def test_a_filter_that_nothing_can_pass_is_refused() -> None:
    with pytest.raises(ValueError, match="no way to pay: UNLOCK_CAPABLE; known: CHIP_CARD"):
        Filter(payments=frozenset({"UNLOCK_CAPABLE"}))
    with pytest.raises(ValueError, match="the least power is above"):
        Filter(power_min_kw=50, power_max_kw=22)
    assert Filter(payments=frozenset(PAYMENTS)).is_of_groups


def test_an_order_is_by_cells() -> None:
    """Rows that are nowhere are in no order."""
    order: Arrangement = arranged(np.array([7, -1, 3], np.int32))
    assert (order.cells.tolist(), order.rows.tolist()) == ([3, 7], [2, 0])


def test_degrees_never_leave_the_globe() -> None:
    """The strategy that the tests above stand on."""

    @given(degrees(85, (85.0, 89.0)))
    def check(value: float) -> None:
        assert abs(value) <= 85

    check()
