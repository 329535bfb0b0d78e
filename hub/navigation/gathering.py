"""Many public Locations, read a few at a time for formats that are written as a whole: never more in memory than one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hub.navigation.formats.publishing import AdHocPrice, TariffKey
from hub.navigation.location import PublicLocation, decode_location
from hub.navigation.ports import PricePort
from hub.store.publicplaces import PublicPlaces

BATCH_MAX_LOCATIONS = 500
BATCH_WAIT_SECONDS = 60.0


@dataclass(slots=True)
class Gathering:
    """Locations by their numbers, and the prices of those that were read last."""

    places: PublicPlaces
    prices: PricePort
    known_prices: dict[TariffKey, AdHocPrice] = field(default_factory=dict)

    async def read(self, numbers: Sequence[int]) -> list[PublicLocation]:
        """Some Locations in the order of their numbers; what is gone is left out."""
        texts = await self.places.texts(numbers)
        return [decode_location(texts[number]) for number in numbers if number in texts]

    async def read_priced(self, numbers: Sequence[int]) -> list[PublicLocation]:
        """The same, with their prices in `known_prices`."""
        found = await self.read(numbers)
        self.known_prices.clear()
        self.known_prices.update(await self.prices.adhoc({key for one in found for key in tariff_keys(one)}))
        return found

    def stream(self, numbers: Sequence[int], loop: asyncio.AbstractEventLoop) -> Iterator[PublicLocation]:
        """All of them, for a thread: each batch is read by the loop when it is wanted."""
        for start in range(0, len(numbers), BATCH_MAX_LOCATIONS):
            batch = numbers[start : start + BATCH_MAX_LOCATIONS]
            yield from asyncio.run_coroutine_threadsafe(self.read_priced(batch), loop).result(BATCH_WAIT_SECONDS)


def tariff_keys(location: PublicLocation) -> set[TariffKey]:
    """The tariffs that a Location names."""
    return {(location.party, tariff_id) for tariff_id in location.tariff_ids}
