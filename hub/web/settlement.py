"""The settlement desk's interface: what a CDR should have cost. Plain JSON under `/settlement`, for the admin token only."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPBearer

from hub.pricing.interface import price_line
from hub.web.admin import guarded_route
from hub.web.ocpi import read_body
from ocpi_modules.errors import InvalidParameters, NotJson
from ocpi_modules.types import NotJsonText, decode_json


def settlement_router(admin_token: str | None, body_max_bytes: int) -> APIRouter:
    """The routes under `/settlement`, open to the admin token only; closed (403) when none is configured."""
    router = APIRouter(
        prefix="/settlement",
        tags=["settlement"],
        route_class=guarded_route(admin_token),
        dependencies=[Depends(HTTPBearer(auto_error=False))],
    )

    @router.post("/price", openapi_extra=PRICE_BODY, responses=PRICE_ANSWERS)
    async def price(request: Request) -> Response:
        """What a CDR should have cost by its tariffs, line by line; nothing is stored.

        Amounts are exact. A CDR that cannot be priced is answered with `unpriceable` and the reason.
        """
        body = await read_body(request.receive, request.headers, body_max_bytes)
        return Response(priced(body), media_type="application/json")

    return router


def priced(body: bytes) -> bytes:
    """The answer to a body. Raises NotJson, and InvalidParameters for what cannot be read as a CDR with its tariffs."""
    try:
        decode_json(body)
    except NotJsonText as exc:
        raise NotJson(str(exc)) from exc
    answer = price_line(body)
    fault = decode_json(answer).get("error")
    if fault is not None:
        raise InvalidParameters(fault)
    return answer


# --- shown at /docs ---

EXAMPLE: dict[str, Any] = {
    "cdr": {
        "country_code": "NL",
        "party_id": "ABC",
        "id": "CDR-0001",
        "start_date_time": "2026-10-02T20:10:00Z",
        "end_date_time": "2026-10-02T21:40:00Z",
        "cdr_token": {
            "country_code": "DE",
            "party_id": "XYZ",
            "uid": "04A2B9C1D35E80",
            "type": "RFID",
            "contract_id": "DE-XYZ-C0012345-X",
        },
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "LOC1",
            "address": "Oudegracht 1",
            "city": "Utrecht",
            "postal_code": "3511AB",
            "country": "NLD",
            "coordinates": {"latitude": "52.090700", "longitude": "5.121400"},
            "evse_uid": "LOC1-1",
            "evse_id": "NL*ABC*ELOC1*1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": "2026-10-02T20:10:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 10.0}, {"type": "TIME", "volume": 1.0}],
                "tariff_id": "EVENING",
            },
            {
                "start_date_time": "2026-10-02T21:10:00Z",
                "dimensions": [{"type": "PARKING_TIME", "volume": 0.5}],
                "tariff_id": "EVENING",
            },
        ],
        "total_cost": {"excl_vat": 5.5, "incl_vat": 6.6},
        "total_energy": 10.0,
        "total_time": 1.5,
        "last_updated": "2026-10-02T21:41:00Z",
    },
    "tariffs": [
        {
            "country_code": "NL",
            "party_id": "ABC",
            "id": "EVENING",
            "currency": "EUR",
            "elements": [
                {
                    "price_components": [{"type": "ENERGY", "price": 0.25, "vat": 20, "step_size": 1}],
                    "restrictions": {"start_time": "22:00", "end_time": "06:00"},
                },
                {
                    "price_components": [
                        {"type": "FLAT", "price": 1.5, "vat": 20, "step_size": 1},
                        {"type": "ENERGY", "price": 0.4, "vat": 20, "step_size": 1},
                        {"type": "PARKING_TIME", "price": 3, "vat": 20, "step_size": 600},
                    ]
                },
            ],
            "last_updated": "2026-09-01T00:00:00Z",
        }
    ],
    "timezone": "Europe/Amsterdam",
}
"""A night price that counts from 22:00 in Utrecht, ten minutes after 20:00 UTC in summer: 1.50 + 10 kWh at 0.25 + half an hour at 3.00."""

PRICE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["cdr"],
                    "properties": {
                        "cdr": {"$ref": "#/components/schemas/CDR"},
                        "tariffs": {"type": "array", "items": {"$ref": "#/components/schemas/Tariff"}},
                        "timezone": {"type": "string", "description": "IANA name; else the zone of `location`"},
                        "location": {"$ref": "#/components/schemas/Location"},
                        "charging_preference": {"type": "string", "enum": ["CHEAP", "FAST", "GREEN", "REGULAR"]},
                        "policy": {"type": "object", "description": "settings that differ from their defaults"},
                        "explain": {"type": "boolean", "description": "also why the CDR claims another amount"},
                    },
                },
                "example": EXAMPLE,
            }
        },
    }
}

PRICE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The priced CDR, or `unpriceable` with the reason", "content": {"application/json": {}}},
    400: {"description": "Not JSON, or not a CDR with its tariffs"},
}
