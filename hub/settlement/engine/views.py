"""What eMSPs hold, out of the store and read once: views are large, and change seldom."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hub.clock import Clock
from hub.settlement.evidence import Held, HeldName, SettlementPeriod, View
from hub.settlement.periods import Period
from hub.settlement.view_file import decode_view, view_text
from hub.store.views import EmspViews, KeptView, digest_of
from ocpi_modules.parties import Party

READ_MAX_VIEWS = 64


class NoView(LookupError):
    """There is no such view."""


@dataclass(frozen=True, slots=True)
class Viewed:
    """What eMSPs hold, and of which periods they said it."""

    views: Mapping[Party, View] = field(default_factory=dict)
    spans: Mapping[Party, tuple[SettlementPeriod, ...]] = field(default_factory=dict)


class ViewShelf:
    """Takes views in, and reads them."""

    def __init__(self, table: EmspViews) -> None:
        self.table = table
        self._read: OrderedDict[bytes, View] = OrderedDict()

    async def put(self, emsp: Party, period: Period, given: tuple[View, str], clock: Clock) -> KeptView:
        """Keep what an eMSP holds of a period; the one before is replaced as a whole."""
        view, actor = given
        content = view_text(view)
        kept = KeptView(
            emsp=str(emsp),
            period=period.id,
            starts_at=period.start,
            ends_at=period.end,
            digest=digest_of(content),
            cdrs=len(view),
            given_by=actor,
            given_at=clock.now(),
        )
        await self.table.put(kept, content)
        return kept

    async def viewed(self, emsps: Collection[Party]) -> Viewed:
        """What some eMSPs hold."""
        views: defaultdict[Party, dict[HeldName, Held]] = defaultdict(dict)
        spans: defaultdict[Party, list[SettlementPeriod]] = defaultdict(list)
        for kept in await self.table.of_emsps({str(emsp) for emsp in emsps}):
            emsp = Party.parse(kept.emsp)
            views[emsp].update(await self.view_of(kept))
            spans[emsp].append(SettlementPeriod(kept.starts_at, kept.ends_at, kept.ends_at))
        return Viewed(dict(views), {emsp: tuple(found) for emsp, found in spans.items()})

    async def view_of(self, kept: KeptView) -> View:
        """What a view says. Raises NoView where it is gone."""
        if kept.digest not in self._read:
            content = await self.table.content(kept.emsp, kept.period)
            if content is None:
                raise NoView(f"there is no view of {kept.emsp} for {kept.period}")
            self._read[kept.digest] = decode_view(content, is_csv=False)
            while len(self._read) > READ_MAX_VIEWS:
                self._read.popitem(last=False)
        return self._read[kept.digest]
