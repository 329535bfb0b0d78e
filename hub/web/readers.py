"""The operator's list of those who read maps and open formats with a key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from hub.navigation.doorkeeper import Doorkeeper
from hub.store.readers import Reader
from hub.web.admin import admin_routes
from hub.web.asked import Asked
from hub.web.listing import PartyText
from ocpi_modules.errors import UnknownPath
from ocpi_modules.types import INT_MAX, DateTime, String

PER_SECOND_MAX = 10_000
PER_DAY_MAX = 1_000_000_000

ReaderId = Annotated[int, Path(ge=1, le=INT_MAX)]


class ReaderAsked(Asked):
    """Who gets a key, and how much it may ask. With a `party` it may ask for the prices of that eMSP, too."""

    name: Annotated[str, String(100), Field(min_length=1)]
    party: PartyText | None = None
    per_second: Annotated[int, Field(ge=1, le=PER_SECOND_MAX)] = 50
    per_day: Annotated[int, Field(ge=1, le=PER_DAY_MAX)] = 1_000_000


class ReaderMade(BaseModel):
    """A new reader, with its key: it is not shown again."""

    id: int
    key: str


class ReaderShown(BaseModel):
    """A reader, and how many requests it made today (UTC)."""

    id: int
    name: str
    party: str
    per_second: int
    per_day: int
    made_at: DateTime
    revoked_at: DateTime | None
    requests_today: int


def readers_router(doorkeeper: Doorkeeper, admin_token: str | None) -> APIRouter:
    """The routes under `/admin/readers`, open to the admin token only."""
    router = admin_routes(admin_token)

    @router.get("/readers")
    async def list_readers() -> list[ReaderShown]:
        """Everybody who has or had a key."""
        return [reader_shown(reader, used) for reader, used in await doorkeeper.all()]

    @router.post("/readers", status_code=201)
    async def add(asked: ReaderAsked) -> ReaderMade:
        """Give somebody a key."""
        number, key = await doorkeeper.add(asked.name, asked.party or "", asked.per_second, asked.per_day)
        return ReaderMade(id=number, key=key)

    @router.delete("/readers/{reader_id}", status_code=204)
    async def revoke(reader_id: ReaderId) -> None:
        """Take a key back."""
        if not await doorkeeper.revoke(reader_id):
            raise UnknownPath("there is no such reader with a key that counts")

    return router


def reader_shown(reader: Reader, used: int) -> ReaderShown:
    """A reader with its requests of today."""
    names = ("id", "name", "party", "per_second", "per_day", "made_at", "revoked_at")
    return ReaderShown(requests_today=used, **{name: getattr(reader, name) for name in names})
