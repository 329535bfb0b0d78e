"""What drivers want of their charges: ChargingPreferences as the local CPO judges and keeps them (mod_sessions, SE-03, SE-04).

What is accepted is a row beside the charge, which load management reads at its next step. The hub shares out power by departure and
energy: so it takes REGULAR everywhere, and GREEN where charging follows the sun. It neither waits for cheap hours nor sells priority:
CHEAP and FAST are PROFILE_TYPE_NOT_SUPPORTED. Energies in Wh, `energy_need` in kWh, times in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.chargers.billing import power_of
from hub.chargers.loads.tree import BadLimits, Mode, read_tree
from hub.chargers.places import Site, SiteBook
from hub.chargers.provisioning import PREFERENCES_CAPABLE
from hub.clock import Clock
from hub.store.chargecommands import ChargeCommands, KeptPreference, OpenCharge
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.message import Message
from ocpi_modules.sessions import ChargingPreferencesResponse
from ocpi_modules.types import parse_datetime

WH_PER_KWH = 1000
SECONDS_PER_HOUR = 3600
NOT_FOUND = 404
REGULAR, GREEN = "REGULAR", "GREEN"
"""The profile types that are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a driver wants: `wanted_wh` in all, from the begin of the charge on."""

    profile_type: str
    departs_at: datetime | None = None
    wanted_wh: Decimal | None = None
    may_discharge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """What a charge can be given: it has taken `energy_wh`, can take `power_w` more (None: nobody knows), and may follow the sun."""

    energy_wh: Decimal
    power_w: int | None
    is_green: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePorts:
    """What preferences are judged with; `changed` says that load management has something new to look at."""

    kept: ChargeCommands
    book: Callable[[], SiteBook]
    clock: Clock
    changed: Callable[[], None]


class PreferenceDesk:
    """Answers ChargingPreferences for sessions of the local CPO (`hub.chargers.lists.Prefer`)."""

    def __init__(self, ports: PreferencePorts) -> None:
        self._ports = ports

    async def prefer(self, message: Message) -> ChargingPreferencesResponse:
        """The answer, and a row where it is ACCEPTED.

        Raises InvalidParameters (2001) for an energy below zero, with HTTP 404 where the EVSE takes no preferences.
        """
        wish = read_wish(message.content)
        charge = await self._ports.kept.session(message.keys[0])
        if charge is None:
            return ChargingPreferencesResponse.NOT_POSSIBLE
        site = self._ports.book().sites.get(charge.site)
        if site is None or not is_capable(site, charge.evse_uid):
            raise InvalidParameters(f"EVSE {charge.evse_uid} is not {PREFERENCES_CAPABLE}", http_status=NOT_FOUND)
        now = self._ports.clock.now()
        answer = judge(wish, possible(site, charge), now)
        if answer is ChargingPreferencesResponse.ACCEPTED:
            await self._ports.kept.keep_preference(_row(wish, charge, message, now))
            self._ports.changed()
        return answer


# --- pure ---


def read_wish(content: Any) -> Wish:
    """ChargingPreferences as a wish. Raises InvalidParameters for an energy below zero."""
    departs, energy = content.get("departure_time"), content.get("energy_need")
    if energy is not None and energy < 0:
        raise InvalidParameters("energy_need: is below zero")
    return Wish(
        profile_type=content["profile_type"],
        departs_at=None if departs is None else parse_datetime(departs),
        wanted_wh=None if energy is None else Decimal(energy) * WH_PER_KWH,
        may_discharge=content.get("discharge_allowed") is True,
    )


def is_capable(site: Site, evse_uid: str) -> bool:
    """Whether an EVSE takes preferences: whether its load is managed."""
    return PREFERENCES_CAPABLE in (site.evses.get(evse_uid, {}).get("capabilities") or ())


def possible(site: Site, charge: OpenCharge) -> Possible:
    """What a charge at a site can be given."""
    connector = site.connector(charge.evse_uid, charge.connector_id)
    return Possible(
        energy_wh=charge.energy_wh,
        power_w=None if connector is None else power_of(connector),
        is_green=_follows_the_sun(site, charge.evse_uid),
    )


def _follows_the_sun(site: Site, evse_uid: str) -> bool:
    try:
        path = read_tree(site.limits or {}, tuple(site.evses)).path(evse_uid)
    except BadLimits:
        return False
    return any(node.mode is Mode.SURPLUS for node in path)


def judge(wish: Wish, can: Possible, now: datetime) -> ChargingPreferencesResponse:
    """What is said to a wish. GREEN is planned by departure and energy, so both are required for it."""
    if wish.profile_type not in ((REGULAR, GREEN) if can.is_green else (REGULAR,)):
        return ChargingPreferencesResponse.PROFILE_TYPE_NOT_SUPPORTED
    if wish.profile_type == GREEN and wish.departs_at is None:
        return ChargingPreferencesResponse.DEPARTURE_REQUIRED
    if wish.profile_type == GREEN and wish.wanted_wh is None:
        return ChargingPreferencesResponse.ENERGY_NEED_REQUIRED
    is_possible = wish.departs_at is None or _can_be(wish, can, wish.departs_at - now)
    return ChargingPreferencesResponse.ACCEPTED if is_possible else ChargingPreferencesResponse.NOT_POSSIBLE


def _can_be(wish: Wish, can: Possible, left: timedelta) -> bool:
    """Whether the connector alone could give so much in the time that is left."""
    if left <= timedelta():
        return False
    if wish.wanted_wh is None or can.power_w is None:
        return True
    most_wh = Decimal(can.power_w) * Decimal(left / timedelta(seconds=1)) / SECONDS_PER_HOUR
    return wish.wanted_wh - can.energy_wh <= most_wh


def _row(wish: Wish, charge: OpenCharge, message: Message, now: datetime) -> KeptPreference:
    return KeptPreference(
        session_id=charge.session_id,
        sender=str(message.sender),
        profile_type=wish.profile_type,
        departs_at=wish.departs_at,
        wanted_wh=wish.wanted_wh,
        may_discharge=wish.may_discharge,
        set_at=now,
    )
