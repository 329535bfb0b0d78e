"""Fixtures of the tests of local chargers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.chargers import promises
from hub.store.database import Database
from tests.chargers.faces import Face, running_face
from tests.chargers.sitehouse import House
from tests.databases import Databases


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    """A house on an empty database."""
    made = House(database)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def _face_of_the_file(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    async with databases.lent() as url, running_face(url, tmp_path_factory.mktemp("face")) as made:
        yield made


@pytest.fixture
async def face(_face_of_the_file: Face, monkeypatch: pytest.MonkeyPatch) -> Face:
    """The face of the local CPO, one for each file that looks at it, clean; results come at once."""
    monkeypatch.setattr(promises, "RESULT_AFTER_SECONDS", 0.05)
    await _face_of_the_file.clean()
    return _face_of_the_file
