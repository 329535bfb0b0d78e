"""The routes that everybody may use, from what runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter

from hub.clock import Clock
from hub.navigation.desk import Navigation
from hub.navigation.formats.publishing import Publisher
from hub.navigation.routes.door import Licence
from hub.navigation.routes.following import FollowingDesk, following_router
from hub.navigation.routes.ocm import ocm_router
from hub.navigation.routes.open_formats import OpenDesk, open_routers
from hub.navigation.routes.page import MapPage, page_router
from hub.navigation.routes.price import PriceDesk, price_router
from hub.navigation.routes.querying import QueryDesk, query_router
from hub.navigation.routes.tiles import TileDesk, tile_router
from hub.partners.directory import Directory


@dataclass(frozen=True, slots=True)
class Published:
    """Who publishes, under which licence, at which address, and who takes part.

    `asset` gives the addresses of files that the map shares with the console.
    """

    publisher: Publisher
    licence: Licence
    base_url: str
    directory: Callable[[], Directory]
    asset: Callable[[str], str]


def navigation_routers(navigation: Navigation, clock: Clock, published: Published) -> list[APIRouter]:
    """All of them."""
    one, licence = navigation, published.licence
    following = FollowingDesk(one.places, one.follower, one.broadcast, licence)
    queries = QueryDesk(one.memory, one.follower, one.places, one.prices, clock, licence)
    opened = OpenDesk(
        memory=one.memory,
        follower=one.follower,
        places=one.places,
        prices=one.prices,
        clock=clock,
        publisher=published.publisher,
        base_url=published.base_url,
    )
    pricing = PriceDesk(
        places=one.places, prices=one.prices, directory=published.directory, clock=clock, licence=licence
    )
    tiles = TileDesk(one.memory, one.follower, one.snapshots)
    page = MapPage(published.publisher.name, licence, published.asset, one.memory)
    return [
        page_router(page),
        tile_router(tiles),
        query_router(queries),
        price_router(pricing),
        following_router(following),
        *open_routers(opened),
        ocm_router(opened),
    ]
