"""Every version of what prices and permits a charge: true since when, and known since when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.versions import Said, VersionHistory
from ocpi_modules.module import Purpose
from ocpi_modules.types import decode_json, format_datetime
from tests.store import CP1, MS1, NOW, Object, owned_by, push

Example = Callable[..., Object]

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def copies(database: Database) -> AsyncIterator[Copies]:
    opened = Copies(database.direct)
    yield opened
    await opened.close()


@pytest.fixture
def history(database: Database) -> VersionHistory:
    return VersionHistory(database.direct)


def tariff(example: Example, **changes: Any) -> Object:
    return {**example("tariff"), **owned_by(CP1, id="ta1", last_updated=format_datetime(NOW)), **changes}


def content_of(said: Said) -> Object | None:
    return None if said.text is None else decode_json(said.text)


async def test_every_version_of_a_token_is_kept(copies: Copies, history: VersionHistory, example: Example) -> None:
    """F02: what was valid when a session began, and what the hub knew then."""
    for minutes, is_valid in enumerate((True, False, True)):
        date = NOW + minutes * MINUTE
        content = {**example("token"), **owned_by(MS1, uid="T1", valid=is_valid, last_updated=format_datetime(date))}
        await copies.keep(push("tokens", content, at=date + MINUTE / 2))
    versions = await history.of_keys("tokens", ["T1"])
    assert [decode_json(said.text or b"")["valid"] for said in versions] == [True, False, True]
    assert [(said.since, said.known_at) for said in versions] == [
        (NOW + minutes * MINUTE, NOW + minutes * MINUTE + MINUTE / 2) for minutes in range(3)
    ]
    assert {(said.owner, said.key, said.variant, said.audience) for said in versions} == {(MS1, "T1", "RFID", None)}


async def test_what_was_said_to_one_party_is_a_version_too(
    copies: Copies, history: VersionHistory, example: Example
) -> None:
    content = {**example("token"), **owned_by(MS1, uid="T1")}
    await copies.keep(push("tokens", content, audience=CP1))
    assert [said.audience for said in await history.of_keys("tokens", ["T1", "T2"])] == [CP1]


async def test_a_tariff_that_is_taken_away_leaves_its_versions(
    copies: Copies, history: VersionHistory, example: Example
) -> None:
    """G01."""
    await copies.keep(push("tariffs", tariff(example)))
    await copies.keep(push("tariffs", None, ids=("TA1",), owner=CP1, purpose=Purpose.REMOVE, at=NOW + MINUTE))
    first, last = await history.of_owners("tariffs", [CP1, MS1])
    assert (content_of(first) or {})["id"] == "ta1"
    assert (last.text, last.known_at) == (None, NOW + MINUTE)


async def test_what_changes_nothing_is_no_version(copies: Copies, history: VersionHistory, example: Example) -> None:
    content = tariff(example)
    await copies.keep(push("tariffs", content))
    await copies.keep(push("tariffs", content, is_pulled=True))
    await copies.keep(push("tariffs", tariff(example, last_updated=format_datetime(NOW - MINUTE))))
    assert len(await history.of_owners("tariffs", [CP1])) == 1


async def test_only_tokens_and_tariffs_have_versions(
    copies: Copies, database: Database, history: VersionHistory, example: Example
) -> None:
    """EVSEs change far too often; settlement keeps the Location that it looked at."""
    await copies.keep(push("locations", {**example("location"), **owned_by(CP1, id="L1")}))
    await copies.keep(push("tokens", {**example("token"), **owned_by(MS1, uid="T1")}))
    assert [*await history.owners("locations")] == []
    assert [*await history.owners("tokens")] == [MS1]
