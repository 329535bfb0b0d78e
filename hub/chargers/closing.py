"""How a charge that is over is closed: billed, kept back, or not billed at all. Pure; the caller writes and tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from hub.chargers.billing import Bill, Content, TooManyPeriods, Unpriced, cdr_of, session_of, session_of_cdr
from hub.chargers.charging import STATION_LOST, Timing, with_flags
from hub.chargers.charging import closed as closed_unsaid
from hub.chargers.settling import ABOVE_POWER, TENTHS_PER_WH, WENT_BACK, Settled, curve_of, settle
from hub.store.charges import Charge, ChargeState, Reading
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json

UNPRICED = "UNPRICED"
REASON_MAX_CHARACTERS = 200


class NotQuarantined(ValueError):
    """An operator decides about charges that are kept back only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an operator decides about a charge that was kept back: who, why, and the energy in Wh (None: what was proposed)."""

    actor: str
    reason: str
    energy_wh: Decimal | None = None

    def line(self, what: str) -> str:
        """The decision as it stays among the flags."""
        return f"{what} by {self.actor}: {' '.join(self.reason.split())}"[:REASON_MAX_CHARACTERS]


def closed(
    charge: Charge, readings: Sequence[Reading], party: Party, now: datetime, before_wh: Decimal | None = None
) -> Charge:
    """A charge that is over, as it is kept from now on: with its CDR where it is to be billed. `before_wh` as in `settle`."""
    settled = settle(charge, readings, before_wh)
    noted = with_flags(replace(charge, version=charge.version + 1), settled.flags)
    if settled.state is not ChargeState.ENDED:
        return _kept_back(noted, settled)
    try:
        cdr = cdr_of(Bill(charge, settled.curve, readings), party, now)
    except (TooManyPeriods, Unpriced) as refused:
        return _kept_back(with_flags(noted, (f"{UNPRICED}: {refused}"[:REASON_MAX_CHARACTERS],)), settled)
    energy, text = Decimal(settled.curve.tenths) / TENTHS_PER_WH, encode_json(cdr).decode()
    return replace(noted, state=ChargeState.COMPLETED, energy_wh=energy, ended_at=settled.curve.end, cdr=text)


def _kept_back(charge: Charge, settled: Settled) -> Charge:
    """A charge without a CDR; one that an operator let go before waits for another word."""
    state = settled.state if settled.state is ChargeState.INVALID else ChargeState.QUARANTINED
    return replace(charge, state=state, energy_wh=settled.proposed_wh, released_by="", ended_at=settled.curve.end)


def released(charge: Charge, decision: Decision, now: datetime) -> Charge:
    """A charge that is billed after all, with the energy that an operator decides. Raises NotQuarantined."""
    _require_kept_back(charge)
    energy = charge.energy_wh if decision.energy_wh is None else decision.energy_wh
    noted = with_flags(charge, (decision.line(f"RELEASED with {energy.normalize():f} Wh"),))
    let_go = replace(noted, state=ChargeState.ENDED, released_by=decision.actor, corrected_wh=energy, due_at=now)
    return replace(let_go, version=charge.version + 1)


def dropped(charge: Charge, decision: Decision) -> Charge:
    """A charge that is never billed. Raises NotQuarantined."""
    _require_kept_back(charge)
    noted = with_flags(charge, (decision.line("DROPPED"),))
    return replace(noted, state=ChargeState.INVALID, version=charge.version + 1)


def given_up(charge: Charge, decision: Decision, now: datetime) -> Charge:
    """A charge that runs as far as anybody knows, closed for somebody to decide about. Raises NotQuarantined."""
    if charge.state != ChargeState.ACTIVE:
        raise NotQuarantined(f"the charge {charge.number} is {charge.state}, and only one that is ACTIVE is closed")
    return with_flags(closed_unsaid(charge, now, Timing(now), STATION_LOST), (decision.line("CLOSED"),))


def _require_kept_back(charge: Charge) -> None:
    if charge.state != ChargeState.QUARANTINED:
        raise NotQuarantined(
            f"the charge {charge.number} is {charge.state}, and only one that is QUARANTINED is decided about"
        )


def shown_session(charge: Charge, readings: Sequence[Reading], party: Party, now: datetime) -> Content | None:
    """The Session of a charge as partners are to see it; None where there is none that anybody could be told of."""
    if not charge.token or not charge.place:
        return None
    if charge.cdr is not None:
        return session_of_cdr(charge, decode_json(charge.cdr.encode()), now)
    settled = settle(charge, readings)
    is_wrong = {WENT_BACK, ABOVE_POWER} & set(settled.flags)
    curve = curve_of(charge, readings, settled.proposed_wh) if is_wrong else settled.curve
    return session_of(Bill(charge, curve, readings), party, now)
