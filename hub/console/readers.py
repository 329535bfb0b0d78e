"""Who reads maps and open formats with a key: how much each may ask and asked, keys that are given and taken back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response

from hub.console.accounts import Permission
from hub.console.listing import Column, FilterField, Listing, add_listing, sliced, validated
from hub.console.routes import Console, done
from hub.navigation.doorkeeper import Doorkeeper
from hub.store.readers import Reader
from hub.web.listing import Filters, Page
from hub.web.readers import ReaderAsked, ReaderShown, reader_shown
from ocpi_modules.errors import UnknownPath
from ocpi_modules.types import INT_MAX

READERS_PATH = "/console/readers"
DAYS_SHOWN_MAX = 31
FIELD_MAX_CHARACTERS = 100


def readers_router(console: Console, doorkeeper: Doorkeeper) -> APIRouter:
    """The pages of readers."""
    router = console.router()
    add_listing(router, console, _readers(doorkeeper))
    _add_reader(router, console, doorkeeper)

    @router.post("/readers")
    async def add(
        request: Request,
        name: Annotated[str, Form(max_length=FIELD_MAX_CHARACTERS)],
        per_second: Annotated[str, Form(max_length=FIELD_MAX_CHARACTERS)],
        per_day: Annotated[str, Form(max_length=FIELD_MAX_CHARACTERS)],
        party: Annotated[str, Form(max_length=FIELD_MAX_CHARACTERS)] = "",
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        said = {"name": name.strip(), "per_second": per_second, "per_day": per_day, "party": party.strip()}
        asked = validated(ReaderAsked, {field: text for field, text in said.items() if text})
        number, key = await doorkeeper.add(asked.name, asked.party or "", asked.per_second, asked.per_day)
        await console.gate.note(request, person, "reader_added", asked.name, reader=number)
        values = {"name": asked.name, "key": key, "path": reader_path(number)}
        return await console.page(request, "reader_key.html", values, 201)

    return router


def _add_reader(router: APIRouter, console: Console, doorkeeper: Doorkeeper) -> None:
    @router.get("/readers/{reader_id:int}")
    async def show(request: Request, reader_id: int) -> Response:
        console.person(request, Permission.OPERATE)
        one = await _one(doorkeeper, reader_id)
        days = await doorkeeper.days(reader_id, DAYS_SHOWN_MAX)
        return await console.page(request, "reader.html", {"one": one, "days": days})

    @router.post("/readers/{reader_id:int}/revoke")
    async def revoke(request: Request, reader_id: int) -> Response:
        person = console.person(request, Permission.OPERATE)
        one = await _one(doorkeeper, reader_id)
        if not await doorkeeper.revoke(reader_id):
            return done(reader_path(reader_id), "The key was taken back before.", is_good=False)
        await console.gate.note(request, person, "reader_revoked", one.name, reader=reader_id)
        return done(reader_path(reader_id), "The key counts no more; where it was used just now, within seconds.")


async def _one(doorkeeper: Doorkeeper, reader_id: int) -> ReaderShown:
    found = await doorkeeper.one(reader_id) if reader_id <= INT_MAX else None
    if found is None:
        raise UnknownPath("there is no such reader")
    return reader_shown(*found)


def reader_path(reader_id: int) -> str:
    """The page of a reader."""
    return f"{READERS_PATH}/{reader_id}"


class ReaderFilters(Filters):
    """Whether those are wanted whose key counts, or those whose key was taken back."""

    key: Literal["counts", "gone"] | None = None


def _key_of(reader: Reader) -> str:
    return "counts" if reader.revoked_at is None else "gone"


def _readers(doorkeeper: Doorkeeper) -> Listing[ReaderShown, ReaderFilters]:
    async def read(asked: ReaderFilters) -> Page[ReaderShown]:
        known = await doorkeeper.all()
        shown = [reader_shown(reader, used) for reader, used in known if asked.key in {None, _key_of(reader)}]
        return sliced(shown, asked)

    return Listing(
        title="Map readers",
        intro="Who reads maps and open formats with a key, and how much. Others are held to the pace for those without a key.",
        path=READERS_PATH,
        template="readers.html",
        needs=Permission.OPERATE,
        columns=(
            Column(key="name", label="Reader", value=lambda row: row.name, link=lambda row: reader_path(row.id)),
            Column(
                key="requests_today",
                label="Requests today (UTC)",
                value=lambda row: row.requests_today,
                kind="number",
                link=lambda row: f"{reader_path(row.id)}#days",
            ),
            Column(key="per_day", label="A day at most", value=lambda row: row.per_day, kind="number", is_minor=True),
            Column(
                key="per_second",
                label="A second at most",
                value=lambda row: row.per_second,
                kind="number",
                is_minor=True,
            ),
            Column(
                key="party",
                label="Prices of",
                value=lambda row: row.party,
                link=lambda row: f"/console/parties/{row.party}" if row.party else None,
                is_minor=True,
            ),
            Column(key="made_at", label="Since", value=lambda row: row.made_at, kind="moment", is_minor=True),
            Column(key="revoked_at", label="Taken back", value=lambda row: row.revoked_at, kind="moment"),
        ),
        filters=(FilterField(name="key", label="Key", choices=(("counts", "counts"), ("gone", "taken back"))),),
        asked=ReaderFilters,
        read=read,
        empty="Nobody has a key yet. Give one to an app below: it may then ask more than somebody without a key.",
    )
