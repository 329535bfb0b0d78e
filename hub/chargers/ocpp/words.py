"""What the versions of OCPP say alike: times, numbers, readings, profiles. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from hub.chargers.events import (
    Answered,
    LimitPeriod,
    LimitProfile,
    Outcome,
    Permit,
    Sample,
    Schedule,
    SignedValue,
    Spot,
)
from hub.chargers.ocpp.frames import Violation, Words

NUMBER_MAX = 2**31 - 1
METER_MAX_DIGITS = 18
POWER_OF_TEN_MAX = 12
VALUE_MAX_CHARACTERS = 100
SAID_MAX_CHARACTERS = 200
FEATURES_MAX_ENTRIES = 2_000
ALARMS_MAX_PER_MESSAGE = 50
OCMF_MARK = "OCMF|"

GRAVE_EVENTS = frozenset(
    {
        "AttemptedReplayAttacks",
        "InvalidCentralSystemCertificate",
        "InvalidCsmsCertificate",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidTLSCipherSuite",
        "InvalidTLSVersion",
        "MemoryExhaustion",
        "SecurityLogWasCleared",
        "TamperDetectionActivated",
    }
)
"""Security events (OCPP 2.0.1 part 2 appendix 1) after which somebody should look."""

_OUTCOMES = {
    "Accepted": Answered.ACCEPTED,
    "Rejected": Answered.REJECTED,
    "Occupied": Answered.OCCUPIED,
    "Faulted": Answered.FAULTED,
    "Unavailable": Answered.UNAVAILABLE,
    "Unknown": Answered.UNKNOWN,
    "Scheduled": Answered.SCHEDULED,
    "RebootRequired": Answered.ACCEPTED,
    "Unlocked": Answered.ACCEPTED,
    "UnlockFailed": Answered.FAILED,
    "OngoingAuthorizedTransaction": Answered.REJECTED,
    "UnknownConnector": Answered.UNKNOWN,
    "NotSupported": Answered.NOT_SUPPORTED,
    "NotImplemented": Answered.NOT_SUPPORTED,
    "NotSupportedAttributeType": Answered.NOT_SUPPORTED,
    "UnknownComponent": Answered.NOT_SUPPORTED,
    "UnknownVariable": Answered.NOT_SUPPORTED,
    "EmptyResultSet": Answered.FAILED,
}


# --- what came ---


def read_time(text: Any) -> datetime | None:
    """A time (UTC); one that names no zone is in UTC. None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip().upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def whole(value: Any, name: str) -> int:
    """A number that counts or names something. Raises Violation beyond 0 to NUMBER_MAX."""
    if not isinstance(value, int) or not 0 <= value <= NUMBER_MAX:
        raise Violation("PropertyConstraintViolation", f"{name}: from 0 to {NUMBER_MAX}")
    return value


def optional_whole(value: Any, name: str) -> int | None:
    """The same where it may be missing; a negative one stands for nothing (stations say -1 for none)."""
    return None if value is None or (isinstance(value, int) and value < 0) else whole(value, name)


def register(value: int) -> Decimal:
    """A meter's register (Wh). Raises Violation beyond METER_MAX_DIGITS."""
    if abs(value) >= 10**METER_MAX_DIGITS:
        raise Violation("PropertyConstraintViolation", f"a meter has {METER_MAX_DIGITS} digits at most")
    return Decimal(value)


def reading_text(value: Any) -> str:
    """A sampled value as it came, cut; empty where it is a number beyond all reason."""
    text = str(value)[:VALUE_MAX_CHARACTERS]
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite():
        return text
    return text if not number or abs(number.adjusted()) <= METER_MAX_DIGITS else ""


def read_sample(said: Words) -> Sample:
    """A sampled value of 1.6."""
    if said.get("format") == "SignedData":
        signed, value = read_signed_text(said["value"]), ""
    else:
        signed, value = None, reading_text(said["value"])
    unit: dict[str, Any] = {"unit": said["unit"]} if "unit" in said else {}
    return Sample(value=value, signed=signed, **unit, **sample_words(said))


def sample_words(said: Words) -> dict[str, Any]:
    """What all versions call alike in a sample; what is missing has a default."""
    return {name: said[name] for name in ("measurand", "phase", "context", "location") if name in said}


def read_signed_text(text: str) -> SignedValue:
    """A signed reading of 1.6: OCMF as it is or encoded, or the object of 2.x as JSON in it."""
    from ocpi_modules.types import NotJsonText, decode_json

    if text.lstrip().startswith("{"):
        try:
            said = decode_json(text.encode())
        except (NotJsonText, UnicodeError):
            said = {}
        if isinstance(said, dict) and isinstance(said.get("signedMeterData"), str):
            return read_signed(said)
    plain = unpacked(text)
    return SignedValue(text=plain, encoding="OCMF" if plain.startswith(OCMF_MARK) else "")


def read_signed(said: Words) -> SignedValue:
    """A signedMeterValue of 2.x."""
    plain = unpacked(said["signedMeterData"])
    encoding = _text(said.get("encodingMethod"))
    return SignedValue(
        text=plain,
        encoding="OCMF" if plain.startswith(OCMF_MARK) else encoding,
        method=_text(said.get("signingMethod")),
        public_key=_text(said.get("publicKey")),
    )


def unpacked(text: str) -> str:
    """The text inside base64 or hexadecimal digits, as it came where there is none."""
    if text.startswith(OCMF_MARK):
        return text
    for decode in (bytes.fromhex, _from_base64):
        try:
            return decode(text).decode()
        except (ValueError, binascii.Error):
            continue
    return text


def security_alarm_is_grave(kind: str) -> bool:
    """Whether somebody should look after a security event."""
    return kind in GRAVE_EVENTS


def bounded_features(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What a station can, FEATURES_MAX_ENTRIES of it."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if len(found) >= FEATURES_MAX_ENTRIES:
            break
        found[name] = value
    return found


# --- what is answered and asked ---


def written(at: datetime) -> str:
    """A time (UTC) as OCPP writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def permit_words(permit: Permit, expiry_name: str) -> dict[str, Any]:
    """Whether somebody may charge: idTagInfo of 1.6, idTokenInfo of 2.x."""
    expiry = {expiry_name: written(permit.expires_at)} if permit.expires_at is not None else {}
    return {"status": permit.status.value, **expiry}


def schedule_words(profile: LimitProfile, start_at: datetime | None, decimals: int | None) -> dict[str, Any]:
    """ChargingSchedule. `decimals`: how many a version allows; what is more is cut, for a limit must not be exceeded."""
    found: dict[str, Any] = {
        "chargingRateUnit": profile.unit,
        "chargingSchedulePeriod": [period_words(period, decimals) for period in profile.periods],
    }
    if profile.duration_seconds is not None:
        found["duration"] = profile.duration_seconds
    if start_at is not None:
        found["startSchedule"] = written(start_at)
    if profile.min_rate is not None:
        found["minChargingRate"] = _cut(profile.min_rate, decimals)
    return found


def period_words(period: LimitPeriod, decimals: int | None) -> dict[str, Any]:
    """ChargingSchedulePeriod."""
    phases = {"numberPhases": period.phases} if period.phases is not None else {}
    return {"startPeriod": period.start_seconds, "limit": _cut(period.limit, decimals), **phases}


def start_of(profile: LimitProfile, now: datetime) -> datetime | None:
    """When a schedule begins: what holds for a whole station cannot begin with a transaction, so it begins now."""
    return now if profile.start_at is None and profile.purpose == "STATION" else profile.start_at


def kind_of(start_at: datetime | None) -> str:
    """chargingProfileKind."""
    return "Relative" if start_at is None else "Absolute"


def read_schedule(said: Any, start_name: str, now: datetime) -> Schedule | None:
    """A composite schedule; None for what is none."""
    try:
        periods = tuple(_read_period(one) for one in said["chargingSchedulePeriod"])
        duration = said.get("duration", 0)
        unit = said["chargingRateUnit"]
    except (KeyError, TypeError, AttributeError, InvalidOperation, Violation):
        return None
    if unit not in {"W", "A"} or not periods or not isinstance(duration, int):
        return None
    return Schedule(read_time(said.get(start_name)) or now, min(max(duration, 0), NUMBER_MAX), unit, periods)


def outcome_of(answer: Words, name: str = "status") -> Outcome:
    """What a station's answer comes to."""
    status = answer.get(name)
    known = _OUTCOMES.get(status, Answered.FAILED) if isinstance(status, str) else Answered.FAILED
    return Outcome(known, said=_said(status, answer.get("statusInfo")))


def _said(status: Any, info: Any) -> str:
    words = [status if isinstance(status, str) else "the answer has no status"]
    if isinstance(info, dict):
        words += [one for one in (info.get("reasonCode"), info.get("additionalInfo")) if isinstance(one, str)]
    return ": ".join(words)[:SAID_MAX_CHARACTERS]


def _read_period(said: Any) -> LimitPeriod:
    limit = Decimal(str(said["limit"]))
    if not limit.is_finite() or (limit and abs(limit.adjusted()) > METER_MAX_DIGITS):
        raise Violation("PropertyConstraintViolation", "no limit")
    phases = said.get("numberPhases")
    return LimitPeriod(whole(said["startPeriod"], "startPeriod"), limit, phases if isinstance(phases, int) else None)


def _cut(value: Decimal, decimals: int | None) -> Decimal:
    return value if decimals is None else value.quantize(Decimal(1).scaleb(-decimals), ROUND_FLOOR)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def spot_of_evse(said: Words | None) -> Spot:
    """EVSEType of 2.x; nothing stands for the station."""
    if said is None:
        return Spot(0, 0)
    connector = optional_whole(said.get("connectorId"), "connectorId")
    return Spot(whole(said["id"], "evse"), connector or 0)
