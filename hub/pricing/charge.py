"""A CDR as the pricer reads it: periods in time order, quantities as exact whole numbers.

Energy is counted in millionths of a kWh, time in microseconds (an hour written with six decimals is a whole number of
them). Source: mod_cdrs, CDR object and ChargingPeriod; rules N1, D3, D4, R1, X1 and X2.

Two readers give the same values. The quick one lets the decoder make floats and moments; it is taken only when the text
holds no number of more than 15 significant digits and no offset, and then nothing is lost (`exact.millionths`). Every other
text goes to the patient one, which makes Decimals and reads moments as text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from hub.pricing.exact import PER_ONE, Exact, half_up, millionths, named_millionths
from ocpi_modules.types import UNKNOWN_TIME, fold, lenient_datetime, parse_cdr_datetime

QUICK_NUMBER_MAX_CHARACTERS = 15
SECONDS_PER_HOUR = 3600
FOUR_DECIMALS = 100  # millionths
NAME_MAX_CHARACTERS = 60
QUICK_NUMBER_END = 1e9

N = TypeVar("N", float, Decimal)
T = TypeVar("T", datetime, str)


class NotACharge(ValueError):
    """This text is not a CDR that can be read; the message is a sentence."""


# --- what is read ----------------------------------------------------------------------------


class CdrDimension(msgspec.Struct, Generic[N], gc=False):
    """One stated quantity."""

    type: str
    volume: N


class CdrPeriod(msgspec.Struct, Generic[N, T], gc=False):
    """A charging period as it is written."""

    start_date_time: T
    dimensions: list[CdrDimension[N]]
    tariff_id: str | None = None


class Coordinates(msgspec.Struct, gc=False):
    """Degrees as they are written: as text, as OCPI wants them, or as numbers."""

    latitude: Any = None
    longitude: Any = None


class CdrPlace(msgspec.Struct, gc=False):
    """Where it was: what finds a time zone and the tariffs of a connector."""

    coordinates: Coordinates | None = None
    country: str | None = None
    evse_uid: str | None = None
    connector_id: str | None = None


class CdrText(msgspec.Struct, Generic[N, T], gc=False):
    """The fields of a CDR that bear on its price."""

    start_date_time: T
    end_date_time: T
    currency: str
    charging_periods: Annotated[list[CdrPeriod[N, T]], msgspec.Meta(min_length=1)]
    country_code: str | None = None
    party_id: str | None = None
    id: str | None = None
    cdr_location: CdrPlace | None = None
    tariffs: list[msgspec.Raw] | None = None
    total_energy: N | None = None
    total_time: N | None = None
    total_parking_time: N | None = None
    credit: bool | None = None
    credit_reference_id: str | None = None
    home_charging_compensation: bool | None = None


# --- what is priced --------------------------------------------------------------------------


class Period(msgspec.Struct, gc=False):
    """A charging period: `start` in UTC, None where nobody knows it.

    `energy` in millionths of a kWh, the three times in microseconds, each None when it is not stated. `electric` holds what
    is stated of MIN_ and MAX_, CURRENT and POWER, in millionths of an ampere or a kW.
    """

    start: datetime | None
    tariff_id: str | None
    energy: Exact | None = None
    time: Exact | None = None
    parking: Exact | None = None
    reservation: Exact | None = None
    electric: dict[str, Exact] | None = None
    unknown: list[str] | None = None
    """Names of stated quantities that OCPI has no dimension for."""

    @property
    def is_reservation(self) -> bool:
        """Whether somebody had reserved, and nobody charged (R1); what is stated as zero is not there."""
        if self.reservation is None or self.energy or self.time or self.parking:
            return False
        return bool(self.reservation) or self.energy is self.time is self.parking is None


class Charge(msgspec.Struct, gc=False):
    """A charge to be priced. Moments are in UTC, None where nobody knows them (X1); `owner` is folded
    (`ocpi_modules.types.fold`), other ids are as they are stated.

    `periods` are in time order, `tariffs` the JSON texts of the embedded tariffs. Totals are in the units of `Period`.
    """

    id: str | None
    owner: tuple[str, str] | None
    currency: str
    start: datetime | None
    end: datetime | None
    periods: list[Period]
    tariffs: tuple[bytes, ...]
    place: CdrPlace | None
    total_energy: Exact | None
    total_time: Exact | None
    total_parking_time: Exact | None
    is_credit: bool
    credit_reference_id: str | None
    is_home_compensation: bool
    has_offsets: bool = False


# --- reading ---------------------------------------------------------------------------------

_IS_DIGIT = bytes.maketrans(b"123456789.E", b"0" * 10 + b"e")
_TINY = b"0e-000"
_TOO_LONG = b"0" * (QUICK_NUMBER_MAX_CHARACTERS + 1)

_QUICK = msgspec.json.Decoder(CdrText[float, datetime])
_PATIENT = msgspec.json.Decoder(CdrText[Any, str], float_hook=Decimal)


def read_charge(text: bytes | msgspec.Raw) -> Charge:
    """The charge in the JSON text of a CDR. Raises NotACharge."""
    text = bytes(text)
    try:
        return (_read_quickly(text) if is_plain(text) else None) or _read_patiently(text)
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError) as exc:
        raise NotACharge(f"the CDR cannot be read: {exc}") from exc


def _read_quickly(text: bytes) -> Charge | None:
    try:
        cdr = _QUICK.decode(text)
        periods = [_quick_period(period) for period in cdr.charging_periods]
        return _charge(cdr, (_quick_moment(cdr.start_date_time), _quick_moment(cdr.end_date_time)), periods)
    except (msgspec.ValidationError, ValueError, _NotQuick):  # perhaps only a moment in a form of its own
        return None


def _read_patiently(text: bytes) -> Charge:
    cdr = _PATIENT.decode(text)
    ends = (
        _named_moment(cdr.start_date_time, "$.start_date_time"),
        _named_moment(cdr.end_date_time, "$.end_date_time"),
    )
    periods = [_patient_period(period, index) for index, period in enumerate(cdr.charging_periods)]
    for name in ("total_energy", "total_time", "total_parking_time"):
        if getattr(cdr, name) is not None:
            named_millionths(getattr(cdr, name), f"$.{name}")
    charge = _charge(cdr, ends, periods)
    moments = [cdr.start_date_time, cdr.end_date_time, *(period.start_date_time for period in cdr.charging_periods)]
    charge.has_offsets = any(map(_has_offset, moments))
    return charge


def is_plain(text: bytes) -> bool:
    """Whether no number in a JSON text has more than 15 significant digits or is too small for a float, and no moment an offset of zero."""
    digits = text.translate(_IS_DIGIT)
    is_short = _TOO_LONG not in digits and _TINY not in digits
    return is_short and b'+00:00"' not in text


def _charge(cdr: CdrText[N, T], ends: tuple[datetime | None, datetime | None], periods: list[Period]) -> Charge:
    country, party = cdr.country_code, cdr.party_id
    return Charge(
        cdr.id,
        None if country is None or party is None else (fold(country), fold(party)),
        cdr.currency.upper(),
        ends[0],
        ends[1],
        in_time_order(periods),
        tuple(map(bytes, cdr.tariffs)) if cdr.tariffs else (),
        cdr.cdr_location,
        None if cdr.total_energy is None else millionths(cdr.total_energy),
        _microseconds(cdr.total_time),
        _microseconds(cdr.total_parking_time),
        cdr.credit is True,
        cdr.credit_reference_id,
        cdr.home_charging_compensation is True,
    )


def _microseconds(hours: float | Decimal | None) -> Exact | None:
    return None if hours is None else millionths(hours) * SECONDS_PER_HOUR


class _NotQuick(Exception):
    """Something that the quick reader leaves to the patient one."""


def _quick_period(period: CdrPeriod[float, datetime]) -> Period:
    made = Period(_quick_moment(period.start_date_time), period.tariff_id)
    for dimension in period.dimensions:
        kind, stated = dimension.type, dimension.volume
        if not -QUICK_NUMBER_END < stated < QUICK_NUMBER_END:
            raise _NotQuick
        volume: Exact = round(
            stated * PER_ONE
        )  # what `millionths` does, without the call: a charge has a dozen of these
        if volume / PER_ONE != stated:
            volume = millionths(stated)
        if kind == "ENERGY":
            made.energy = volume if made.energy is None else made.energy + volume
        elif kind == "TIME":
            made.time = (made.time or 0) + volume * SECONDS_PER_HOUR
        else:
            _state(made, kind, volume)
    return made


def _patient_period(period: CdrPeriod[Any, str], index: int) -> Period:
    place = f"$.charging_periods[{index}]"
    made = Period(_named_moment(period.start_date_time, f"{place}.start_date_time"), period.tariff_id)
    for at, dimension in enumerate(period.dimensions):
        _state(made, dimension.type, named_millionths(dimension.volume, f"{place}.dimensions[{at}].volume"))
    return made


def _state(period: Period, kind: str, volume: Exact) -> None:
    """Add one stated quantity to a period; of the same dimension there may be several."""
    if kind in _ELECTRIC:
        if period.electric is None:
            period.electric = {}
        period.electric[kind] = volume
    elif kind == "ENERGY":
        period.energy = (period.energy or 0) + volume
    elif kind == "TIME":
        period.time = (period.time or 0) + volume * SECONDS_PER_HOUR
    elif kind == "PARKING_TIME":
        period.parking = (period.parking or 0) + volume * SECONDS_PER_HOUR
    elif kind == "RESERVATION_TIME":
        period.reservation = (period.reservation or 0) + volume * SECONDS_PER_HOUR
    elif kind not in _UNPRICED:
        period.unknown = [*(period.unknown or ()), kind[:NAME_MAX_CHARACTERS]]


_UNPRICED = frozenset({"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"})
_ELECTRIC = frozenset({"MIN_CURRENT", "MAX_CURRENT", "MIN_POWER", "MAX_POWER"})


def in_time_order(periods: list[Period]) -> list[Period]:
    """Periods by their start (D3); where one is unknown, as they are listed."""
    last = _LONG_AGO
    for period in periods:
        if period.start is None:
            return periods
        if period.start < last:
            return _sorted(periods)
        last = period.start
    return periods


def _sorted(periods: list[Period]) -> list[Period]:
    return periods if any(period.start is None for period in periods) else sorted(periods, key=_start)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _start(period: Period) -> datetime:
    return period.start or _LONG_AGO


def _quick_moment(stated: datetime) -> datetime | None:
    if stated.tzinfo is not UTC:
        raise _NotQuick
    return stated if stated.year != UNKNOWN_TIME.year or stated != UNKNOWN_TIME else None


def _named_moment(stated: str, place: str) -> datetime | None:
    try:
        return _patient_moment(stated)
    except ValueError as exc:
        raise ValueError(f"{stated[:NAME_MAX_CHARACTERS]!r} is no moment: {exc} - at `{place}`") from exc


def _patient_moment(stated: str) -> datetime | None:
    try:
        moment = parse_cdr_datetime(stated)
    except ValueError:
        lenient = lenient_datetime(stated)
        if lenient is None:
            raise
        moment = lenient
    return None if moment == UNKNOWN_TIME else moment


def _has_offset(stated: str) -> bool:
    """Whether a moment is written with an offset, which says less than UTC does (X2)."""
    return not stated.endswith("Z") and ("+" in stated or stated.count("-") > 2)


def in_four_decimals(charge: Charge) -> Charge:
    """The same charge with quantities rounded to four decimals (N1)."""
    return msgspec.structs.replace(charge, periods=[_coarse(period) for period in charge.periods])


def _coarse(period: Period) -> Period:
    return msgspec.structs.replace(
        period,
        energy=_rounded(period.energy, FOUR_DECIMALS),
        time=_rounded(period.time, FOUR_DECIMALS * SECONDS_PER_HOUR),
        parking=_rounded(period.parking, FOUR_DECIMALS * SECONDS_PER_HOUR),
        reservation=_rounded(period.reservation, FOUR_DECIMALS * SECONDS_PER_HOUR),
    )


def _rounded(quantity: Exact | None, step: int) -> Exact | None:
    return None if quantity is None else half_up(quantity, step)
