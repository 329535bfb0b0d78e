"""Keys of meters: the public keys that signed meter data are verified with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from hub.console.accounts import Permission
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.parties import read_local
from hub.console.routes import Console, done
from hub.metering import KEY_MAX_CHARACTERS
from hub.store.meterkeys import KeysAsked
from hub.web.decisions import read_place
from hub.web.listing import Filters, Page, PartyText
from hub.web.meterkeys import METER_ID_MAX_CHARACTERS, MeterId, MeterKeysAsked, MeterKeysDesk, MeterKeyShown
from ocpi_modules.errors import InvalidParameters, UnknownPath

KEYS_PATH = "/console/meter-keys"


def meterkeys_router(console: Console, desk: MeterKeysDesk) -> APIRouter:
    """The pages of meter keys."""
    router = console.router()
    add_listing(router, console, _keys(desk))
    _add_key(router, console, desk)

    @router.post("/meter-keys")
    async def register(
        request: Request,
        owner: Annotated[str, Form(max_length=20)],
        meter_id: Annotated[str, Form(max_length=METER_ID_MAX_CHARACTERS)],
        public_key: Annotated[str, Form(max_length=KEY_MAX_CHARACTERS)],
        valid_from: Annotated[str, Form(max_length=40)],
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        moment = read_local(valid_from, person.zone) or datetime.min.replace(tzinfo=UTC)
        key = {"owner": owner, "meter_id": meter_id, "public_key": public_key, "valid_from": moment}
        (made,) = await desk.register(read_keys({"actor": person.name, "keys": [key]}))
        await console.gate.note(request, person, "meter_key_registered", f"{made.owner} {made.meter_id}", key=made.id)
        return done(key_path(made.id), "The key counts. CDRs with signed data that are not billed are looked at again.")

    return router


def _add_key(router: APIRouter, console: Console, desk: MeterKeysDesk) -> None:
    @router.get("/meter-keys/{key_id:int}")
    async def show(request: Request, key_id: int) -> Response:
        console.person(request)
        return await console.page(request, "meter_key.html", {"one": await _key(desk, key_id)})

    @router.post("/meter-keys/{key_id:int}/withdraw")
    async def withdraw(request: Request, key_id: int) -> Response:
        person = console.person(request, Permission.OPERATE)
        one = await _key(desk, key_id)
        await desk.withdraw(key_id, person.name)
        await console.gate.note(request, person, "meter_key_withdrawn", f"{one.owner} {one.meter_id}", key=key_id)
        return done(
            key_path(key_id), "The key counts no more. What was found with it and is not billed is looked at again."
        )


async def _key(desk: MeterKeysDesk, key_id: int) -> MeterKeyShown:
    page = await desk.page(KeysAsked(after=key_id - 1), 1)
    if not page.items or page.items[0].id != key_id:
        raise UnknownPath("there is no such key")
    return page.items[0]


def key_path(key_id: int) -> str:
    """The page of a key."""
    return f"{KEYS_PATH}/{key_id}"


def read_keys(content: dict[str, object]) -> MeterKeysAsked:
    """What a form asks for. Raises InvalidParameters, naming the field."""
    try:
        return MeterKeysAsked.model_validate(content)
    except ValidationError as exc:
        fault = exc.errors()[0]
        raise InvalidParameters(f"{fault['loc'][-1]}: {fault['msg']}", http_status=400) from exc


class KeyFilters(Filters):
    """Whose keys are wanted."""

    owner: PartyText | None = None
    meter_id: MeterId | None = None


def _keys(desk: MeterKeysDesk) -> Listing[MeterKeyShown, KeyFilters]:
    async def read(asked: KeyFilters) -> Page[MeterKeyShown]:
        wanted = KeysAsked(owner=asked.owner, meter_id=asked.meter_id, after=read_place(asked.after) or 0)
        return await desk.page(wanted, asked.limit)

    return Listing(
        title="Meter keys",
        intro="Signed meter data is believed by the registered key of its meter only.",
        path=KEYS_PATH,
        template="meter_keys.html",
        columns=(
            Column(key="id", label="Key", value=lambda row: str(row.id), link=lambda row: key_path(row.id)),
            Column(
                key="owner",
                label="CPO",
                value=lambda row: row.owner,
                link=lambda row: f"{KEYS_PATH}?owner={row.owner}",
            ),
            Column(key="meter_id", label="Meter or EVSE", value=lambda row: row.meter_id, kind="code"),
            Column(key="valid_from", label="Counts from", value=lambda row: row.valid_from, kind="moment"),
            Column(key="registered_by", label="Registered by", value=lambda row: row.registered_by, is_minor=True),
            Column(
                key="registered_at",
                label="Registered",
                value=lambda row: row.registered_at,
                kind="moment",
                is_minor=True,
            ),
            Column(key="withdrawn_at", label="Withdrawn", value=lambda row: row.withdrawn_at, kind="moment"),
        ),
        filters=(
            FilterField(name="owner", label="CPO", placeholder="DE/ABC"),
            FilterField(name="meter_id", label="Meter or EVSE"),
        ),
        asked=KeyFilters,
        read=read,
        empty="No key is registered: signed meter data of CDRs cannot be verified yet. Operators register keys below.",
    )
