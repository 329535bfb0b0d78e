"""The settlement desk's interface to evidence: everything about a CDR or a dispute in one file to hand over."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from hub.settlement.engine.proof import ProofRoom
from hub.web.listing import settlement_routes
from hub.web.told import told
from ocpi_modules.parties import Party
from ocpi_modules.types import INT_MAX

ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "CDR as received, session, authorisation and command, tariffs, price, findings, what is billed and disputed",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def evidence_router(room: ProofRoom, admin_token: str | None) -> APIRouter:
    """The routes to evidence, open to the admin token only."""
    router = settlement_routes(admin_token)

    @router.get("/disputes/{dispute_id}/evidence.zip", response_class=Response, responses=ZIP)
    async def of_dispute(dispute_id: Annotated[int, Path(ge=1, le=INT_MAX)]) -> Response:
        """The evidence for a dispute; the same facts are the same bytes."""
        with told():
            return as_zip(await room.of_dispute(dispute_id))

    @router.get("/cdrs/{country_code}/{party_id}/{cdr_id:path}/evidence.zip", response_class=Response, responses=ZIP)
    async def of_cdr(country_code: str, party_id: str, cdr_id: str) -> Response:
        """The evidence for any CDR that the hub accepted."""
        with told():
            return as_zip(await room.of_cdr((str(Party.of(country_code, party_id)), cdr_id)))

    return router


def as_zip(content: bytes) -> Response:
    """A file that browsers keep."""
    headers = {"Content-Disposition": 'attachment; filename="evidence.zip"'}
    return Response(content, media_type="application/zip", headers=headers)
