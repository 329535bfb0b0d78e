"""What a message of a station changes about a charge. Pure: times, places and permits are handed in.

Whatever is told twice, late, or in another order changes the same; what a message says first counts. How much is billed is not decided
here (`hub.chargers.settling`): a charge only gathers what it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from hub.chargers.events import IdToken, Metered, MeterValue, Permit, PermitStatus, Started, StatusTold, Stopped
from hub.chargers.readings import BEGIN, OUTLET, RAW_MAX_CHARACTERS, Measured, measured
from hub.store.aliases import ERASED
from hub.store.chargereserved import Use
from hub.store.charges import Change, Charge, ChargeState, Reading
from ocpi_modules.types import encode_json

CLOCK_TOLERANCE_SECONDS = 60
CLOCK_BEHIND_MAX_DAYS = 60
CLOCK_AHEAD_MAX_SECONDS = 300
MISSING_WAIT_SECONDS = 120
LATE_SECONDS = 120
"""A station that tells of a begin later than this did not ask anybody: it was offline, whether it says so (2.x) or cannot (1.6)."""
TEXT_MAX_CHARACTERS = 100
FLAGS_MAX = 50
SEQUENCE_MAX = 10_000_000

START_UNTOLD = "START_UNTOLD"
SUPERSEDED = "SUPERSEDED"
INCOMPLETE = "INCOMPLETE"
CLOCK_SHIFTED = "CLOCK_SHIFTED"
CLOCK_IGNORED = "CLOCK_IGNORED"
GARBAGE = "GARBAGE"
LATE = "LATE"
NOT_PERMITTED = "NOT_PERMITTED"
OFFLINE_NOT_PERMITTED = "OFFLINE_NOT_PERMITTED"
STATION_LOST = "STATION_LOST"

_OPEN = frozenset({ChargeState.ACTIVE, ChargeState.ENDED, ChargeState.QUARANTINED})
_PARKED = frozenset({"SuspendedEV", "Finishing", "Idle"})


@dataclass(frozen=True, slots=True)
class Timing:
    """A station's times by the hub's clock: `offset` is how far the station is ahead, `now` when its message came."""

    now: datetime
    offset: timedelta = timedelta()

    def at(self, told: datetime) -> datetime:
        """When something was: by the station's clock, by that put right, or when it was told where both are beyond belief."""
        shifted = told - self.offset if self.is_shifted else told
        return shifted if self.is_sane(shifted) else self.now

    @property
    def is_shifted(self) -> bool:
        """Whether the clock is too wrong to be left as it is."""
        return abs(self.offset) > timedelta(seconds=CLOCK_TOLERANCE_SECONDS)

    def is_sane(self, moment: datetime) -> bool:
        """Whether something can have been then."""
        latest = self.now + timedelta(seconds=CLOCK_AHEAD_MAX_SECONDS)
        return self.now - timedelta(days=CLOCK_BEHIND_MAX_DAYS) <= moment <= latest

    def flags(self, told: datetime) -> tuple[str, ...]:
        """What to note about a time."""
        if self.at(told) == told:
            return ()
        is_used = self.is_shifted and self.is_sane(told - self.offset)
        return (CLOCK_SHIFTED if is_used else CLOCK_IGNORED,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The connector of a charge: its ids, what a CDR says of it, and the tariffs that count (both JSON); empty where nobody knows it."""

    site: str = ""
    evse_uid: str = ""
    connector_id: str = ""
    place: str = ""
    tariffs: str = ""


NOWHERE = Where()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the hub adds to what a station says: who pays, where it is, by which reservation, and the id of the Session without one."""

    timing: Timing
    permit: Permit | None = None
    where: Where = NOWHERE
    reservation: int | None = None
    session_id: str = ""


def was_offline(said: Started | Metered | Stopped, timing: Timing) -> bool:
    """Whether a station that tells something did it without asking: it says so, or tells it too late to have asked."""
    is_late = said.at is not None and timing.now - timing.at(said.at) > timedelta(seconds=LATE_SECONDS)
    return said.is_offline or is_late


# --- by what a charge is known again ---


def start_key(started: Started) -> str:
    """By what the begin of a transaction is known again: its own id (2.x), else connector, time, meter and id token (1.6)."""
    if started.transaction.id is not None:
        return own_key(started.transaction.id)
    said = (started.spot.evse, started.spot.connector, started.at.isoformat(), _wh(started.meter_wh))
    return _digest("start", *said, started.id_token.uid if started.id_token else "")


def own_key(ocpp_id: str) -> str:
    """The key of a transaction that a station named (2.x)."""
    return _digest("id", ocpp_id)


def stop_key(stopped: Stopped) -> str:
    """By what an end is known again whose begin nobody knows."""
    return _digest("stop", stopped.transaction.number, stopped.at.isoformat(), _wh(stopped.meter_wh))


def _wh(wh: Decimal | None) -> str:
    return "" if wh is None else f"{wh.normalize():f}"


def _digest(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


# --- what messages change ---


def begin(found: Charge | None, others: Sequence[Charge], started: Started, known: Known, identity: str) -> Change:
    """A transaction began. Told again, it changes nothing; others that are open at the connector are closed with what is known."""
    charge = _begun(_new(identity, started, known) if found is None else found, started, known)
    charge = _heard(charge, started.sequence, known.timing.flags(started.at))
    later = [other for other in others if other.started_at > charge.started_at]
    if later and charge.ended_at is None:
        charge = superseded(charge, min(other.started_at for other in later), known.timing)
    earlier = [other for other in others if other.started_at <= charge.started_at]
    closed = tuple(superseded(other, charge.started_at, known.timing) for other in earlier)
    change = read(charge, started.values, started.charging_state, (started.at, known.timing))
    return Change(change.charge, change.readings, closed, _use(change.charge, known))


def _new(identity: str, started: Started, known: Known) -> Charge:
    return Charge(
        identity=identity,
        start_key=start_key(started),
        ocpp_id=started.transaction.id,
        evse=started.spot.evse,
        connector=started.spot.connector,
        started_at=known.timing.at(started.at),
        told_started_at=started.at,
        made_at=known.timing.now,
        session_id=known.session_id,
        flags=START_UNTOLD,
    )


def _begun(charge: Charge, started: Started, known: Known) -> Charge:
    """A charge with its begin, which counts once."""
    if not has_flag(charge, START_UNTOLD) or charge.state not in _OPEN:
        return charge
    charge = replace(
        charge,
        evse=started.spot.evse,
        connector=started.spot.connector,
        started_at=known.timing.at(started.at),
        told_started_at=started.at,
        meter_start_wh=charge.meter_start_wh if started.meter_wh is None else _sane_wh(started.meter_wh),
        reservation=started.reservation,
        remote_start=started.remote_start,
        flags=_without(charge.flags, START_UNTOLD),
    )
    told = Told(started.id_token, started.remote_start, is_offline=was_offline(started, known.timing))
    return _placed(_permitted(charge, known.permit, told), known)


def _placed(charge: Charge, known: Known) -> Charge:
    """A charge with its place, which is kept as it was when it began."""
    where = known.where
    if charge.site or not where.site or charge.state not in _OPEN:
        return _versioned(charge)
    placed = replace(charge, site=where.site, evse_uid=where.evse_uid, connector_id=where.connector_id)
    return _versioned(replace(placed, place=where.place, tariffs=where.tariffs))


@dataclass(frozen=True, slots=True)
class Told:
    """Who a message says to charge, and whether the station let them without asking."""

    id_token: IdToken | None
    remote_start: int | None = None
    is_offline: bool = False


def _permitted(charge: Charge, permit: Permit | None, told: Told) -> Charge:
    """A charge that is somebody's; whose it is counts once."""
    if told.id_token is None or permit is None or charge.token or charge.state not in _OPEN:
        return charge
    flags = _without(_without(charge.flags, NOT_PERMITTED), OFFLINE_NOT_PERMITTED)
    refusal = OFFLINE_NOT_PERMITTED if told.is_offline else NOT_PERMITTED
    known = replace(
        charge,
        id_token=told.id_token.uid[:TEXT_MAX_CHARACTERS],
        permit=permit.status.value,
        token="" if permit.token is None else encode_json(dict(permit.token)).decode(),
        auth_method=permit.auth_method,
        reference=permit.reference,
        remote_start=charge.remote_start if told.remote_start is None else told.remote_start,
        flags=flags if permit.is_granted else _with(flags, refusal),
    )
    return _versioned(known)


def metered(found: Charge | None, told: Metered, known: Known, identity: str) -> Change | None:
    """Readings came. One that says a transaction of which nobody knows the begin (2.x) makes a charge of what is known."""
    told_at = told.at or next((value.at for value in told.values), known.timing.now)
    if found is None and told.transaction.id is None:
        return None
    charge = found or _unbegun(identity, told, told_at, known)
    is_offline = was_offline(told, known.timing)
    charge = _permitted(charge, known.permit, Told(told.id_token, told.remote_start, is_offline))
    if not charge.site:
        charge = _placed(charge, known)
    change = read(_heard(charge, told.sequence, ()), told.values, told.charging_state, (told_at, known.timing))
    return replace(change, use=_use(change.charge, known))


def _use(charge: Charge, known: Known) -> Use | None:
    """The reservation that a charge uses, which it does once, where its driver may charge."""
    is_used = charge.reserved_at is not None or charge.state not in _OPEN
    if known.reservation is None or is_used or not charge.token or has_flag(charge, NOT_PERMITTED):
        return None
    return Use(
        number=known.reservation,
        identity=charge.identity,
        at=charge.started_at,
        takes_session=charge.told_at is None,
    )


def _unbegun(identity: str, told: Metered, told_at: datetime, known: Known) -> Charge:
    assert told.transaction.id is not None, "a station names a transaction that nobody knows"
    return Charge(
        identity=identity,
        start_key=own_key(told.transaction.id),
        ocpp_id=told.transaction.id,
        evse=told.spot.evse,
        connector=told.spot.connector,
        started_at=known.timing.at(told_at),
        told_started_at=told_at,
        made_at=known.timing.now,
        session_id=known.session_id,
        flags=START_UNTOLD,
    )


def end(found: Charge | None, stopped: Stopped, known: Known, identity: str) -> Change:
    """A transaction is over. Its begin may be unknown: then it is a charge of what is known."""
    charge = _unbegun_end(identity, stopped, known) if found is None else found
    if has_flag(charge, START_UNTOLD):
        told = Told(stopped.id_token, None, was_offline(stopped, known.timing))
        charge = _placed(_permitted(charge, known.permit, told), known)
    charge = _heard(charge, stopped.sequence, known.timing.flags(stopped.at))
    if charge.state in _OPEN and (charge.ended_at is None or has_flag(charge, SUPERSEDED)):
        charge = _ended(charge, stopped, known.timing)
    return read(charge, stopped.values, "", (stopped.at, known.timing))


def _unbegun_end(identity: str, stopped: Stopped, known: Known) -> Charge:
    at, ocpp_id = known.timing.at(stopped.at), stopped.transaction.id
    return Charge(
        identity=identity,
        start_key=stop_key(stopped) if ocpp_id is None else own_key(ocpp_id),
        ocpp_id=ocpp_id,
        evse=stopped.spot.evse if stopped.spot else 0,
        connector=stopped.spot.connector if stopped.spot else 0,
        started_at=at,
        told_started_at=stopped.at,
        made_at=known.timing.now,
        session_id=known.session_id,
        flags=START_UNTOLD,
    )


def _ended(charge: Charge, stopped: Stopped, timing: Timing) -> Charge:
    closed = replace(
        charge,
        state=ChargeState.ENDED,
        ended_at=timing.at(stopped.at),
        meter_end_wh=_sane_wh(stopped.meter_wh),
        stop_reason=stopped.reason[:TEXT_MAX_CHARACTERS],
        flags=_without(_without(charge.flags, SUPERSEDED), STATION_LOST),
    )
    return _versioned(_due(closed, timing.now))


def superseded(charge: Charge, at: datetime, timing: Timing) -> Charge:
    """A charge that is over because another one began at its connector: it ended when it was last heard of, unless its end is told yet."""
    return closed(charge, at, timing, SUPERSEDED)


def closed(charge: Charge, at: datetime, timing: Timing, why: str) -> Charge:
    """A charge that is over though its station did not say so; its end may still be told while its CDR waits."""
    last = charge.read_at if charge.read_at is not None and charge.read_at < at else at
    ended = replace(charge, state=ChargeState.ENDED, ended_at=max(last, charge.started_at))
    return _versioned(_due(_with_flags(ended, (SUPERSEDED, why)), timing.now))


def _due(charge: Charge, now: datetime) -> Charge:
    """A charge with the time from which its CDR may be made: at once where nothing is missing, else after a wait for it."""
    wait = 0 if is_whole(charge) else MISSING_WAIT_SECONDS
    return replace(charge, due_at=now + timedelta(seconds=wait))


def is_whole(charge: Charge) -> bool:
    """Whether begin and end were told, and no event between them is missing."""
    is_missing = has_flag(charge, START_UNTOLD) or has_flag(charge, SUPERSEDED)
    return not is_missing and len(_ranges(charge.sequences)) <= 1


def read(charge: Charge, values: Iterable[MeterValue], state: str, said: tuple[datetime, Timing]) -> Change:
    """The readings and the state that came with a message that a station dated so."""
    told_at, timing = said
    readings = tuple(_reading(one, timing) for one in measured(values))
    if is_forgotten(charge):
        readings = tuple(replace(one, signed="") for one in readings)
    if state:
        readings = (*readings, _state_reading(state, told_at, timing))
    changed = _read(charge, readings) if readings else charge
    if changed.state == ChargeState.ENDED and is_whole(changed):
        changed = _due(changed, timing.now)
    return Change(changed, readings)


def told_status(charge: Charge, told: StatusTold, timing: Timing) -> Change:
    """The status of a connector says in which state its charge is (1.6)."""
    reading = _state_reading(told.status, told.happened_at or timing.now, timing)
    return Change(_read(charge, (reading,)), (reading,))


def is_forgotten(charge: Charge) -> bool:
    """Whether the driver of a charge was forgotten while it ran: what its meter signs from then on would name the token again."""
    return f'"{ERASED}' in charge.token or charge.id_token.startswith(ERASED)


def _reading(one: Measured, timing: Timing) -> Reading:
    signed = one.signed
    return Reading(
        key=one.key,
        at=timing.at(one.at),
        told_at=one.at,
        register_wh=one.register_wh,
        power_w=one.power_w,
        current_a=one.current_a,
        voltage_v=one.voltage_v,
        soc_percent=one.soc_percent,
        context=one.context[:TEXT_MAX_CHARACTERS],
        signed=signed.text if signed else "",
        encoding=signed.encoding[:TEXT_MAX_CHARACTERS] if signed else "",
        method=signed.method[:TEXT_MAX_CHARACTERS] if signed else "",
        public_key=signed.public_key if signed else "",
        raw=one.doubtful[:RAW_MAX_CHARACTERS],
        kind=one.kind,
    )


def _state_reading(state: str, told_at: datetime, timing: Timing) -> Reading:
    state = state[:TEXT_MAX_CHARACTERS]
    key = _digest("state", state, told_at.isoformat())[:40]
    return Reading(key=key, at=timing.at(told_at), told_at=told_at, charging_state=state)


def _read(charge: Charge, readings: Sequence[Reading]) -> Charge:
    """A charge after readings: what it shows while it runs, and what is doubtful about them."""
    if charge.state not in _OPEN:
        return _with_flags(charge, (LATE,))
    begin = next((one.register_wh for one in readings if one.context == BEGIN and one.kind == OUTLET), None)
    if begin is not None and charge.meter_start_wh is None:
        charge = replace(charge, meter_start_wh=begin)
    for reading in sorted(readings, key=lambda one: one.at):
        charge = _shown(charge, reading)
    if any(reading.raw for reading in readings):
        charge = _with_flags(charge, (GARBAGE,))
    if charge.state == ChargeState.QUARANTINED and not charge.released_by:
        charge = replace(charge, state=ChargeState.ENDED)  # what was doubtful is looked at again with what is new
    return _versioned(charge)


def _shown(charge: Charge, reading: Reading) -> Charge:
    if reading.kind != OUTLET or (charge.read_at is not None and reading.at < charge.read_at):
        return charge
    energy = charge.energy_wh
    if reading.register_wh is not None and charge.meter_start_wh is not None:
        energy = max(energy, reading.register_wh - charge.meter_start_wh)
    return replace(
        charge,
        read_at=reading.at,
        energy_wh=energy,
        power_w=charge.power_w if reading.power_w is None else reading.power_w,
        charging_state=reading.charging_state or charge.charging_state,
    )


def is_parking(state: str, has_charged: bool) -> bool:
    """Whether a car asks for no energy in a state (mod_cdrs, PARKING_TIME); one that never charged is not parking yet."""
    return state in _PARKED or (state == "EVConnected" and has_charged)


# --- flags and sequences ---


def has_flag(charge: Charge, flag: str) -> bool:
    """Whether something was noted about a charge."""
    return flag in charge.flags.splitlines()


def with_flags(charge: Charge, flags: Iterable[str]) -> Charge:
    """A charge about which something more is noted; each line once."""
    return _with_flags(charge, flags)


def _with_flags(charge: Charge, flags: Iterable[str]) -> Charge:
    noted = charge.flags
    for flag in flags:
        noted = _with(noted, flag)
    return replace(charge, flags=noted)


def _with(flags: str, flag: str) -> str:
    lines = flags.splitlines()
    return flags if flag in lines or len(lines) >= FLAGS_MAX else "\n".join([*lines, flag])


def _without(flags: str, flag: str) -> str:
    return "\n".join(line for line in flags.splitlines() if line != flag)


def _versioned(charge: Charge) -> Charge:
    return replace(charge, version=charge.version + 1)


def _heard(charge: Charge, sequence: int | None, flags: Iterable[str]) -> Charge:
    """A charge that heard of one more event; the last one missing makes its CDR due."""
    charge = _with_flags(charge, flags)
    if sequence is None or not 0 <= sequence <= SEQUENCE_MAX:
        return charge
    return replace(charge, sequences=_written(_added(_ranges(charge.sequences), sequence)))


def _ranges(text: str) -> list[tuple[int, int]]:
    pairs = (part.partition("-") for part in text.split(",") if part)
    return [(int(low), int(high or low)) for low, _, high in pairs]


def _added(ranges: list[tuple[int, int]], sequence: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted([*ranges, (sequence, sequence)]):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return merged


def _written(ranges: Iterable[tuple[int, int]]) -> str:
    return ",".join(f"{low}-{high}" if high > low else str(low) for low, high in ranges)


def _sane_wh(wh: Decimal | None) -> Decimal | None:
    return wh if wh is not None and 0 <= wh <= Decimal(10) ** 12 else None


def permit_of(charge: Charge) -> PermitStatus:
    """What the driver of a charge was told."""
    return PermitStatus(charge.permit) if charge.permit else PermitStatus.ACCEPTED
