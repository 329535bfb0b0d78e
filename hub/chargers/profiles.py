"""The ChargingProfiles module of the local CPO: a partner's limits for one session, and what the station makes of them.

A partner can only lower: its profile counts for the transaction, and stands below what a site takes for itself (`PARTNER_STACK_LEVEL`).
Source: mod_charging_profiles; the translation is that of reference 3.3 (decision 61).
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from typing import Any, Protocol

import structlog

from hub.chargers.commands import is_payer, plug_of
from hub.chargers.events import (
    Answered,
    Ask,
    AskSchedule,
    ClearLimit,
    LimitPeriod,
    LimitProfile,
    Outcome,
    Schedule,
    SetLimit,
    Spot,
    Stations,
    TransactionRef,
)
from hub.chargers.features import SMART_CHARGING, lacks, read_features
from hub.chargers.promises import PROFILES, PROMISED_SECONDS, STATION_WAIT_SECONDS, Content, Promises
from hub.chargers.standing import Picture, is_there
from hub.clock import Clock
from hub.store.chargecommands import ChargeCommands, KeptCommand, KeptProfile, OpenCharge
from ocpi_modules.chargingprofiles import ChargingProfileResponseType, ChargingProfileResultType
from ocpi_modules.errors import InvalidParameters, OcpiError
from ocpi_modules.message import Message, Reply
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import encode_json, format_datetime, lenient_datetime

PARTNER_STACK_LEVEL = 1
"""Reserved for partners; a site's own limits for a transaction stand above it and have its lower limit in them."""
PROFILE_IDS_FROM = 1_000_000
PERIODS_MAX = 500
DURATION_MAX_SECONDS = 7 * 24 * 3600
TOLD_DURATION_SECONDS = 3600
BUCKET_PROFILES = 4
REFILL_SECONDS = 30.0
"""A session takes so many changes at once, and one more after each such time."""
TOLD_EVERY_SECONDS = 30.0
TOLD_MAX_SESSIONS = 10_000
TOLD_AT_ONCE_MAX = 20

SET, GET, CLEAR = f"{PROFILES}_SET", f"{PROFILES}_GET", f"{PROFILES}_CLEAR"
_KINDS = {"PUT": SET, "GET": GET, "DELETE": CLEAR}
_TENTH = Decimal("0.1")

_log = structlog.get_logger()


class TellingProfiles(Protocol):
    """Tells who set a profile that it has changed (`hub.chargers.voice.Voice`)."""

    async def tell_profile(self, receiver: Party, session_id: str, content: Content) -> Reply:
        """Tell an ActiveChargingProfile. Raises OcpiError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePorts:
    """What profiles are set with; `roles` are those that a party has now."""

    kept: ChargeCommands
    stations: Stations
    promises: Promises
    telling: TellingProfiles
    roles: Callable[[Party], frozenset[Role]]
    clock: Clock


class ProfileDesk:
    """Answers the requests of the ChargingProfiles module (`hub.chargers.localparty.Take`)."""

    def __init__(self, ports: ProfilePorts) -> None:
        self._ports, self._kept = ports, ports.kept
        self._told: OrderedDict[str, tuple[datetime, Content]] = OrderedDict()

    async def take(self, message: Message) -> Reply:
        """The ChargingProfileResponse to a request. Raises InvalidParameters for one that cannot be meant."""
        kind = _KINDS[message.operation.method]
        charge = await self._kept.session(message.keys[0])
        if charge is None:
            return response(ChargingProfileResponseType.UNKNOWN_SESSION)
        if not self._may(charge, message.sender):  # CP-09
            return response(ChargingProfileResponseType.REJECTED)
        refusal = await self._refusal(kind, charge)
        if refusal is not None:
            return response(refusal)
        work = _WORK[kind](self, charge, message)
        if work is None:
            return response(ChargingProfileResponseType.REJECTED)
        await self._ports.promises.keep(self._command(kind, charge, message), work)
        return response(ChargingProfileResponseType.ACCEPTED)

    def _may(self, charge: OpenCharge, party: Party) -> bool:
        return is_payer(charge, party) or Role.SCSP in self._ports.roles(party)

    async def _refusal(self, kind: str, charge: OpenCharge) -> ChargingProfileResponseType | None:
        stations = await self._kept.stations((charge.identity,))
        if not is_there(plug_of(charge), Picture(stations=stations)) or self._ports.promises.is_full:
            return ChargingProfileResponseType.REJECTED
        if lacks(read_features(stations[charge.identity].features), SMART_CHARGING):
            return ChargingProfileResponseType.NOT_SUPPORTED
        now, kinds = self._ports.clock.now(), (GET,) if kind == GET else (SET, CLEAR)
        since = now - timedelta(seconds=BUCKET_PROFILES * REFILL_SECONDS)
        came = await self._kept.since(kinds, content_of(charge), since)
        return ChargingProfileResponseType.TOO_OFTEN if is_too_often(came, now) else None

    def _command(self, kind: str, charge: OpenCharge, message: Message) -> KeptCommand:
        return KeptCommand(
            kind=kind,
            sender=str(message.sender),
            identity=charge.identity,
            site=charge.site,
            evse_uid=charge.evse_uid,
            response_url=response_url(message),
            content=content_of(charge),
            made_at=self._ports.clock.now(),
            due_at=self._ports.promises.due_at(),
        )

    # --- what stations are asked ---

    def _set(self, charge: OpenCharge, message: Message) -> Work | None:
        profile: Content = message.content["charging_profile"]
        limits = translated(profile, profile_id(charge))
        if limits is None:
            return None

        async def work(_: int) -> Content:
            transaction = TransactionRef(charge.number, charge.ocpp_id)
            ask = SetLimit(spot=spot_of(charge), profile=limits, transaction=transaction)
            outcome = await self._ask(charge, ask)
            if outcome.is_good:
                await self._kept.keep_profile(self._row(charge, message, profile))
            return result(_accepted(outcome))

        return work

    def _row(self, charge: OpenCharge, message: Message, profile: Content) -> KeptProfile:
        return KeptProfile(
            session_id=charge.session_id,
            sender=str(message.sender),
            content=encode_json(profile).decode(),
            response_url=response_url(message),
            set_at=self._ports.clock.now(),
        )

    def _clear(self, charge: OpenCharge, _: Message) -> Work | None:
        async def work(_: int) -> Content:
            if await self._kept.profile(charge.session_id) is None:
                return result(ChargingProfileResultType.UNKNOWN)
            outcome = await self._ask(charge, ClearLimit(profile_id(charge)))
            is_unknown = outcome.answered is Answered.UNKNOWN
            if outcome.is_good or is_unknown:
                await self._kept.drop_profile(charge.session_id)
            return result(ChargingProfileResultType.UNKNOWN if is_unknown else _accepted(outcome))

        return work

    def _get(self, charge: OpenCharge, message: Message) -> Work | None:
        duration_seconds = duration_of(message)

        async def work(_: int) -> Content:
            outcome = await self._ask(charge, AskSchedule(spot=spot_of(charge), duration_seconds=duration_seconds))
            if not outcome.is_good or outcome.schedule is None:
                return result(ChargingProfileResultType.REJECTED)
            return {**result(ChargingProfileResultType.ACCEPTED), "profile": active_profile(outcome.schedule)}

        return work

    async def _ask(self, charge: OpenCharge, ask: Ask) -> Outcome:
        return await self._ports.stations.ask(charge.identity, ask, STATION_WAIT_SECONDS)

    # --- what partners are told of changes ---

    async def changed(self, session_id: str, schedule: Schedule | None = None) -> None:
        """The limits of a session may have changed: tell whoever set a profile for it, if they have, and at a bounded pace.

        `schedule`: what counts now, where the caller knows; else the station is asked. Nothing that goes wrong here raises.
        """
        try:
            await self._tell(session_id, schedule)
        except OcpiError as exc:
            _log.info("profile_not_told", session=session_id, reason=exc.message)

    async def _tell(self, session_id: str, schedule: Schedule | None) -> None:
        set_by, charge = await self._kept.profile(session_id), await self._kept.session(session_id)
        if set_by is None or charge is None or self._was_told_now(charge.session_id):
            return
        if schedule is None:
            ask = AskSchedule(spot=spot_of(charge), duration_seconds=TOLD_DURATION_SECONDS)
            schedule = (await self._ask(charge, ask)).schedule
        if schedule is None or self._is_known(charge.session_id, active_profile(schedule)):
            return
        profile = active_profile(schedule)
        await self._ports.telling.tell_profile(Party.parse(set_by.sender), charge.session_id, profile)
        self._told[charge.session_id] = (self._ports.clock.now(), profile)
        self._told.move_to_end(charge.session_id)
        while len(self._told) > TOLD_MAX_SESSIONS:
            self._told.popitem(last=False)

    def _was_told_now(self, session_id: str) -> bool:
        told = self._told.get(session_id)
        return told is not None and self._ports.clock.now() - told[0] < timedelta(seconds=TOLD_EVERY_SECONDS)

    def _is_known(self, session_id: str, profile: Content) -> bool:
        told, now = self._told.get(session_id), self._ports.clock.now()
        return told is not None and limit_told(told[1], now) == limit_told(profile, now)

    async def tell_changes(self) -> None:
        """Ask the stations of all sessions for which partners set profiles, and tell what has changed; for the process that leads.

        TOLD_AT_ONCE_MAX are asked at once.
        """
        slots = asyncio.Semaphore(TOLD_AT_ONCE_MAX)

        async def tell(session_id: str) -> None:
            async with slots:
                await self.changed(session_id)

        await asyncio.gather(*(tell(one) for one in await self._kept.profiles()))


Work = Callable[[int], Awaitable[Content]]

_WORK: Mapping[str, Callable[[ProfileDesk, OpenCharge, Message], Work | None]] = {
    SET: ProfileDesk._set,
    GET: ProfileDesk._get,
    CLEAR: ProfileDesk._clear,
}


# --- pure ---


def translated(profile: Content, id_: int) -> LimitProfile | None:
    """An OCPI ChargingProfile for a transaction (reference 3.3); None for one that no station could follow.

    Without `start_date_time` it is relative to the start of charging. Amperes are per phase in both protocols.
    """
    periods = profile.get("charging_profile_period") or ()
    starts = [period["start_period"] for period in periods]
    if not 0 < len(periods) <= PERIODS_MAX or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
        return None
    start = profile.get("start_date_time")
    least = profile.get("min_charging_rate")
    return LimitProfile(
        id=id_,
        purpose="TRANSACTION",
        stack_level=PARTNER_STACK_LEVEL,
        unit=profile["charging_rate_unit"],
        periods=tuple(LimitPeriod(period["start_period"], Decimal(period["limit"])) for period in periods),
        start_at=lenient_datetime(start) if start else None,
        duration_seconds=profile.get("duration"),
        min_rate=None if least is None else Decimal(least),
    )


def active_profile(schedule: Schedule) -> dict[str, Any]:
    """A composite schedule as an ActiveChargingProfile; limits have one decimal there, and never say more than is."""
    periods = [
        {"start_period": one.start_seconds, "limit": one.limit.quantize(_TENTH, ROUND_DOWN)} for one in schedule.periods
    ]
    profile = {
        "start_date_time": format_datetime(schedule.start_at),
        "duration": schedule.duration_seconds,
        "charging_rate_unit": schedule.unit,
        "charging_profile_period": periods,
    }
    return {"start_date_time": format_datetime(schedule.start_at), "charging_profile": profile}


def limit_told(active: Content, at: datetime) -> tuple[str, Decimal] | None:
    """What an ActiveChargingProfile that was told allows at a moment; what it said last goes on."""
    return partner_limit({**active["charging_profile"], "duration": None}, at)


def partner_limit(profile: Content, at: datetime, began_at: datetime | None = None) -> tuple[str, Decimal] | None:
    """What a partner's ChargingProfile allows at a moment: the unit (``W``, or ``A`` per phase) and the limit; None where it says nothing.

    `began_at` is when charging began, for a profile that is relative to it; such a one says nothing where that is not known.
    """
    start = lenient_datetime(profile.get("start_date_time")) or began_at
    if start is None:
        return None
    passed_seconds, duration_seconds = (at - start).total_seconds(), profile.get("duration")
    if passed_seconds < 0 or (duration_seconds is not None and passed_seconds >= duration_seconds):
        return None
    begun = [one for one in profile.get("charging_profile_period") or () if one["start_period"] <= passed_seconds]
    return (str(profile["charging_rate_unit"]), Decimal(begun[-1]["limit"])) if begun else None


def is_too_often(came: Sequence[datetime], now: datetime) -> bool:
    """Whether a bucket of BUCKET_PROFILES, which gains one each REFILL_SECONDS, is empty after what came before (oldest first)."""
    held, at = float(BUCKET_PROFILES), came[0] if came else now
    for moment in (*came, now):
        held = min(float(BUCKET_PROFILES), held + (moment - at).total_seconds() / REFILL_SECONDS) - 1
        at = moment
    return held < 0


def response(result_type: ChargingProfileResponseType) -> Reply:
    """A ChargingProfileResponse; only what was accepted has a result that may take time."""
    timeout_seconds = PROMISED_SECONDS if result_type is ChargingProfileResponseType.ACCEPTED else 0
    return Reply(data=encode_json({"result": result_type.value, "timeout": timeout_seconds}))


def result(result_type: ChargingProfileResultType) -> Content:
    """A ChargingProfileResult, or the like for the other requests."""
    return {"result": result_type.value}


def _accepted(outcome: Outcome) -> ChargingProfileResultType:
    return ChargingProfileResultType.ACCEPTED if outcome.is_good else ChargingProfileResultType.REJECTED


def response_url(message: Message) -> str:
    """Where the result goes: in the body of a PUT, in the query of the others. Raises InvalidParameters."""
    url = message.content["response_url"] if message.content else message.query.get("response_url")
    if not url:
        raise InvalidParameters("response_url is required")
    return str(url)


def duration_of(message: Message) -> int:
    """For how long a profile is asked for, in seconds; DURATION_MAX_SECONDS at most. Raises InvalidParameters."""
    text = message.query.get("duration", "")
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**31)) or int(text) == 0:
        raise InvalidParameters("duration is required: for how many seconds")
    return min(int(text), DURATION_MAX_SECONDS)


def profile_id(charge: OpenCharge) -> int:
    """The number by which a station knows a partner's profile of a charge."""
    return PROFILE_IDS_FROM + charge.number


def content_of(charge: OpenCharge) -> str:
    """What is kept of a request beside its result."""
    return json.dumps({"session_id": charge.session_id})


def spot_of(charge: OpenCharge) -> Spot:
    """Where a charge is."""
    return Spot(charge.evse, charge.connector)
