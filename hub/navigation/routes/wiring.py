"""The routes that everybody may use, from what runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from hub.clock import Clock
from hub.navigation.desk import Navigation
from hub.navigation.formats.publishing import Publisher
from hub.navigation.routes.door import Licence
from hub.navigation.routes.following import FollowingDesk, following_router
from hub.navigation.routes.ocm import ocm_router
from hub.navigation.routes.open_formats import OpenDesk, open_routers
from hub.navigation.routes.querying import QueryDesk, query_router


@dataclass(frozen=True, slots=True)
class Published:
    """Who publishes, under which licence, and at which address."""

    publisher: Publisher
    licence: Licence
    base_url: str


class NoPrices:
    stamp = "0"

    async def of_features(self, wanted: Mapping[int, tuple[str, list[str]]]) -> Mapping[int, Any]:
        return {number: {"ad_hoc": "unknown"} for number in wanted}

    async def adhoc(self, wanted: Any) -> Mapping[Any, Any]:
        return {}


def navigation_routers(navigation: Navigation, clock: Clock, published: Published) -> list[APIRouter]:
    """All of them."""
    one, licence = navigation, published.licence
    following = FollowingDesk(one.places, one.follower, one.broadcast, licence)
    queries = QueryDesk(one.memory, one.follower, one.places, NoPrices(), clock, licence)
    opened = OpenDesk(
        memory=one.memory,
        follower=one.follower,
        places=one.places,
        prices=NoPrices(),
        clock=clock,
        publisher=published.publisher,
        base_url=published.base_url,
    )
    return [query_router(queries), following_router(following), *open_routers(opened), ocm_router(opened)]
