"""What load management knows of the EVSEs of a site and of those who charge there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.chargers.events import Spot, TransactionRef
from hub.chargers.loads.tree import TENTHS, Node, Object, Tree
from hub.chargers.places import Plug, Site

_PHASES = {"AC_1_PHASE": 1, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveCharge:
    """A charge under way. Powers in W of all phases together, energies in Wh.

    `power_w` is what its meter said at `read_at`; `max_w` the most that it can take, with `phases` phases (the EVSE's, until it is known
    that the car uses fewer). `departs_at` and `wanted_wh` (in all, from the start on) are the driver's own words (ChargingPreferences);
    `limit_w` is what a partner's charging profile allows now.
    """

    number: int
    station: str
    spot: Spot
    evse_uid: str
    since: datetime
    transaction: TransactionRef
    max_w: Decimal
    phases: int = 3
    energy_wh: Decimal = Decimal(0)
    power_w: Decimal | None = None
    read_at: datetime | None = None
    departs_at: datetime | None = None
    wanted_wh: Decimal | None = None
    limit_w: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evse:
    """An EVSE that takes part: `most` is what its connectors are made for, in tenths of an ampere per phase."""

    uid: str
    station: str
    plugs: tuple[Plug, ...]
    most: int
    phases: int
    volts: int
    is_dc: bool

    def tenths(self, watts: Decimal, phases: int) -> int:
        """A power as a current per phase, rounded down."""
        return int(watts * TENTHS // (self.volts * phases))

    def watts(self, tenths: int, phases: int) -> Decimal:
        """A current per phase as a power."""
        return Decimal(tenths * self.volts * phases) / TENTHS

    def most_of(self, charge: ActiveCharge) -> int:
        """The most that a charge can take here."""
        return min(self.most, self.tenths(charge.max_w, charge.phases))

    def allowed(self, charge: ActiveCharge) -> int:
        """The same, as far as a partner's charging profile allows it."""
        most = self.most_of(charge)
        return most if charge.limit_w is None else min(most, max(0, self.tenths(charge.limit_w, charge.phases)))


def evses_of(site: Site, tree: Tree) -> Mapping[str, Evse]:
    """The EVSEs of a site that a station stands behind."""
    return {evse.uid: evse for evse in _evses(site, tree)}


def _evses(site: Site, tree: Tree) -> Iterator[Evse]:
    for uid, content in site.evses.items():
        plugs, connectors = site.plugs_of(uid), content["connectors"]
        if plugs:
            yield _evse(tree.path(uid)[-1], plugs, connectors)


def _evse(node: Node, plugs: tuple[Plug, ...], connectors: Sequence[Object]) -> Evse:
    phases = max(phases_of(one) for one in connectors)
    return Evse(
        uid=plugs[0].evse_uid,
        station=plugs[0].station,
        plugs=plugs,
        most=max(_most(one, node.volts) for one in connectors),
        phases=phases,
        volts=node.volts,
        is_dc=any(str(one["power_type"]).startswith("DC") for one in connectors),
    )


def phases_of(connector: Object) -> int:
    """Over how many phases a connector gives its current; three where it does not say."""
    return _PHASES.get(str(connector.get("power_type")), 3)


def _most(connector: Object, volts: int) -> int:
    """DC is counted as if it came from three phases without loss."""
    power = connector.get("max_electric_power")
    if str(connector["power_type"]).startswith("DC"):
        watts = Decimal(str(power or connector["max_voltage"] * connector["max_amperage"]))
        return int(watts * TENTHS // (volts * 3))
    most = int(Decimal(str(connector["max_amperage"])) * TENTHS)
    return most if power is None else min(most, int(Decimal(str(power)) * TENTHS // (volts * phases_of(connector))))
