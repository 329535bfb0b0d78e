"""What the routes of maps and open formats want of prices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from hub.navigation.formats.publishing import AdHocPrice, TariffKey
from hub.navigation.location import PublicLocation
from hub.navigation.tariffs import Name


class PricePort(Protocol):
    """Prices of those who come without a contract."""

    @property
    def stamp(self) -> str:
        """Tells apart how prices are now."""

    def stamp_of(self, names: Collection[Name]) -> str:
        """Tells apart how the prices by some tariffs are now."""

    @property
    def changed_at(self) -> datetime | None:
        """When that changed last (UTC), as far as this process saw it."""

    async def of_features(self, wanted: Mapping[int, tuple[str, Sequence[str]]]) -> Mapping[int, Any]:
        """What is to be shown as the price of Locations, by number; asked with the owner and the ids of the tariffs of each."""

    async def of_location(self, location: PublicLocation) -> Mapping[str, Any]:
        """What is to be shown as the price of each connector of a Location, by ``EVSE uid/connector id``."""

    async def adhoc(self, wanted: Collection[TariffKey]) -> Mapping[TariffKey, AdHocPrice]:
        """The ad-hoc prices among some tariffs."""
