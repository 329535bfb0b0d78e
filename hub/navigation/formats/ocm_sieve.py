"""Which POIs a client of Open Charge Map wants, as far as only the text of a Location tells it.

Source: Open Charge Map's API (`/poi`): each of these parameters is an exact match on one of the ids, and those of connections have to be
true of one connection together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hub.navigation.formats import ocm_reference as words
from hub.navigation.formats.ocm import status_of, usage_of
from hub.navigation.location import Connector, PublicLocation
from hub.settlement.countries import alpha_2

Ids = frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """What a POI has to have; what is empty or None is not asked for. Power is in kW, with both ends; an unknown one is in no range."""

    country_code: str = ""
    country_ids: Ids = frozenset()
    status_type_ids: Ids = frozenset()
    usage_type_ids: Ids = frozenset()
    connection_type_ids: Ids = frozenset()
    level_ids: Ids = frozenset()
    power_min_kw: float | None = None
    power_max_kw: float | None = None

    @property
    def is_needed(self) -> bool:
        """Whether texts have to be looked at: memory tells powers and standards, and mostly the id of a kind of plug."""
        of_places = self.country_code or self.country_ids or self.status_type_ids or self.usage_type_ids
        return bool(of_places or self.level_ids) or words.parts_a_standard(self.connection_type_ids)

    def passes(self, location: PublicLocation) -> bool:
        """Whether a Location is wanted."""
        return (
            (not self.country_code or alpha_2(location.country) == self.country_code)
            and _is_one(self.country_ids, words.country_id_of(location.country))
            and _is_one(self.status_type_ids, status_of(location))
            and _is_one(self.usage_type_ids, usage_of(location))
            and (not (self.connection_type_ids or self.level_ids) or any(map(self._fits, location.connectors)))
        )

    def _fits(self, connector: Connector) -> bool:
        return (
            _is_one(self.connection_type_ids, words.connection_type_of(connector))
            and _is_one(self.level_ids, words.level_of(connector.kilowatts))
            and self._is_strong(connector.kilowatts)
        )

    def _is_strong(self, kilowatts: float | None) -> bool:
        if kilowatts is None:
            return self.power_min_kw is None and self.power_max_kw is None
        return (self.power_min_kw is None or kilowatts >= self.power_min_kw) and (
            self.power_max_kw is None or kilowatts <= self.power_max_kw
        )


def _is_one(wanted: Collection[int], found: int | None) -> bool:
    return not wanted or found in wanted
