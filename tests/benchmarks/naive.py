"""The obvious design, to compare with: FastAPI, pydantic models in and out, an SQLModel session a request, one shared httpx client.

`python -m tests.benchmarks.naive PORT` with NAIVE_DATABASE_URL; NAIVE_RECEIVERS holds the partners' addresses as JSON. It does what the
hub does for the same request, as a tutorial would: look up the caller, validate, merge, commit, pass on, answer.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel
from sqlalchemy import JSON, Column, DateTime, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

CALLER_TOKEN = "the-token-of-the-caller-of-the-naive-application"
TIMEOUT_SECONDS = 60.0  # with less it loses pushes to two hundred partners
TOKENS = {CALLER_TOKEN: "DE/BEN"}

# --- the objects -----------------------------------------------------------------------------


class GeoLocation(BaseModel):
    latitude: str
    longitude: str


class DisplayText(BaseModel):
    language: str
    text: str


class Image(BaseModel):
    url: str
    thumbnail: str | None = None
    category: str
    type: str
    width: int | None = None
    height: int | None = None


class BusinessDetails(BaseModel):
    name: str
    website: str | None = None
    logo: Image | None = None


class RegularHours(BaseModel):
    weekday: int
    period_begin: str
    period_end: str


class Hours(BaseModel):
    twentyfourseven: bool
    regular_hours: list[RegularHours] = []


class EnergySource(BaseModel):
    source: str
    percentage: float


class EnergyMix(BaseModel):
    is_green_energy: bool
    energy_sources: list[EnergySource] = []
    supplier_name: str | None = None
    energy_product_name: str | None = None


class Connector(BaseModel):
    id: str
    standard: str
    format: str
    power_type: str
    max_voltage: int
    max_amperage: int
    max_electric_power: int | None = None
    tariff_ids: list[str] = []
    last_updated: datetime


class Evse(BaseModel):
    uid: str
    evse_id: str | None = None
    status: str
    capabilities: list[str] = []
    connectors: list[Connector]
    floor_level: str | None = None
    coordinates: GeoLocation | None = None
    physical_reference: str | None = None
    parking_restrictions: list[str] = []
    images: list[Image] = []
    last_updated: datetime


class Location(BaseModel):
    country_code: str
    party_id: str
    id: str
    publish: bool
    name: str | None = None
    address: str
    city: str
    postal_code: str | None = None
    state: str | None = None
    country: str
    coordinates: GeoLocation
    parking_type: str | None = None
    evses: list[Evse] = []
    directions: list[DisplayText] = []
    operator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: list[str] = []
    time_zone: str
    opening_times: Hours | None = None
    charging_when_closed: bool | None = None
    images: list[Image] = []
    energy_mix: EnergyMix | None = None
    last_updated: datetime


class EvsePatch(BaseModel):
    status: str | None = None
    last_updated: datetime


class CdrToken(BaseModel):
    country_code: str
    party_id: str
    uid: str
    type: str
    contract_id: str


class CdrLocation(BaseModel):
    id: str
    name: str | None = None
    address: str
    city: str
    postal_code: str | None = None
    country: str
    coordinates: GeoLocation
    evse_uid: str
    evse_id: str
    connector_id: str
    connector_standard: str
    connector_format: str
    connector_power_type: str


class PriceComponent(BaseModel):
    type: str
    price: Decimal
    vat: Decimal | None = None
    step_size: int


class TariffElement(BaseModel):
    price_components: list[PriceComponent]


class Tariff(BaseModel):
    country_code: str
    party_id: str
    id: str
    currency: str
    elements: list[TariffElement]
    last_updated: datetime


class Dimension(BaseModel):
    type: str
    volume: Decimal


class ChargingPeriod(BaseModel):
    start_date_time: datetime
    dimensions: list[Dimension]
    tariff_id: str | None = None


class SignedValue(BaseModel):
    nature: str
    plain_data: str
    signed_data: str


class SignedData(BaseModel):
    encoding_method: str
    encoding_method_version: int | None = None
    public_key: str | None = None
    signed_values: list[SignedValue]


class Price(BaseModel):
    excl_vat: Decimal
    incl_vat: Decimal | None = None


class Cdr(BaseModel):
    country_code: str
    party_id: str
    id: str
    start_date_time: datetime
    end_date_time: datetime
    session_id: str | None = None
    cdr_token: CdrToken
    auth_method: str
    cdr_location: CdrLocation
    meter_id: str | None = None
    currency: str
    tariffs: list[Tariff] = []
    charging_periods: list[ChargingPeriod]
    signed_data: SignedData | None = None
    total_cost: Price
    total_energy: Decimal
    total_energy_cost: Price | None = None
    total_time: Decimal
    total_time_cost: Price | None = None
    last_updated: datetime


class Envelope(BaseModel):
    data: Any = None
    status_code: int = 1000
    status_message: str | None = None
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))


# --- the tables ------------------------------------------------------------------------------


class Row(SQLModel):
    """Apart from the hub's own tables, which migrations are compared with."""

    metadata = MetaData()


class LocationRow(Row, table=True):
    __tablename__ = "naive_location"

    id: str = Field(primary_key=True)
    last_updated: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, index=True))
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class CdrRow(Row, table=True):
    __tablename__ = "naive_cdr"

    id: str = Field(primary_key=True)
    last_updated: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, index=True))
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


# --- the application -------------------------------------------------------------------------

engine = create_async_engine(os.environ.get("NAIVE_DATABASE_URL", "postgresql+psycopg://"))
receivers: list[str] = json.loads(os.environ.get("NAIVE_RECEIVERS", "[]"))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Row.metadata.create_all)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        timeout=TIMEOUT_SECONDS, limits=limits, verify=os.environ.get("SSL_CERT_FILE") or True
    ) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def open_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as opened:
        yield opened


async def caller_of(authorization: Annotated[str, Header()]) -> str:
    try:
        return TOKENS[base64.b64decode(authorization.removeprefix("Token ")).decode()]
    except (KeyError, ValueError):
        raise HTTPException(401) from None


Session = Annotated[AsyncSession, Depends(open_session)]
Caller = Annotated[str, Depends(caller_of)]


@app.get("/ready")
async def ready() -> dict[str, str]:
    return {"status": "ok"}


@app.put("/locations/{country}/{party}/{location_id}")
async def put_location(location_id: str, location: Location, session: Session, caller: Caller) -> Envelope:
    content = location.model_dump(mode="json", exclude_none=True)
    await session.merge(LocationRow(id=location_id, last_updated=location.last_updated, content=content))
    await session.commit()
    return Envelope()


@app.patch("/locations/{country}/{party}/{location_id}/{evse_uid}")
async def patch_evse(location_id: str, evse_uid: str, patch: EvsePatch, session: Session, caller: Caller) -> Envelope:
    row = await session.get(LocationRow, location_id, with_for_update=True)
    if row is None:
        raise HTTPException(404)
    row.content = patched(row.content, evse_uid, patch)
    row.last_updated = patch.last_updated
    session.add(row)
    await session.commit()
    return Envelope()


def patched(content: dict[str, Any], evse_uid: str, patch: EvsePatch) -> dict[str, Any]:
    location = Location.model_validate(content)
    evse = next(evse for evse in location.evses if evse.uid == evse_uid)
    changes = patch.model_dump(exclude_unset=True)
    location.evses[location.evses.index(evse)] = evse.model_copy(update=changes)
    location.last_updated = patch.last_updated
    return location.model_dump(mode="json", exclude_none=True)


@app.get("/locations/{country}/{party}/{location_id}")
async def get_location(location_id: str, session: Session, caller: Caller) -> Envelope:
    row = await session.get(LocationRow, location_id)
    if row is None:
        raise HTTPException(404)
    return Envelope(data=Location.model_validate(row.content))


class LocationsEnvelope(Envelope):
    data: list[Location] = []


@app.get("/locations")
async def list_locations(
    request: Request, response: Response, session: Session, caller: Caller, offset: int = 0, limit: int = 50
) -> LocationsEnvelope:
    total = (await session.exec(select(func.count()).select_from(LocationRow))).one()
    rows = await session.exec(select(LocationRow).order_by(LocationRow.id).offset(offset).limit(limit))
    page = [Location.model_validate(row.content) for row in rows]
    response.headers["X-Total-Count"], response.headers["X-Limit"] = str(total), str(limit)
    if offset + limit < total:
        following = request.url.include_query_params(offset=offset + limit, limit=limit)
        response.headers["Link"] = f'<{following}>; rel="next"'
    return LocationsEnvelope(data=page)


@app.post("/cdrs", status_code=201)
async def post_cdr(cdr: Cdr, session: Session, caller: Caller) -> Envelope:
    if await session.get(CdrRow, cdr.id) is None:
        content = cdr.model_dump(mode="json", exclude_none=True)
        session.add(CdrRow(id=cdr.id, last_updated=cdr.last_updated, content=content))
        await session.commit()
    return Envelope()


@app.get("/count")
async def count(session: Session, caller: Caller) -> dict[str, int]:
    locations = (await session.exec(select(func.count()).select_from(LocationRow))).one()
    cdrs = (await session.exec(select(func.count()).select_from(CdrRow))).one()
    return {"locations": locations, "cdrs": cdrs}


@app.patch("/forward/{rest:path}")
async def forward_patch(rest: str, request: Request, patch: EvsePatch, session: Session, caller: Caller) -> Response:
    answer = await passed_on(request, f"{receivers[0]}/{rest}", patch)
    location_id, evse_uid = rest.split("/")[-2:]
    row = await session.get(LocationRow, location_id, with_for_update=True)
    if row is None:
        raise HTTPException(404)
    row.content, row.last_updated = patched(row.content, evse_uid, patch), patch.last_updated
    session.add(row)
    await session.commit()
    return answer


@app.put("/forward/{rest:path}")
async def forward_put(rest: str, request: Request, location: Location, session: Session, caller: Caller) -> Response:
    answer = await passed_on(request, f"{receivers[0]}/{rest}", location)
    content = location.model_dump(mode="json", exclude_none=True)
    await session.merge(LocationRow(id=location.id, last_updated=location.last_updated, content=content))
    await session.commit()
    return answer


async def passed_on(request: Request, url: str, content: BaseModel) -> Response:
    passed = ("authorization", "x-request-id", "x-correlation-id", "ocpi-from-party-id", "ocpi-to-party-id")
    headers = {name: request.headers[name] for name in passed if name in request.headers}
    body = content.model_dump_json(exclude_none=True)
    client: httpx.AsyncClient = request.app.state.client
    answer = await client.request(
        request.method, url, content=body, headers={**headers, "content-type": "application/json"}
    )
    return Response(answer.content, answer.status_code, media_type="application/json")


@app.put("/broadcast/{country}/{party}/{location_id}")
async def broadcast(
    location_id: str, request: Request, location: Location, session: Session, caller: Caller, to: int
) -> Envelope:
    content = location.model_dump(mode="json", exclude_none=True)
    await session.merge(LocationRow(id=location_id, last_updated=location.last_updated, content=content))
    await session.commit()
    pushes = (passed_on(request, f"{url}/DE/BEN/{location_id}", location) for url in receivers[:to])
    for outcome in await asyncio.gather(*pushes, return_exceptions=True):
        if isinstance(outcome, Exception):
            logging.warning("not delivered: %r", outcome)
    return Envelope()


def main() -> None:
    """Serve until ended."""
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning", ws="none")


if __name__ == "__main__":
    main()
