"""Everything that maps and open formats work with in one process, put together once."""

from __future__ import annotations

from dataclasses import dataclass

from hub.clock import Clock
from hub.navigation.doorkeeper import Doorkeeper, Terms
from hub.navigation.follower import Follower, Memory
from hub.navigation.prices import Prices
from hub.navigation.projector import Projecting, Projector, Standings
from hub.navigation.snapshotting import Shelf, Snapshots
from hub.navigation.streams import Broadcast
from hub.store.direct import Direct
from hub.store.publicplaces import PublicPlaces
from hub.store.publictariffs import PublicTariffs
from hub.store.readers import Readers


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """What runs: the projector in the process that leads, everything else in each."""

    direct: Direct
    places: PublicPlaces
    memory: Memory
    broadcast: Broadcast
    follower: Follower
    projector: Projector
    doorkeeper: Doorkeeper
    prices: Prices
    snapshots: Snapshots

    def start(self) -> None:
        """Begin to follow what changes."""
        self.follower.start()
        self.doorkeeper.start()

    async def close(self) -> None:
        """End all streams, and write what is to be kept."""
        await self.projector.close()
        await self.follower.close()
        await self.doorkeeper.close()
        await self.snapshots.close()
        await self.direct.close()


def open_navigation(direct: Direct, clock: Clock, standings: Standings, terms: Terms, shelf: Shelf) -> Navigation:
    """On connections of its own, so that many readers of maps do not keep partners waiting."""
    places, memory, broadcast = PublicPlaces(direct), Memory(), Broadcast()
    follower, prices = Follower(places, memory, broadcast), Prices(PublicTariffs(direct), clock)
    follower.each_look(prices.look)
    means = Projecting(places=places, clock=clock, standings=standings, changed=follower.wake)
    return Navigation(
        direct=direct,
        places=places,
        memory=memory,
        broadcast=broadcast,
        follower=follower,
        projector=Projector(means),
        doorkeeper=Doorkeeper(Readers(direct), clock, terms),
        prices=prices,
        snapshots=Snapshots(memory, shelf),
    )
