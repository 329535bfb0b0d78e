"""A site with scripted stations that obey, or do not: for tests of load management, in a time of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.chargers.events import Answered, Ask, LimitProfile, Outcome, SetLimit, Spot, TransactionRef
from hub.chargers.loads.charges import ActiveCharge
from hub.chargers.loads.control import LoadControl, LoadPorts
from hub.chargers.loads.tree import MIN_TENTHS, TENTHS, LimitEvent, Now, Reading
from hub.chargers.places import Plug, Site, SiteBook

START = datetime(2026, 10, 5, 8, tzinfo=UTC)
STEP = timedelta(seconds=10)
VOLTS = 230
SITE = "GARAGE"


@dataclass
class Box:
    """A station with one EVSE, as it would stand in the garage: it keeps profiles and lets a car take what they allow."""

    uid: str
    most: int = 320
    phases: int = 3
    profiles: dict[str, LimitProfile] = field(default_factory=dict)
    answer: Answered = Answered.ACCEPTED
    is_deaf: bool = False
    is_there: bool = True
    is_known: bool = True
    is_cut_off_when_told: bool = False
    charge: int | None = None
    since: datetime = START
    wanted_wh: Decimal | None = None
    departs_at: datetime | None = None
    limit_w: Decimal | None = None
    energy_wh: Decimal = Decimal(0)
    said: list[tuple[datetime, LimitProfile]] = field(default_factory=list)

    def told(self, ask: SetLimit, at: datetime) -> Outcome:
        self.said.append((at, ask.profile))
        if self.answer is Answered.ACCEPTED:
            self.profiles[ask.profile.purpose] = ask.profile
        if self.is_cut_off_when_told:
            self.is_there = False
            return Outcome(Answered.NOT_CONNECTED)
        return Outcome(self.answer)

    def allowed(self, at: datetime) -> int:
        """Tenths of an ampere: the station's own minimum of what it was told (OCPP's composite schedule)."""
        if self.is_deaf:
            return self.most
        own = self.profiles.get("TRANSACTION") or self.profiles.get("DEFAULT")
        limits = [in_force(one, at) for one in (own, self.profiles.get("STATION")) if one]
        return min([self.most, *limits])

    @property
    def fallback(self) -> int:
        profile = self.profiles.get("DEFAULT")
        return in_force(profile, START) if profile else 0

    def drawn(self, at: datetime) -> int:
        allowed = self.allowed(at) if self.charge is not None else 0
        return allowed if allowed >= MIN_TENTHS else 0

    def watts(self, at: datetime) -> Decimal:
        return Decimal(self.drawn(at) * VOLTS * self.phases) / TENTHS

    def start(self, number: int, at: datetime) -> None:
        self.charge, self.since, self.energy_wh = number, at, Decimal(0)
        self.profiles.pop("TRANSACTION", None)


def in_force(profile: LimitProfile, at: datetime) -> int:
    passed = (at - profile.start_at) / timedelta(seconds=1) if profile.start_at else 0
    limit = [period.limit for period in profile.periods if period.start_seconds <= passed][-1]
    return int(limit * TENTHS) if profile.unit == "A" else int(limit * TENTHS // (VOLTS * 3))


@dataclass
class Yard:
    """The site, its stations, what holds, and the one who controls it; as `Stations`, `Limits` and clock it stands in for the hub.

    `fallbacks_most`: the most that all fall-backs ever came to, in tenths of an ampere.
    """

    limits: Mapping[str, Any]
    boxes: Sequence[Box]
    at: datetime = START
    events: tuple[LimitEvent, ...] = ()
    pv: tuple[Reading, ...] = ()
    base_loads: tuple[Reading, ...] = ()
    kept: dict[str, int] = field(default_factory=dict)
    stays: Sequence[float] = ()
    fallbacks_most: int = 0
    shown: str = ""
    max_w: Decimal = Decimal(22080)
    power_type: str = "AC_3_PHASE"

    def __post_init__(self) -> None:
        self.control = self.new_control()

    def new_control(self) -> LoadControl:
        ports = LoadPorts(
            book=lambda: SiteBook({SITE: self.site}),
            charges=self.charges,
            connected=self.connected,
            stations=self,
            limits=self,
            clock=self,
        )
        return LoadControl(ports)

    @property
    def site(self) -> Site:
        conductors = 3 if self.power_type == "DC" else 1  # DC is counted as if it came from three phases
        amperes = [(box.uid, box.most // TENTHS * conductors) for box in self.boxes]
        return site_of(amperes, self.limits, self.power_type)

    def box(self, uid: str) -> Box:
        return next(box for box in self.boxes if box.uid == uid)

    # --- ports ---

    def now(self) -> datetime:
        return self.at

    async def charges(self) -> list[ActiveCharge]:
        return [self._charge(box) for box in self.boxes if box.charge is not None]

    def _charge(self, box: Box) -> ActiveCharge:
        assert box.charge is not None
        return ActiveCharge(
            number=box.charge,
            station=station_of(box.uid),
            spot=Spot(0, 1),
            evse_uid=box.uid,
            since=box.since,
            transaction=TransactionRef(number=box.charge),
            max_w=self.max_w,
            phases=box.phases,
            energy_wh=box.energy_wh,
            power_w=box.watts(self.at) if box.is_there else None,
            read_at=self.at,
            departs_at=box.departs_at,
            wanted_wh=box.wanted_wh,
            limit_w=box.limit_w,
        )

    async def connected(self) -> dict[str, bool]:
        return {station_of(box.uid): box.is_there for box in self.boxes if box.is_known}

    async def ask(self, identity: str, ask: Ask, wait_seconds: float) -> Outcome:
        box = next(box for box in self.boxes if station_of(box.uid) == identity)
        assert isinstance(ask, SetLimit)
        outcome = box.told(ask, self.at) if box.is_there else Outcome(Answered.NOT_CONNECTED)
        self.fallbacks_most = max(self.fallbacks_most, sum(box.fallback for box in self.boxes))
        return outcome

    async def load(self, site: str, at: datetime) -> Now:
        return Now(at, self.events, self.base_loads, self.pv)

    async def fallbacks(self, site: str) -> dict[str, int]:
        return self.kept

    async def keep_fallback(self, site: str, evse_uid: str, tenths: int) -> None:
        self.kept[evse_uid] = tenths

    async def dwells_seconds(self, site: str) -> Sequence[float]:
        return self.stays

    async def show(self, site: str, at: datetime, text: str) -> None:
        self.shown = text

    # --- time ---

    def watts(self) -> Decimal:
        """What all stations take now."""
        return sum((box.watts(self.at) for box in self.boxes), Decimal(0))

    async def step(self, times: int = 1) -> None:
        """Control steps, each STEP after the one before."""
        for _ in range(times):
            self.pass_time()
            await self.control.step()

    def pass_time(self, span: timedelta = STEP) -> None:
        for box in self.boxes:
            box.energy_wh += box.watts(self.at) * Decimal(span.total_seconds()) / 3600
        self.at += span

    def changes(self) -> int:
        """How often charges were told something new."""
        return sum(1 for box in self.boxes for _, profile in box.said if profile.purpose == "TRANSACTION")


def station_of(uid: str) -> str:
    return f"CP-{uid}"


def site_of(evses: Sequence[tuple[str, int]], limits: Mapping[str, Any], power_type: str = "AC_3_PHASE") -> Site:
    """A site with one connector an EVSE, each with so many amperes."""
    return Site(
        id=SITE,
        location={
            "id": SITE,
            "evses": [
                {
                    "uid": uid,
                    "connectors": [
                        {"id": "1", "power_type": power_type, "max_voltage": VOLTS, "max_amperage": amperes}
                    ],
                }
                for uid, amperes in evses
            ],
        },
        plugs=tuple(
            Plug(station=station_of(uid), evse=0, connector=1, evse_uid=uid, connector_id="1") for uid, _ in evses
        ),
        limits=limits,
    )


def garage(count: int, limit_kw: int = 60, *, charging: bool = True, **fields: Any) -> Yard:
    """So many stations of 32 A below one limit, a car at each."""
    boxes = [Box(uid=f"{number:02}", charge=number if charging else None) for number in range(1, count + 1)]
    return Yard({"id": "grid", "limit_kw": limit_kw, "evses": [box.uid for box in boxes]}, boxes, **fields)
