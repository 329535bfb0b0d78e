"""From the copy of a Location to what is written of it in public. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from hub.navigation.dirty import AHEAD_MAX
from hub.navigation.entry import entry_of, pack_entry
from hub.navigation.feature import feature_text
from hub.navigation.location import PublicLocation, decode_location, encode_location
from hub.navigation.news import Difference, Numbers, Step, encode_event, event_of, step
from hub.navigation.public import KeptText, Reading, read_public
from hub.navigation.quality import encode_summary, summary_of
from hub.store.publicplaces import Counters, DuePlace, PlaceQuality, PublicRow, Standing


@dataclass(frozen=True, slots=True)
class Looked:
    """What the gate said of a Location that is due, what was public of it before, and how it stands."""

    due: DuePlace
    reading: Reading
    before: PublicLocation | None


@dataclass(frozen=True, slots=True)
class Projected:
    """What is to be written of a Location: nothing where all is as it was; its quality, None where it is not meant for everybody."""

    due: DuePlace
    row: PublicRow | None
    quality: PlaceQuality | None


def looked(due: DuePlace, standing: Standing, now: datetime) -> Looked:
    """Bring a Location that is due to the gate; `now` is when the hub heard what it did not hear by a push (UTC)."""
    before = decode_location(due.known.text) if due.known and due.known.text else None
    return Looked(due, read_public(kept_text(due, now), standing), before)


def kept_text(due: DuePlace, now: datetime) -> KeptText:
    """The copy as the gate takes it; one that is not there is one that says nothing.

    What is newer than the last push, by more than clocks differ, was heard otherwise: it was pulled since.
    """
    is_pushed = due.pushed_at is not None and (
        due.last_updated is None or due.last_updated - due.pushed_at <= AHEAD_MAX
    )
    pushed_at = due.pushed_at if is_pushed else None
    return KeptText(
        audience=due.audience,
        owner=due.owner,
        text=due.text or b"null",
        last_updated=due.last_updated or now,
        heard_at=pushed_at or now,
        pushed_at=pushed_at,
        stale_at=due.stale_at,
    )


def projected(all_looked: Iterable[Looked], counters: Counters) -> Iterator[Projected]:
    """What is to be written, numbered after what was written last."""
    seqs, numbers = count(counters.seq + 1), count(counters.number + 1)
    for one in all_looked:
        after = _stepped(one, numbers)
        row = _row(one, after, next(seqs)) if _is_written(after.difference) else None
        yield Projected(one.due, row, _quality(one))


def _stepped(one: Looked, numbers: Iterator[int]) -> Step:
    known = one.due.known
    if known is not None:
        so_far = Numbers(known.number, known.static_version, known.status_version)
        return step(so_far, one.before, one.reading.location)
    if one.reading.location is None:
        return Step(None, Difference())
    return step(Numbers(next(numbers)), None, one.reading.location)


def _is_written(difference: Difference) -> bool:
    return difference.is_any or difference.is_gone


def _row(one: Looked, after: Step, seq: int) -> PublicRow:
    location, known, due = after.location, one.due.known, one.due
    place = location or one.before
    assert place is not None  # what was and is not public is not written
    event = event_of(one.before, after)
    return PublicRow(
        number=place.number,
        seq=seq,
        was_seq=known.seq if known else None,
        owner=due.owner,
        key=due.key,
        id=place.id,
        last_updated=place.last_updated,
        evses=len(location.evses) if location else 0,
        static_version=place.static_version,
        status_version=place.status_version,
        longitude=place.longitude,
        latitude=place.latitude,
        is_static=after.difference.is_static or after.difference.is_gone,
        text=encode_location(location) if location else None,
        feature=feature_text(location) if location else None,
        entry=pack_entry(entry_of(location)) if location else None,
        event=encode_event(event) if event else b"",
    )


def _quality(one: Looked) -> PlaceQuality | None:
    summary = summary_of(one.reading)
    if summary is None:
        return None
    is_fit = one.reading.location is not None
    return PlaceQuality(owner=one.due.owner, key=one.due.key, is_fit=is_fit, summary=encode_summary(summary).decode())
