"""The routes that everybody may use, from what runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from hub.clock import Clock
from hub.navigation.desk import Navigation
from hub.navigation.routes.door import Licence
from hub.navigation.routes.following import FollowingDesk, following_router
from hub.navigation.routes.querying import QueryDesk, query_router


class NoPrices:
    stamp = "0"

    async def of_features(self, wanted: Mapping[int, tuple[str, list[str]]]) -> Mapping[int, Any]:
        return {number: {"ad_hoc": "unknown"} for number in wanted}


def navigation_routers(navigation: Navigation, clock: Clock, licence: Licence) -> list[APIRouter]:
    """All of them."""
    one = navigation
    following = FollowingDesk(one.places, one.follower, one.broadcast, licence)
    queries = QueryDesk(one.memory, one.follower, one.places, NoPrices(), clock, licence)
    return [query_router(queries), following_router(following)]
