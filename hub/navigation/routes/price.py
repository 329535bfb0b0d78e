"""What charging would cost there and then: `/nav/v1/price`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hub.clock import Clock
from hub.navigation.doorkeeper import Visitor
from hub.navigation.estimate import Question, Spot, estimate
from hub.navigation.location import PublicLocation, decode_location
from hub.navigation.price_asking import AD_HOC_NAME, Ref, read_payer, read_question, read_ref, spot_in
from hub.navigation.prices import Prices
from hub.navigation.problems import ReadingFault, missing, wrong
from hub.navigation.routes.door import VISITOR, Licence
from hub.navigation.tariffs import Tariff, chosen, is_contractual, name_of
from hub.partners.directory import Directory
from hub.store.publicplaces import PublicPlaces
from ocpi_modules.parties import Party
from ocpi_modules.tariffs import TARIFFS

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceDesk:
    """What questions about prices are answered with."""

    places: PublicPlaces
    prices: Prices
    directory: Callable[[], Directory]
    clock: Clock
    licence: Licence

    async def location(self, ref: Ref) -> PublicLocation:
        """A Location that is public. Raises ReadingFault (404)."""
        number = ref if isinstance(ref, int) else await self.places.number_of(*ref)
        texts = {} if number is None else await self.places.texts([number])
        if number is None or number not in texts:
            raise missing("Location of that name")
        return decode_location(texts[number])

    def payer(self, text: str, visitor: Visitor | None) -> Party | None:
        """As whom a visitor asks; None for drivers without contract. Raises ReadingFault (403)."""
        own = visitor.reader.party if visitor is not None and visitor.reader is not None else ""
        party = read_payer(text, own)
        if party is not None and not self.directory().roles(party) & TARIFFS.receivers:
            raise ReadingFault(
                403, "NOT_A_MEMBER", "the party that the key belongs to is no eMSP of this hub now", "as"
            )
        return party

    async def tariff(self, question: Question, spot: Spot, payer: Party | None) -> Tariff | None:
        """The tariff that counts at a connector when charging begins."""
        names = list(dict.fromkeys(name_of(spot.location.party, id_) for id_ in spot.connector.tariff_ids))
        if payer is None:
            known = await self.prices.public(names, question.start)
        else:
            seen = await self.prices.seen_by(payer, names, self.directory().closed_to(payer, TARIFFS))
            known = {name: one for name, one in seen.items() if is_contractual(one, question.start)}
        return chosen(known[name] for name in names if name in known)

    async def answer(self, question: Question, spot: Spot, payer: Party | None) -> dict[str, Any]:
        """The answer, with what it is about."""
        tariff = await self.tariff(question, spot, payer)
        priced = await asyncio.to_thread(
            estimate, question, spot, tariff
        )  # milliseconds, unless a tariff changes all the time
        return {
            "location": spot.location.ref,
            "evse": {"uid": spot.evse.uid, "evse_id": spot.evse.evse_id},
            "connector": spot.connector.id,
            "as": AD_HOC_NAME if payer is None else str(payer),
            **priced,
            **self.licence.as_json(),
        }


def price_router(desk: PriceDesk) -> APIRouter:
    """`/nav/v1/price`."""
    router = APIRouter(prefix="/nav/v1", tags=["maps"])

    @router.get("/price")
    async def price(
        request: Request,
        location: Annotated[str | None, Query(description="CC/PID/id of a Location, or its number")] = None,
        evse: Annotated[str | None, Query(description="the uid of an EVSE, or its EVSE id")] = None,
        connector: Annotated[str | None, Query(description="its id, where the EVSE has several")] = None,
        kwh: Annotated[str | None, Query(description="how much is charged")] = None,
        minutes: Annotated[str | None, Query(description="how long the car charges")] = None,
        parked_minutes: Annotated[str | None, Query(description="how long it stays when it is charged")] = None,
        start: Annotated[str | None, Query(description="when it begins, now where nothing is said")] = None,
        max_kw: Annotated[str | None, Query(description="the most that the car takes")] = None,
        payer: Annotated[
            str, Query(alias="as", description="adhoc, or the eMSP that the key belongs to, as CC/PID")
        ] = AD_HOC_NAME,
    ) -> Response:
        """What charging would cost there, with VAT: by the tariff for drivers without contract, or by that of the reader's own eMSP.

        `unknown` where nobody knows, with a `reason`. Say `kwh`, or `minutes`, or both: what is left out follows from the power.
        """
        if location is None or evse is None:
            raise wrong("location" if location is None else "evse", "has to be said", "MISSING_PARAMETER")
        asked_as = desk.payer(payer, getattr(request.state, VISITOR, None))
        question = read_question(request.query_params, desk.clock.now())
        spot = spot_in(await desk.location(read_ref(location)), evse, connector)
        body = _encode(await desk.answer(question, spot, asked_as))
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")

    return router
