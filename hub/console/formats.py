"""How values are written for people: money with currency and minor units, moments in a time zone that is named, spans of time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hub.pricing.rounding import rounded
from hub.settlement.outputs import amount_text

NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"

_STEPS = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)


def money(amount: Decimal | str, currency: str) -> str:
    """An amount in the minor units of its currency, like ``1 204.50 EUR``; what is finer is rounded for the eye only."""
    return f"{number(rounded(Decimal(amount), currency))}{NARROW_SPACE}{currency}"


def number(value: Decimal | int | str) -> str:
    """A number in groups of three digits, with a real minus."""
    text = f"{abs(Decimal(value)):,f}".replace(",", NARROW_SPACE)
    return f"{MINUS}{text}" if Decimal(value) < 0 else text


def percent(share: float) -> str:
    """A share from 0 on in percent; what is less than whole is never called whole."""
    shown = share * 100 if share >= 1 else min(share * 100, 99.9)
    return f"{shown:,.1f}".removesuffix(".0").replace(",", NARROW_SPACE) + f"{NARROW_SPACE}%"


def many(count: int, one: str, several: str) -> str:
    """A number with its words: ``1 CDR is``, ``1 204 CDRs are``."""
    return f"{number(count)} {one if count == 1 else several}"


def cause(key: str) -> str:
    """The key of a cause in words: ``Price mismatch · DE/ABC · EUR · tariff · T-DC``."""
    _, kind, *about = [*key.split("|"), ""]
    return " · ".join(filter(None, (kind.replace("_", " ").capitalize(), *about))) or key


def exact(amount: Decimal | str, currency: str) -> str:
    """All digits of an amount."""
    return f"{amount_text(Decimal(amount))} {currency}"


def moment(at: datetime, zone: str) -> str:
    """A moment to the minute, with its zone: ``2026-10-12 10:00 CEST``."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M} {zone_word(local)}"


def instant(at: datetime, zone: str) -> str:
    """A moment to the thousandth of a second, with its zone: ``2026-10-12 10:00:05.120 CEST``."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {zone_word(local)}"


def precise_moment(at: datetime, zone: str) -> str:
    """A moment to the second, in a zone and in UTC."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}, {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def zone_word(local: datetime) -> str:
    """The short name of a zone, ``UTC+03`` for one without a name of letters."""
    name = local.tzname() or "UTC"
    return name if name.isalpha() else f"UTC{name}"


def ago(at: datetime, now: datetime) -> str:
    """How long ago a moment is, or in how long it comes, in its largest unit."""
    span = now - at
    words = span_words(abs(span))
    if not words:
        return "just now"
    return f"{words} ago" if span > timedelta(0) else f"in {words}"


def age(seconds: float) -> str:
    """A span of time in its largest unit, seconds too."""
    return span_words(timedelta(seconds=seconds)) or f"{int(seconds)} s"


def span_words(span: timedelta) -> str:
    """A span of time in its largest unit; empty for less than a minute."""
    for step, unit in _STEPS:
        count = span // step
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return ""
