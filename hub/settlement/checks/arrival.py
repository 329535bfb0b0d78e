"""A08 to A10, I: when it was, and when it came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    DATED_BEFORE_END,
    EARLIER_PERIOD,
    END_IN_FUTURE,
    LATE_CDR,
    LATE_DELIVERY,
    NEGATIVE_DURATION,
    UNKNOWN_TIMES,
)
from hub.settlement.findings import Disposition, Finding, Severity, found, on, raised_to_hold
from hub.settlement.verdicts import belongs_earlier, belongs_later, end_of
from ocpi_modules.types import UNKNOWN_TIME, lenient_datetime

CLOCKS_DIFFER = timedelta(minutes=5)
USUAL_DELIVERY = timedelta(days=3)


def a08_end_after_start(case: Case) -> Iterable[Finding]:
    """A charge without any length is none that is wrong: an attempt, or a reservation."""
    cdr = case.cdr
    start, end = _known(cdr.start), _known(cdr.end)
    if start is not None and end is not None and end < start and not case.is_told_elsewhere:
        sentence = f"CDR {cdr.id} ends at {_at(end)}, before it starts at {_at(start)}."
        yield found(NEGATIVE_DURATION, on(cdr), sentence, seconds=int((end - start).total_seconds()))


def a08_written_after_the_end(case: Case) -> Iterable[Finding]:
    """By last_updated."""
    cdr, end = case.cdr, _known(case.cdr.end)
    written = lenient_datetime(cdr.content.get("last_updated"))
    if end is not None and written is not None and end - written > CLOCKS_DIFFER and not case.is_told_elsewhere:
        sentence = f"CDR {cdr.id} was last updated at {_at(written)}, before its charge ended at {_at(end)}."
        yield found(DATED_BEFORE_END, on(cdr), sentence, seconds=int((end - written).total_seconds()))


def a09_end_in_the_past(case: Case) -> Iterable[Finding]:
    """By more than the clocks of two systems differ: even local time that is written as UTC bills the wrong hours."""
    cdr, end = case.cdr, _known(case.cdr.end)
    if end is None or case.is_told_elsewhere or (early := end - cdr.received_at) <= CLOCKS_DIFFER:
        return
    sentence = f"CDR {cdr.id} ends at {_at(end)} and came before that, at {_at(cdr.received_at)}."
    yield found(END_IN_FUTURE, on(cdr), sentence, seconds=int(early.total_seconds()))


def a10_unknown_times(case: Case) -> Iterable[Finding]:
    """Only where the agreement forbids them; without one, that a time cannot be verified is told with the price (X1)."""
    unknown = _unknown_times(case)
    if has_forbidden_times(case):
        sentence = f"CDR {case.cdr.id} does not know its {' and '.join(unknown)}, which the agreement does not allow."
        yield found(UNKNOWN_TIMES, on(case.cdr), sentence, unknown=unknown)


def has_forbidden_times(case: Case) -> bool:
    """Whether that a time is unknown is told as what the agreement forbids (A10)."""
    forbids = case.agreement.allows_unknown_times is False
    return forbids and not case.is_told_elsewhere and bool(_unknown_times(case))


def _unknown_times(case: Case) -> list[str]:
    return [name for name in ("start", "end") if getattr(case.cdr, name) == UNKNOWN_TIME]


def i01_in_time(case: Case) -> Iterable[Finding]:
    """Held after the deadline of an agreement; without one, told after three days. What corrects an earlier CDR may take its time."""
    cdr, end = case.cdr, end_of(case.cdr)
    if (
        end is None
        or case.is_told_elsewhere
        or not case.is_open
        or _is_correction(case)
        or any(i02_in_its_period(case))
    ):
        return
    took, days = cdr.received_at - end, case.agreement.cdr_deadline_days
    if days is not None and took > timedelta(days=days):
        sentence = f"CDR {cdr.id} came {_days(took)} after its charge, where {days} days are agreed."
        yield raised_to_hold(found(LATE_DELIVERY, on(cdr), sentence, hours=_hours(took), deadline_days=days))
    elif days is None and took > USUAL_DELIVERY:
        yield found(LATE_DELIVERY, on(cdr), f"CDR {cdr.id} came {_days(took)} after its charge.", hours=_hours(took))


def i02_in_its_period(case: Case) -> Iterable[Finding]:
    """A closed period is never opened again: what comes late counts in the open one. A credit counts where it comes."""
    cdr, period = case.cdr, case.evidence.period
    end = end_of(cdr)
    if not case.relations.is_counted(cdr) or belongs_later(cdr, period):
        return
    if belongs_earlier(cdr, period):
        sentence = (
            f"CDR {cdr.id} came at {_at(cdr.received_at)}, while an earlier period was open, to which it belongs."
        )
        yield found(EARLIER_PERIOD, on(cdr), sentence)
    elif end is None:
        return
    elif cdr.received_at >= period.closes_at:
        sentence = (
            f"CDR {cdr.id} came at {_at(cdr.received_at)}, when the period was closed; it counts in the next one."
        )
        yield found(LATE_CDR, on(cdr), sentence, hours=_hours(cdr.received_at - period.closes_at))
    elif end < period.start:
        sentence = f"CDR {cdr.id} ended at {_at(end)}, before the period began, and came late; it counts here."
        late = found(LATE_CDR, on(cdr), sentence, hours=_hours(period.start - end))
        yield replace(late, severity=Severity.INFO, disposition=Disposition.SETTLE)


def _known(moment: datetime | None) -> datetime | None:
    return None if moment == UNKNOWN_TIME else moment


def _is_correction(case: Case) -> bool:
    """Whether a CDR of the same session was credited."""
    cdr = case.cdr
    others = case.relations.by_session.get((cdr.owner, cdr.session_key or ""), ())
    return any(one.index in case.relations.credited_by for one in others)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _hours(length: timedelta) -> int:
    return length // timedelta(hours=1)


def _days(length: timedelta) -> str:
    return f"{length.days} days" if length.days != 1 else "1 day"


CASE_CHECKS: tuple[CaseCheck, ...] = (
    a08_end_after_start,
    a08_written_after_the_end,
    a09_end_in_the_past,
    a10_unknown_times,
    i01_in_time,
    i02_in_its_period,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
