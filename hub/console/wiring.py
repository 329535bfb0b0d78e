"""The whole console as routers: what `app` puts into the application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from hub.console.agreements import agreements_router
from hub.console.alerts import alerts_routers
from hub.console.alertwatch import AlertsDesk
from hub.console.causes import CauseDesks, causes_router
from hub.console.cdrs import cdrs_router
from hub.console.charges import charges_router
from hub.console.checklist import checklist_router
from hub.console.corrections import corrections_router
from hub.console.decisions import decisions_router
from hub.console.disputes import DisputeDesks, disputes_router
from hub.console.due import due_router
from hub.console.findings import findings_router
from hub.console.guests import Guests, links_router, room_router
from hub.console.health import health_routers
from hub.console.inviting import inviting_router, watching_router
from hub.console.lanes import lanes_router
from hub.console.ledger import ledger_router
from hub.console.locations import PlaceDesks, live_locations_router, locations_router
from hub.console.messages import messages_router
from hub.console.meterkeys import meterkeys_router
from hub.console.missing import missing_router
from hub.console.network import NetworkDesks
from hub.console.overview import OverviewDesks, overview_routers
from hub.console.pairs import PairDesks, pairs_router
from hub.console.parties import parties_router
from hub.console.partners import partners_router
from hub.console.people import people_router
from hub.console.periods import PeriodDesks, live_periods_router, periods_router
from hub.console.places import places_routers
from hub.console.quality import quality_router
from hub.console.readers import readers_router
from hub.console.rendering import STATIC
from hub.console.routes import Console
from hub.console.search import search_router
from hub.console.sessions import SessionDesks, sessions_router
from hub.console.sign_on import SignOn, sign_on_router
from hub.console.signing_in import ShownAccount, sign_in_router
from hub.console.sites import SiteDesks, sites_router
from hub.console.statements import statements_router
from hub.console.stations import stations_router
from hub.navigation.doorkeeper import Doorkeeper
from hub.settlement.engine.corrections import CorrectionDesk
from hub.settlement.engine.proof import ProofRoom
from hub.store.dues import DueReader
from hub.store.glance import Glance
from hub.store.searches import Searches
from hub.web.agreements import AgreementsDesk
from hub.web.books import BooksDesk
from hub.web.charges import ChargesDesk
from hub.web.decisions import DecisionsDesk
from hub.web.lanes import LanesDesk
from hub.web.messages import MessagesDesk
from hub.web.missing import MissingDesk
from hub.web.quality import QualityDesk
from hub.web.statements import StatementsDesk
from ocpi_modules.errors import UnknownPath

KEPT_SECONDS = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """What the pages read and do their work with: the desks of the admin API."""

    causes: CauseDesks
    books: BooksDesk
    decisions: DecisionsDesk
    proof: ProofRoom
    periods: PeriodDesks
    statements: StatementsDesk
    missing: MissingDesk
    disputes: DisputeDesks
    guests: Guests
    agreements: AgreementsDesk
    pairs: PairDesks
    corrections: CorrectionDesk
    searches: Searches
    network: NetworkDesks
    alerts: AlertsDesk
    places: PlaceDesks
    glance: Glance
    messages: MessagesDesk
    lanes: LanesDesk
    dues: DueReader
    quality: QualityDesk
    doorkeeper: Doorkeeper
    sites: SiteDesks
    charges: ChargesDesk


def console_routers(
    console: Console, desks: Desks, shown: Sequence[ShownAccount] = (), sign_on: SignOn | None = None
) -> list[APIRouter]:
    """All pages; those with fixed addresses come first."""
    return [
        *([sign_on_router(console, sign_on)] if sign_on else []),
        sign_in_router(console, shown, sign_on),
        people_router(console, sign_on),
        room_router(console, desks.guests),
        links_router(console, desks.guests),
        *overview_routers(console, _overview(desks)),
        causes_router(console, desks.causes),
        cdrs_router(console, desks.books, desks.proof),
        periods_router(console, desks.periods),
        live_periods_router(console, desks.periods),
        checklist_router(console, desks.periods.books.rows),
        statements_router(console, desks.statements),
        decisions_router(console, desks.decisions),
        missing_router(console, desks.missing),
        disputes_router(console, desks.disputes),
        agreements_router(console, desks.agreements),
        pairs_router(console, desks.pairs),
        findings_router(console, desks.books),
        ledger_router(console, desks.books),
        corrections_router(console, desks.corrections),
        search_router(console, desks.searches, desks.places.places),
        watching_router(console, desks.network),
        inviting_router(console, desks.network),
        partners_router(console, desks.network),
        parties_router(console, desks.network),
        *health_routers(console, desks.network),
        meterkeys_router(console, desks.network.keys),
        *alerts_routers(console, desks.alerts),
        *places_routers(console, desks.places.places),
        live_locations_router(console, desks.places),
        locations_router(console, desks.places),
        sessions_router(console, _sessions(desks)),
        quality_router(console, desks.quality),
        readers_router(console, desks.doorkeeper),
        messages_router(console, desks.messages),
        lanes_router(console, desks.lanes),
        due_router(console, desks.dues),
        stations_router(console, desks.sites.chargers),
        sites_router(console, desks.sites),
        charges_router(console, desks.charges, desks.sites.party),
        _elsewhere(console),
    ]


def _overview(desks: Desks) -> OverviewDesks:
    return OverviewDesks(
        vitals=desks.network.vitals,
        alerts=desks.alerts.book,
        places=desks.places.places,
        books=desks.books,
        glance=desks.glance,
    )


def _sessions(desks: Desks) -> SessionDesks:
    return SessionDesks(
        places=desks.places,
        books=desks.books,
        messages=desks.messages,
        charges=desks.charges,
        party=desks.sites.party,
    )


def _elsewhere(console: Console) -> APIRouter:
    """What no page has."""
    router = console.router()

    @router.get("/{anything:path}")
    async def nothing() -> Response:
        raise UnknownPath("There is no such page.")

    return router


def static_files() -> ASGIApp:
    """The files that pages load: pressed, and kept by browsers for as long as their address is the same."""
    return GZipMiddleware(_KeptFiles(directory=STATIC), minimum_size=1000, compresslevel=6)


class _KeptFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope["query_string"]:
            response.headers["cache-control"] = f"public, max-age={KEPT_SECONDS}, immutable"
        return response
