"""Fixtures of the tests of local chargers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.store.database import Database
from tests.chargers.sitehouse import House


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    """A house on an empty database."""
    made = House(database)
    yield made
    await made.close()
