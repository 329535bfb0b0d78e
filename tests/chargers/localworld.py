"""A running hub of which a test knows the inside: where it has no wiring of its own for a part, the test puts that part in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import hub.app
from hub.app import Hub, new_id
from hub.chargers import keeper
from hub.chargers.localparty import Desks, LocalCpo, LocalDesk, LocalParty
from hub.chargers.overheard import Overheard
from hub.chargers.voice import Voice
from hub.clock import SystemClock
from ocpi_modules.parties import Party
from tests.conftest import World, running_hub

LOC, MS1, MS2 = Party("NL", "LOC"), Party("NL", "MS1"), Party("BE", "MS2")
NAME = "Chargers of the hub"


@dataclass
class LocalWorld:
    """The world, the hub in it, and the local CPO, which has not joined yet."""

    world: World
    hub: Hub
    party: LocalParty
    voice: Voice

    def serve(self, desks: Desks) -> None:
        """Let these answer the calls to the local CPO."""
        self.hub.client.serve_locally(LocalDesk(desks, SystemClock()))


@asynccontextmanager
async def local_world(database_url: str, tmp_path: Path, **settings: object) -> AsyncIterator[LocalWorld]:
    """A hub with nobody in it; what it asks new partners of its own accord comes late."""
    made: list[Hub] = []

    class SeenHub(Hub):
        def __init__(self, *given: object) -> None:
            super().__init__(*given)  # type: ignore[arg-type]  # handed on as they are
            made.append(self)

    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(hub.app, "Hub", SeenHub)
        for name in ("LOOK_SECONDS", "PROFILES_LOOK_SECONDS"):  # what is due to commands, tests do themselves
            patch.setattr(keeper, name, 3600.0)
        quiet = {"pull_settle_seconds": 3600.0, **settings}
        world = await stack.enter_async_context(running_hub(database_url, tmp_path, **quiet))
        (inside,) = made
        clock = SystemClock()
        party = LocalParty(LocalCpo(LOC, NAME), inside.partners, inside.roster, clock)
        overheard = Overheard(inside.recorder.note, clock)
        yield LocalWorld(world, inside, party, Voice(LOC, inside.router, inside.roster, new_id, overheard))
