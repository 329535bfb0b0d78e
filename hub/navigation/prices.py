"""What drivers without contract pay, for everything that is public: read from the copies of tariffs, and kept for a moment.

Each process looks once in LOOK_SECONDS at what changed. A change may be committed later than one with a higher number, so the numbers of
the last OVERLAP_SECONDS are looked at again.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from hub.clock import Clock
from hub.navigation.formats.publishing import AdHocPrice, TariffKey
from hub.navigation.location import PublicLocation
from hub.navigation.register import Listed, Register, is_still_public, listed
from hub.navigation.tail import Tail
from hub.navigation.tariffs import (
    Name,
    Tariff,
    brief_of,
    briefs_at,
    headline_of,
    is_public,
    name_of,
    plain,
    read_tariff,
)
from hub.store.publicplaces import OpenQuery
from hub.store.publictariffs import Marks, PublicTariffs, SharedTariff, TariffChange
from ocpi_modules.parties import Party

PRICES_MAX = 20_000
KEPT_SECONDS = 10.0
LOOK_SECONDS = 1.0
OVERLAP_SECONDS = 60.0
OVERLAP_NUMBERS = 20_000
"""How far back the first look goes: nobody knows yet which number was the last one OVERLAP_SECONDS ago."""
PAGE_ROWS = 1_000
CHANGES_PAGE_ROWS = 5_000
READ_HERE_MAX_TARIFFS = 10
"""More than that are read in a thread: a tariff takes some tenths of a millisecond."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class TariffPage:
    """The texts of a page as their owners sent them, how many there are in all, and when one of the page was updated last (UTC)."""

    texts: tuple[bytes, ...]
    total: int
    changed_at: datetime | None


class Prices:
    """The public tariffs, in one process."""

    def __init__(self, tariffs: PublicTariffs, clock: Clock) -> None:
        self._tariffs, self._clock = tariffs, clock
        self._register = Register()
        self._kept: OrderedDict[Name, tuple[float, Tariff | None]] = OrderedDict()
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None
        self._seen_at: datetime | None = None
        self._tail = Tail(0)
        self._marks = Marks(0, 0, None, frozenset())
        self._due: set[Name] = set()

    # --- for everybody ---

    @property
    def stamp(self) -> str:
        """Tells apart how prices are now: other texts of public tariffs, others that can be shown, or one that began or ended meanwhile.

        Equal in all processes that know the same, and whatever happens to tariffs that are not public.
        """
        marks, turn = self._marks, self._register.last_turn(self._clock.now())
        moments = [0 if moment is None else int(moment.timestamp() * 1000) for moment in (marks.stale_at, turn)]
        strangers = zlib.crc32(" ".join(sorted(marks.strangers)).encode())
        return "-".join(f"{part:x}" for part in (self._register.digest, marks.stale, strangers, *moments))

    def stamp_of(self, names: Collection[Name]) -> str:
        """The same of some tariffs alone."""
        return self._register.stamp_of(names, self._clock.now())

    @property
    def changed_at(self) -> datetime | None:
        """When they changed last (UTC), as far as this process saw it; None before it looked."""
        turn = self._register.last_turn(self._clock.now())
        return self._seen_at if self._seen_at is None or turn is None else max(self._seen_at, turn)

    async def of_features(self, wanted: Mapping[int, tuple[str, Sequence[str]]]) -> dict[int, dict[str, Any]]:
        """The property `price` of Features by their numbers, from the owner of each and the ids of its tariffs."""
        names = {number: [name_of(owner, id_) for id_ in ids] for number, (owner, ids) in wanted.items()}
        known, now = await self.public({name for own in names.values() for name in own}), self._clock.now()
        return {number: brief_of(_of(own, known), now) for number, own in names.items()}

    async def adhoc(self, wanted: Collection[TariffKey]) -> dict[TariffKey, AdHocPrice]:
        """What open formats say of those tariffs that are public and tell their VAT."""
        known, now = await self.public({name_of(*key) for key in wanted}), self._clock.now()
        prices = {name: _adhoc_price(tariff, now) for name, tariff in known.items()}
        return {key: price for key in wanted if (price := prices.get(name_of(*key))) is not None}

    async def of_location(self, location: PublicLocation) -> dict[str, dict[str, Any]]:
        """The property `price` of each connector of a Location, by ``EVSE uid/connector id``."""
        names = {name_of(location.party, tariff_id) for tariff_id in location.tariff_ids}
        return briefs_at(location, await self.public(names), self._clock.now())

    async def public(self, names: Collection[Name], moment: datetime | None = None) -> dict[Name, Tariff]:
        """Those of some tariffs that are public now, or at another moment."""
        await self._be_ready()
        found = await self._read([name for name in names if self._register.is_shown(name)])
        at = moment or self._clock.now()
        return {name: tariff for name, tariff in found.items() if is_public(tariff, at)}

    async def page(self, query: OpenQuery) -> TariffPage:
        """Public tariffs in the order in which they were first seen."""
        await self._be_ready()
        now = self._clock.now()
        rows = [row for row in self._register.public(now) if _is_within(row.last_updated, query)]
        shown = rows[query.offset : query.offset + query.limit]
        texts = await self._tariffs.texts([row.seq for row in shown])
        good = [texts[row.seq] for row in shown if row.seq in texts and is_still_public(texts[row.seq], now)]
        return TariffPage(tuple(good), len(rows), max((row.last_updated for row in shown), default=None))

    # --- for one eMSP ---

    async def seen_by(self, party: Party, names: Collection[Name], closed: Collection[Party]) -> dict[Name, Tariff]:
        """Those of some tariffs that a party may read, without the owners that are closed to it."""
        hidden = {str(one) for one in closed}
        texts = await self._tariffs.seen_by([name for name in names if name[0] not in hidden], party)
        read = {name: read_tariff(name[0], text) for name, text in texts.items()}
        return {name: tariff for name, tariff in read.items() if tariff is not None}

    # --- what is kept ---

    async def _read(self, names: Sequence[Name]) -> dict[Name, Tariff]:
        for name in names:
            if name in self._kept:
                self._kept.move_to_end(name)
        now = time.monotonic()
        missing = [name for name in names if name not in self._kept or self._kept[name][0] < now]
        if missing:
            await self._fetch(missing)
        found = {name: self._kept[name][1] for name in names if name in self._kept}
        return {name: tariff for name, tariff in found.items() if tariff is not None}

    async def _fetch(self, names: Sequence[Name]) -> None:
        rows = {row.name: row for batch in _batches(names) for row in await self._tariffs.shared(batch)}
        before = {name: kept[1] for name in names if (kept := self._kept.get(name)) is not None}
        changed = [row for name, row in rows.items() if (old := before.get(name)) is None or old.text != row.text]
        read = (
            _read_all(changed) if len(changed) <= READ_HERE_MAX_TARIFFS else await asyncio.to_thread(_read_all, changed)
        )
        until = time.monotonic() + KEPT_SECONDS
        for name in names:
            self._kept[name] = (until, read.get(name, before.get(name)) if name in rows else None)
            self._kept.move_to_end(name)
        while len(self._kept) > max(PRICES_MAX, len(names)):
            self._kept.popitem(last=False)

    # --- what changed ---

    async def look(self) -> None:
        """See what changed, at most once in LOOK_SECONDS; at first everything is read. Raises store.direct.Unavailable."""
        if self._is_younger_than(LOOK_SECONDS):
            return
        async with self._looking:
            before = self.stamp
            if self._looked_at is None:
                await self._load()
            elif not self._is_younger_than(LOOK_SECONDS):
                await self._see_changes()
            if self._looked_at is None or self.stamp != before:
                self._seen_at = self._clock.now()
            self._looked_at = time.monotonic()

    async def _be_ready(self) -> None:
        """For those who ask: somebody looked, and not long ago."""
        if not self._is_younger_than(KEPT_SECONDS):
            await self.look()

    def _is_younger_than(self, seconds: float) -> bool:
        return self._looked_at is not None and time.monotonic() - self._looked_at < seconds

    async def _load(self) -> None:
        begin = await self._tariffs.begin(OVERLAP_NUMBERS)
        self._tail = Tail(max(0, begin.top - OVERLAP_NUMBERS), begin.latest, OVERLAP_SECONDS)
        self._register, self._marks, after = Register(), Marks(0, 0, None, frozenset()), 0
        while rows := await self._tariffs.page(after, PAGE_ROWS):
            self._register.put(await asyncio.to_thread(_list_all, rows))
            after = rows[-1].seq
        await self._see_changes()

    async def _see_changes(self) -> None:
        marks = await self._tariffs.marks()
        new = self._tail.take(await self._changes(self._tail.floor), marks.top, time.monotonic())
        # what cannot be read now for want of a database is read at the next look
        self._due.update(change.name for change in new)
        for batch in _batches([*self._due]):
            rows = await self._tariffs.shared(batch)
            self._register.put(await asyncio.to_thread(_list_all, rows), gone=batch)
            for name in batch:
                self._kept.pop(name, None)
            self._due.difference_update(batch)
        if (marks.stale, marks.stale_at, marks.strangers) != _shown_by(self._marks):
            self._register.hide(await self._tariffs.stale() if marks.stale else frozenset(), marks.strangers)
        self._marks = marks

    async def _changes(self, after: int) -> list[TariffChange]:
        found = await self._tariffs.changes(after, CHANGES_PAGE_ROWS)
        page = found
        while len(page) == CHANGES_PAGE_ROWS:
            page = await self._tariffs.changes(page[-1].id, CHANGES_PAGE_ROWS)
            found = [*found, *page]
        return found


def _of(names: Iterable[Name], known: Mapping[Name, Tariff]) -> Iterator[Tariff]:
    return (known[name] for name in dict.fromkeys(names) if name in known)


def _shown_by(marks: Marks) -> tuple[int, datetime | None, frozenset[str]]:
    return marks.stale, marks.stale_at, marks.strangers


def _is_within(moment: datetime, query: OpenQuery) -> bool:
    return (query.date_from is None or query.date_from <= moment) and (query.date_to is None or moment < query.date_to)


def _list_all(rows: Sequence[SharedTariff]) -> list[Listed]:
    found = (listed(row.seq, row.name, row.last_updated, row.text) for row in rows)
    return [row for row in found if row is not None]


def _read_all(rows: Sequence[SharedTariff]) -> dict[Name, Tariff | None]:
    return {row.name: read_tariff(row.name[0], row.text) for row in rows}


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + PAGE_ROWS] for start in range(0, len(items), PAGE_ROWS))


def _adhoc_price(tariff: Tariff, moment: datetime) -> AdHocPrice | None:
    """What open formats say of a tariff; None where its VAT is not known: a net price is no price there."""
    headline, updated_at = headline_of(tariff, moment), tariff.terms.last_updated
    if not headline.has_vat or updated_at is None:
        return None
    return AdHocPrice(
        currency=headline.currency,
        updated_at=updated_at,
        per_kwh=_decimal(headline.kwh),
        per_minute=_decimal(headline.minute),
        per_session=_decimal(headline.session),
    )


def _decimal(amount: Fraction | None) -> Decimal | None:
    return None if amount is None else Decimal(plain(amount))
