"""What the signed meter data of a CDR say: begin and end of the charge by the meter, who charged, and what is missing.

Energy is in kWh and exact, moments are in UTC. Nothing in a CDR vouches for itself: the key is the one that was registered. Source:
mod_cdrs, SignedData and SignedValue class; SAFE-eV OCMF.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import StrEnum
from typing import Any

from hub.metering.ocmf import (
    NotVerifiable,
    Record,
    counts_one_charge,
    is_import,
    is_loss_compensated,
    read_record,
    verifies,
)
from ocpi_modules.types import fold

VALUES_MAX = 100
NUMBER_MAX_CHARACTERS = 40
NUMBER_MAX_EXPONENT = 20

_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])

_UNITS = {"KWH": 0, "WH": -3}
_BEGINS, _ENDS = frozenset("B"), frozenset("ELRAP")
_NATURES = {"START": "B", "BEGIN": "B", "END": "E", "STOP": "E"}
_GOOD_STATUS = "G"
_ENERGY_IN_ERROR = "E"


class Refused(StrEnum):
    """Why signed data say nothing."""

    UNKNOWN_ENCODING = "UNKNOWN_ENCODING"
    UNREADABLE = "UNREADABLE"
    NOT_VERIFIABLE = "NOT_VERIFIABLE"
    WRONG_SIGNATURE = "WRONG_SIGNATURE"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Signed data that say nothing, and why, in words."""

    why: Refused
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValue:
    """A reading: what a register showed and when; `clock` is the status of the time (S, R, I, U), `fault` what is wrong with the value."""

    register: str
    kwh: Decimal
    at: datetime | None
    clock: str
    fault: str


@dataclass(frozen=True, slots=True)
class Span:
    """What one register showed when a charge began and ended. `is_of_charge`: it begins anew with every charge."""

    begin: MeterValue
    end: MeterValue
    is_of_charge: bool

    @property
    def energy(self) -> Decimal:
        """The energy between the two, in kWh."""
        return _EXACT.subtract(self.end.kwh, self.begin.kwh)


@dataclass(frozen=True, slots=True)
class Identification:
    """Who charged, as the charge point had it: IT and ID of OCMF, and the level (IL) on which it knew."""

    type: str
    id: str
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReading:
    """Verified meter data. The first of the `spans` is the one that is billed by; `faults` are what they lack to be complete.

    `meter` is the serial number, `digest` tells the record with the end from others.
    """

    meter: str
    digest: str
    spans: tuple[Span, ...]
    faults: tuple[str, ...]
    identification: Identification | None

    @property
    def billed(self) -> Span | None:
        """The register that is billed by: behind the cable where the meter counts there, else at the meter."""
        return self.spans[0] if self.spans else None


@dataclass(frozen=True, slots=True)
class Glance:
    """What tells signed data from others, unverified: the record with the end, the meter, and the folded id of who charged."""

    digest: str = ""
    meter: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class _Read:
    """A record and the nature of its signed value."""

    nature: str
    record: Record

    @property
    def page(self) -> str:
        return _text(self.record.content.get("PG"))

    @property
    def meter(self) -> str:
        return _text(self.record.content.get("MS")) or _text(self.record.content.get("GS"))

    def is_at(self, reading: Mapping[str, Any], moments: frozenset[str]) -> bool:
        said = _text(reading.get("TX")) or _NATURES.get(self.nature, "")
        return said.upper() in moments

    def has(self, moments: frozenset[str]) -> bool:
        return any(self.is_at(reading, moments) for reading in self.record.readings)


def read_signed(signed_data: Mapping[str, Any], public_key: str) -> SignedReading | Refusal:
    """What the signed data of a CDR say, all of them verified with a registered key; or why they say nothing."""
    reads = _reads(signed_data)
    if not reads:
        return _refused(signed_data)
    try:
        wrong = [read for read in reads if not verifies(read.record, public_key)]
    except NotVerifiable as refused:
        return Refusal(Refused.NOT_VERIFIABLE, str(refused))
    if wrong:
        return Refusal(Refused.WRONG_SIGNATURE, f"{len(wrong)} of {len(reads)} records were not signed with this key")
    return _reading(reads)


def glance(signed_data: object) -> Glance:
    """What tells signed data from others; nothing where they cannot be read."""
    reads = _reads(signed_data) if isinstance(signed_data, Mapping) else []
    if not reads:
        return Glance()
    identification = _identification(reads)
    return Glance(_end_digest(reads), reads[0].meter, fold(identification.id) if identification else "")


def _reads(signed_data: Mapping[str, Any]) -> list[_Read]:
    """The records of signed data, each once; begin before end, else in the order in which they stand."""
    values = signed_data.get("signed_values")
    found: dict[str, _Read] = {}
    for value in (values if isinstance(values, list | tuple) else ())[:VALUES_MAX]:
        read = _read_value(value) if isinstance(value, Mapping) else None
        if read is not None:
            found.setdefault(read.record.text, read)
    return sorted(found.values(), key=lambda read: not read.has(_BEGINS))


def _read_value(value: Mapping[str, Any]) -> _Read | None:
    """The record in a value: in the signed text, else in the plain one, where some put all of it."""
    texts = (value.get(name) for name in ("signed_data", "plain_data"))
    records = (read_record(text) for text in texts if isinstance(text, str))
    record = next((record for record in records if record is not None), None)
    return None if record is None else _Read(fold(_text(value.get("nature"))), record)


def _refused(signed_data: Mapping[str, Any]) -> Refusal:
    encoding = _text(signed_data.get("encoding_method"))
    if fold(encoding).startswith("OCMF"):
        return Refusal(Refused.UNREADABLE, "they say to be OCMF and are not")
    return Refusal(Refused.UNKNOWN_ENCODING, f"they are in {encoding or 'an encoding without a name'}")


def _reading(reads: Sequence[_Read]) -> SignedReading:
    begins, ends = _values(reads, _BEGINS), _values(reads, _ENDS)
    spans = tuple(_spans(begins, ends))
    return SignedReading(
        meter=reads[0].meter,
        digest=_end_digest(reads),
        spans=spans,
        faults=tuple(_faults(reads, (begins, ends), spans[0] if spans else None)),
        identification=_identification(reads),
    )


def _end_digest(reads: Sequence[_Read]) -> str:
    return next((read.record.digest for read in reads if read.has(_ENDS)), "")


def _identification(reads: Sequence[_Read]) -> Identification | None:
    """Who charged: the last word on it, for the begin may be signed before anybody is known."""
    for content in (read.record.content for read in reversed(reads)):
        if _text(content.get("ID")):
            return Identification(*(_text(content.get(name)) for name in ("IT", "ID", "IL")))
    return None


# --- values ---


def _values(reads: Iterable[_Read], moments: frozenset[str]) -> list[MeterValue]:
    """The readings of energy at a moment of the charge."""
    values = (_value(reading) for read in reads for reading in read.record.readings if read.is_at(reading, moments))
    return [value for value in values if value is not None]


def _value(reading: Mapping[str, Any]) -> MeterValue | None:
    """A reading of a register for energy from the grid; None for any other, and for one without number or unit."""
    register, kwh = _text(reading.get("RI")), _kwh(reading)
    if kwh is None or (register and not is_import(register)):
        return None
    stamp, clock = _stamp(_text(reading.get("TM")))
    return MeterValue(register=register, kwh=kwh, at=stamp, clock=clock, fault=_fault(reading))


def _kwh(reading: Mapping[str, Any]) -> Decimal | None:
    value, power = _number(reading.get("RV")), _UNITS.get(_text(reading.get("RU")).upper())
    return None if value is None or power is None else value.scaleb(power, _EXACT)


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        text = str(value)
        number = Decimal(text) if len(text) <= NUMBER_MAX_CHARACTERS else None
    except (InvalidOperation, ValueError):
        return None
    return (
        number if number is not None and number.is_finite() and abs(number.adjusted()) <= NUMBER_MAX_EXPONENT else None
    )


def _stamp(text: str) -> tuple[datetime | None, str]:
    """A moment such as ``2026-10-10T10:00:00,000+0200 S``; without a zone it is none."""
    moment, _, clock = text.partition(" ")
    try:
        at = datetime.fromisoformat(moment.replace(",", "."))
        return (None if at.tzinfo is None else at.astimezone(UTC)), clock.strip().upper() or "U"
    except (ValueError, OverflowError):
        return None, "U"


def _fault(reading: Mapping[str, Any]) -> str:
    status = _text(reading.get("ST"))
    if status != _GOOD_STATUS:
        return f"has the status {status}" if status else "has no status"
    return "is marked as an error" if _ENERGY_IN_ERROR in _text(reading.get("EF")) else ""


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


# --- begin and end ---


def _spans(begins: Sequence[MeterValue], ends: Sequence[MeterValue]) -> Iterable[Span]:
    """The registers that were read at begin and end: what reached the car first, then what the meter counted, then the nameless one."""
    first = {value.register: value for value in reversed(begins)}
    last = {value.register: value for value in ends}
    for register in sorted(first.keys() & last.keys(), key=lambda one: (not one, not is_loss_compensated(one), one)):
        yield Span(first[register], last[register], counts_one_charge(register))


def _faults(
    reads: Sequence[_Read], values: tuple[Sequence[MeterValue], Sequence[MeterValue]], billed: Span | None
) -> Iterable[str]:
    """What is missing or wrong, in words."""
    begins, ends = values
    if billed is None:
        yield from (f"there is no {name} reading of energy" for name, found in _named(values) if not found)
        if begins and ends:
            yield "begin and end are readings of different registers"
        return
    yield from (f"the {name} reading {value.fault}" for name, value in _ends_of(billed) if value.fault)
    for name, found in _named(values):
        if len({value.kwh for value in found if value.register == billed.begin.register}) > 1:
            yield f"there are several {name} readings, and they differ"
    if billed.begin.at is not None and billed.end.at is not None and billed.end.at < billed.begin.at:
        yield "the end is before the begin"
    yield from _faults_between(reads)


def _faults_between(reads: Sequence[_Read]) -> Iterable[str]:
    if len({read.meter for read in reads}) > 1:
        yield "they are of several meters"
    begin = next((read for read in reads if read.has(_BEGINS)), None)
    end = next((read for read in reversed(reads) if read.has(_ENDS)), None)
    if begin is not None and end is not None and begin is not end and not _follows(begin.page, end.page):
        yield f"page {end.page} does not follow page {begin.page}"


def _follows(begin: str, end: str) -> bool:
    """Whether a page comes after another; records in between leave gaps, and what has no number is not judged."""
    numbers = begin[1:], end[1:]
    if not all(number.isdecimal() for number in numbers):
        return True
    return begin[0] == end[0] and _ordinal(numbers[0]) < _ordinal(numbers[1])


def _ordinal(number: str) -> tuple[int, str]:
    plain = number.lstrip("0")
    return len(plain), plain


def _named(
    values: tuple[Sequence[MeterValue], Sequence[MeterValue]],
) -> Iterable[tuple[str, Sequence[MeterValue]]]:
    return zip(("begin", "end"), values, strict=True)


def _ends_of(span: Span) -> Iterable[tuple[str, MeterValue]]:
    return ("begin", span.begin), ("end", span.end)
