"""Opening times as they are meant (mod_locations, "Hours"; L-19)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hub.navigation.faults import FaultKind
from hub.navigation.fields import Part, flag_of, inners_of, moment_if_any, whole_of
from hub.navigation.location import Hours, Period, RegularHours

DAYS = 7
DAY_BEGINS, DAY_ENDS = "00:00", "23:59"
OPENING_TIMES = "opening_times"

_OF_OCPI = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-4])[:.]([0-5][0-9])(?::[0-5][0-9])?")


class Span(NamedTuple):
    """From one time of day to another, HH:MM; `is_clean`: it is written as OCPI wants it."""

    weekday: int
    begin: str
    end: str
    is_clean: bool


def hours_of(location: Part) -> Hours | None:
    """When one can get in; None where nobody can tell: half a schedule would be a wrong one."""
    said = location.content.get(OPENING_TIMES)
    if said is None or said == {}:
        location.note(FaultKind.OPENING_TIMES_MISSING, OPENING_TIMES)
        return None
    hours = _hours(location.inner(said, OPENING_TIMES)) if type(said) is dict else None
    if hours is None:
        location.note(FaultKind.OPENING_TIMES_UNREADABLE, OPENING_TIMES)
    return hours


def _hours(part: Part) -> Hours | None:
    is_always = flag_of(part, "twentyfourseven")
    spans = [_span(one) for one in inners_of(part, "regular_hours")]
    regular = () if is_always else _regular([span for span in spans if span])
    if not is_always and (not regular or None in spans):
        return None
    if (is_always and spans) or is_always is None or any(span and not span.is_clean for span in spans):
        part.note(FaultKind.OPENING_TIMES_FORM, "regular_hours")
    return Hours(
        twentyfourseven=bool(is_always),
        regular_hours=regular,
        exceptional_openings=_periods(part, "exceptional_openings"),
        exceptional_closings=_periods(part, "exceptional_closings"),
    )


def _regular(spans: list[Span]) -> tuple[RegularHours, ...]:
    return tuple(dict.fromkeys(one for span in spans for one in _days_of(span)))


def _days_of(span: Span) -> Iterator[RegularHours]:
    """What passes midnight belongs to two days."""
    if span.begin < span.end:
        yield RegularHours(span.weekday, span.begin, span.end)
        return
    if span.begin < DAY_ENDS:
        yield RegularHours(span.weekday, span.begin, DAY_ENDS)
    yield RegularHours(span.weekday % DAYS + 1, DAY_BEGINS, span.end)


def _span(part: Part) -> Span | None:
    weekday = whole_of(part, "weekday", DAYS)
    begin, end = _clock(part.content.get("period_begin")), _clock(part.content.get("period_end"))
    if not weekday or begin is None or end is None or begin == "24:00":
        return None
    # OCPI has no word for the end of a day but its last minute
    end = DAY_ENDS if end in ("24:00", DAY_BEGINS) else end
    if begin == end:
        return None
    written = (part.content["period_begin"], part.content["period_end"])
    return Span(weekday, begin, end, begin < end and written == (begin, end))


def _clock(said: object) -> str | None:
    """A time of day as HH:MM; None for what is none."""
    if type(said) is not str:
        return None
    if _OF_OCPI.fullmatch(said):
        return said
    found = _CLOCK.fullmatch(said.strip())
    text = f"{int(found[1]):02}:{found[2]}" if found else ""
    return text if text and text <= "24:00" else None


def _periods(part: Part, name: str) -> tuple[Period, ...]:
    found = []
    for one in inners_of(part, name):
        begin, end = moment_if_any(one, "period_begin"), moment_if_any(one, "period_end")
        if begin is None or end is None or end <= begin:
            one.note(FaultKind.FIELD_UNREADABLE, "period_begin")
        else:
            found.append(Period(begin, end))
    return tuple(found)
