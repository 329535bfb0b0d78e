"""One hub for the tests of a file: it starts with LOC1, which everybody can see."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.databases import Databases
from tests.navigation.land import Land, open_land
from tests.npm.harness import node

__all__ = ["node"]

UNPACED_PER_SECOND = 10_000


@pytest.fixture(scope="module")
async def land(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Land]:
    """A land in which nobody asks too fast."""
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, open_land(url, folder, map_anonymous_per_second=UNPACED_PER_SECOND) as made:
        await made.until_found("DE/ABC/LOC1", bbox="13,52,14,53")
        yield made
