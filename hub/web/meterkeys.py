"""The settlement desk's registry of meter keys: the public keys that signed meter data of CDRs are verified with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub.clock import Clock
from hub.metering import KEY_MAX_CHARACTERS, NotAKey, read_key
from hub.store.meterkeys import AlreadyThere, KeptMeterKey, KeysAsked, MeterKeys
from hub.web.asked import Asked
from hub.web.decisions import CONFLICT, read_place
from hub.web.listing import PAGE_ROWS, Actor, After, Limit, Page, PartyText, page_of, settlement_routes
from ocpi_modules.errors import ClientFault, UnknownPath
from ocpi_modules.types import INT_MAX, DateTime, String, fold

KEYS_MAX = 1_000
METER_ID_MAX_CHARACTERS = 255


def _meter(text: str) -> str:
    if not text.strip() or "\x00" in text:
        raise ValueError("is empty: a meter id, or the uid of an EVSE")
    return fold(text.strip())


def _key(text: str) -> str:
    try:
        return read_key(text)
    except NotAKey as refused:
        raise ValueError(str(refused)) from refused


MeterId = Annotated[str, String(METER_ID_MAX_CHARACTERS), AfterValidator(_meter)]
KeyId = Annotated[int, Path(ge=1, le=INT_MAX)]
ActorAsked = Annotated[Actor, Query(description="The name of who withdraws it.", examples=["Ines"])]

_EXAMPLE_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncD"
    "fYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
)


class MeterKeyAsked(Asked):
    """A public key (PEM, or DER as base64 or hex) of a meter, by its id or by the uid of its EVSE.

    It counts for charges that begin at `valid_from` or later, until a later key of the same meter.
    """

    owner: PartyText
    meter_id: MeterId
    public_key: Annotated[str, String(KEY_MAX_CHARACTERS), AfterValidator(_key)]
    valid_from: DateTime


class MeterKeysAsked(Asked):
    """Keys to register, all of them or none, and who does it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "actor": "Ines",
                "keys": [
                    {
                        "owner": "DE/ABC",
                        "meter_id": "1EMH0012345678",
                        "public_key": _EXAMPLE_KEY,
                        "valid_from": "2026-10-01T00:00:00Z",
                    }
                ],
            }
        }
    )

    actor: Actor
    keys: Annotated[list[MeterKeyAsked], Field(min_length=1, max_length=KEYS_MAX)]


class MeterKeyShown(BaseModel):
    """A key, base64 of its DER form; it counts no more where it was withdrawn."""

    id: int
    owner: str
    meter_id: str
    public_key: str
    valid_from: DateTime
    registered_by: str
    registered_at: DateTime
    withdrawn_by: str
    withdrawn_at: DateTime | None


@dataclass(frozen=True, slots=True)
class MeterKeysDesk:
    """What requests about keys are carried out with."""

    keys: MeterKeys
    clock: Clock

    async def page(self, asked: KeysAsked, limit: int) -> Page[MeterKeyShown]:
        """A page of keys."""
        found = await self.keys.page(asked, limit + 1)
        return page_of(found, limit, show_key, lambda one: (str(one.id),))

    async def register(self, asked: MeterKeysAsked) -> list[MeterKeyShown]:
        """Register keys. Raises ClientFault (409) where a meter has one from the same moment on."""
        try:
            return [*map(show_key, await self.keys.add([self._kept(one, asked.actor) for one in asked.keys]))]
        except AlreadyThere as refused:
            raise ClientFault(str(refused), http_status=CONFLICT) from refused

    async def withdraw(self, key_id: int, actor: str) -> None:
        """Let a key count no more. Raises UnknownPath (404)."""
        if not await self.keys.withdraw(key_id, actor, self.clock.now()):
            raise UnknownPath("there is no such key that counts")

    def _kept(self, asked: MeterKeyAsked, actor: str) -> KeptMeterKey:
        return KeptMeterKey(**dict(asked), registered_by=actor, registered_at=self.clock.now())


def meterkeys_router(desk: MeterKeysDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/settlement/meter-keys`, open to the admin token only."""
    router = settlement_routes(admin_token)

    @router.get("/meter-keys")
    async def list_keys(
        owner: PartyText | None = None,
        meter_id: MeterId | None = None,
        after: After = None,
        limit: Limit = PAGE_ROWS,
    ) -> Page[MeterKeyShown]:
        """Every key, also those that were withdrawn, in the order in which they were registered."""
        return await desk.page(KeysAsked(owner=owner, meter_id=meter_id, after=read_place(after) or 0), limit)

    @router.post("/meter-keys", status_code=201)
    async def register(asked: MeterKeysAsked) -> list[MeterKeyShown]:
        """Register public keys of meters, all of them or none. CDRs with signed data that are not billed are looked at again."""
        return await desk.register(asked)

    @router.delete("/meter-keys/{key_id}", status_code=204)
    async def withdraw(key_id: KeyId, actor: ActorAsked) -> None:
        """Let a key count no more, for whatever charge; it stays listed. What was found with it and is not billed is looked at again."""
        await desk.withdraw(key_id, actor)

    return router


def show_key(kept: KeptMeterKey) -> MeterKeyShown:
    """A key as it is shown."""
    return MeterKeyShown.model_validate(kept, from_attributes=True)
