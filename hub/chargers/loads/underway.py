"""The charges that load management shares out among: what the store has of them, with what partners' profiles allow and drivers want."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.chargers.events import Spot, TransactionRef
from hub.chargers.loads.charges import ActiveCharge, phases_of
from hub.chargers.loads.tree import VOLTS
from hub.chargers.profiles import partner_limit
from hub.chargers.settling import place_of
from hub.clock import Clock
from hub.store.chargecommands import ChargeCommands, KeptPreference
from hub.store.charges import Charge, Charges
from ocpi_modules.types import decode_json

UNKNOWN_POWER_W = 22_000


@dataclass(frozen=True, slots=True)
class Underway:
    """Reads them for each control step."""

    charges: Charges
    commands: ChargeCommands
    clock: Clock

    async def active(self) -> list[ActiveCharge]:
        """Every charge that runs."""
        now, profiles, wishes = self.clock.now(), await self.commands.profiles(), await self.commands.preferences()
        return [
            active_charge(charge, Said(profiles.get(charge.session_id), wishes.get(charge.session_id)), now)
            for charge in await self.charges.active()
            if charge.evse_uid
        ]


@dataclass(frozen=True, slots=True)
class Said:
    """What partners said of a charge: the ChargingProfile that one set (JSON), and what its driver wants."""

    profile: str | None = None
    wish: KeptPreference | None = None


def active_charge(charge: Charge, said: Said, now: datetime) -> ActiveCharge:
    """A charge as load management sees it."""
    wish, place = said.wish, place_of(charge)
    phases = phases_of(place.get("connector", {}))
    return ActiveCharge(
        number=charge.number,
        station=charge.identity,
        spot=Spot(charge.evse, charge.connector),
        evse_uid=charge.evse_uid,
        since=charge.started_at,
        transaction=TransactionRef(charge.number, charge.ocpp_id),
        max_w=Decimal(place.get("power_w") or UNKNOWN_POWER_W),
        phases=phases,
        energy_wh=charge.energy_wh,
        power_w=charge.power_w,
        read_at=charge.read_at,
        departs_at=wish.departs_at if wish else None,
        wanted_wh=wish.wanted_wh if wish else None,
        limit_w=_limit_w(said.profile, charge.started_at, now, phases),
    )


def _limit_w(profile: str | None, began_at: datetime, now: datetime, phases: int) -> Decimal | None:
    limit = partner_limit(decode_json(profile.encode()), now, began_at) if profile else None
    if limit is None:
        return None
    unit, value = limit
    return value if unit == "W" else value * VOLTS * phases
