"""The world told to the hub: every platform publishes what it has, the CPOs post the CDRs of the month."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hub.demo.remote import Push, Remote, Said
from hub.demo.shelf import Object
from hub.demo.stage import HUB, Stage
from hub.demo.world import read_objects
from ocpi_modules.catalog import MODULES
from ocpi_modules.parties import Party

SEED_MAX_AT_ONCE = 8
REFUSALS_SHOWN_MAX = 5

Advance = Callable[[str], None]


class SeedRefused(RuntimeError):
    """The hub refused something of the world."""


@dataclass(frozen=True, slots=True)
class Told:
    """One object of the world on its way: by whom, in which module."""

    remote: Remote
    party: Party
    module_id: str
    content: Object

    async def send(self) -> Said:
        """PUT it to the hub for everybody, or POST it when it is a CDR."""
        if self.module_id == "cdrs":
            return await self.remote.post_cdr(self.content, HUB)
        key = str(self.content[MODULES[self.module_id].key])
        return await self.remote.push(Push(self.module_id, self.party, (key,), self.content, HUB))


def everything(stage: Stage, module_ids: tuple[str, ...]) -> list[Told]:
    """All objects of these modules, module by module."""
    return [told for module_id in module_ids for told in _of_module(stage, module_id)]


async def seed(tellings: list[Told], advance: Advance) -> None:
    """Send all, at most SEED_MAX_AT_ONCE at once; `advance` hears the module of each. Raises SeedRefused."""
    refused: list[str] = []
    queue = iter(tellings)
    async with asyncio.TaskGroup() as group:
        for _ in range(SEED_MAX_AT_ONCE):
            group.create_task(_send_from(queue, refused, advance))
    if refused:
        shown = "\n".join(refused[:REFUSALS_SHOWN_MAX])
        raise SeedRefused(f"the hub refused {len(refused)} of {len(tellings)} objects:\n{shown}")


async def _send_from(queue: Iterator[Told], refused: list[str], advance: Advance) -> None:
    for told in queue:
        said = await told.send()
        if not said.is_success:
            refused.append(f"{told.module_id} of {told.party}: {said}")
        advance(told.module_id)


def _of_module(stage: Stage, module_id: str) -> Iterator[Told]:
    for cast in stage.casts:
        for party in cast.parties:
            for content in read_objects(party, module_id):
                yield Told(stage.platforms[cast.name], party, module_id, content)
