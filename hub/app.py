"""The only place that wires: settings and a database URL become one application."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from hub import __version__
from hub.chargers import passwords
from hub.chargers.gateway import charger_router
from hub.chargers.localparty import LocalCpo
from hub.chargers.stationbook import StationRules
from hub.chargers.whole import Chargers, ChargerTerms, Outside
from hub.clock import Clock, SystemClock
from hub.console.accounts import read_grants
from hub.console.alertwatch import LOOK_SECONDS, AlertsDesk, AlertWatch, Badge, Sources
from hub.console.causes import CauseDesks
from hub.console.demonstration import shown_accounts
from hub.console.disputes import DisputeDesks
from hub.console.errands import Errands
from hub.console.gate import Gate
from hub.console.guests import Guests
from hub.console.locations import PlaceDesks
from hub.console.network import NetworkDesks
from hub.console.pairs import PairDesks
from hub.console.periods import PeriodBooks, PeriodDesks
from hub.console.rendering import STATIC_PATH, Pages, asset
from hub.console.routes import Console
from hub.console.sign_on import SignOn
from hub.console.sites import SiteDesks
from hub.console.stepping import Steps
from hub.console.telling import Teller
from hub.console.wiring import Desks, console_routers, static_files
from hub.navigation.desk import Navigation, open_navigation
from hub.navigation.doorkeeper import Doorkeeper
from hub.navigation.doorkeeper import Terms as MapTerms
from hub.navigation.formats.publishing import Publisher
from hub.navigation.problems import ReadingFault
from hub.navigation.routes.door import Licence, front, is_public, on_reading_fault, told_to_readers
from hub.navigation.routes.wiring import Published, navigation_routers
from hub.navigation.snapshotting import Shelf
from hub.navigation.standings import standings
from hub.partners.client import PartnerClient
from hub.partners.clientinfo import ClientInfoNews
from hub.partners.delivery import LanesPort, LaneState
from hub.partners.directory import Partner
from hub.partners.handshake import REGISTRATION_MAX_SECONDS, Handshake, HubIdentity
from hub.partners.lanes import Lanes
from hub.partners.peers import NoWire, Peers
from hub.partners.presence import PresenceWatch
from hub.partners.probe import Prober
from hub.partners.progress import Note
from hub.partners.recorder import Keeping, Recorder
from hub.partners.roster import Roster
from hub.partners.stream import Stream
from hub.partners.streamlanes import StreamLanes
from hub.routing.dues import Dues
from hub.routing.paging import Paging
from hub.routing.ports import Ports
from hub.routing.pulling import Looked, Puller, PullPorts, Window
from hub.routing.router import Router
from hub.settings import Settings
from hub.settlement.agreements import Agreements
from hub.settlement.engine import Settler, open_books, open_closing, open_fee_check
from hub.settlement.engine.chasing import Chasing, MissingBoard, Terms, look_seconds
from hub.settlement.engine.clearing import Clearing
from hub.settlement.engine.corrections import CorrectionDesk
from hub.settlement.engine.crew import Crew, Means
from hub.settlement.engine.cuttingoff import CuttingOff
from hub.settlement.engine.disputes import DisputeRoom
from hub.settlement.engine.feelook import FeeLook
from hub.settlement.engine.foretelling import Foreteller
from hub.settlement.engine.latecomers import LateLook
from hub.settlement.engine.periodlook import PeriodLook
from hub.settlement.engine.pricing import Pricer
from hub.settlement.engine.proof import ProofRoom
from hub.settlement.engine.refusing import RefusedLook
from hub.settlement.engine.retention import Retention
from hub.settlement.engine.views import ViewShelf
from hub.store.accounts import Accounts
from hub.store.alerts import AlertBook
from hub.store.books import BookReader
from hub.store.callbacks import Callbacks
from hub.store.chases import Chases, MissingAsked
from hub.store.closing import ClosingBook
from hub.store.closingrows import ClosingRows
from hub.store.cockpit import Cockpit
from hub.store.copies import Copies
from hub.store.corrections import Corrections
from hub.store.database import Database
from hub.store.defects import Defects
from hub.store.direct import Direct
from hub.store.disputelinks import DisputeLinks
from hub.store.disputes import DisputeBook
from hub.store.dues import DueReader
from hub.store.exchanges import Exchanges
from hub.store.feeds import Feeds
from hub.store.forgetting import Forgetting
from hub.store.glance import Glance
from hub.store.handshakes import HandshakeSteps, KeptStep
from hub.store.health import DatabaseHealth
from hub.store.latecomers import LateBook
from hub.store.leader import Leadership, key_mark
from hub.store.ledger import Ledger
from hub.store.meterkeys import MeterKeys
from hub.store.partners import Partners
from hub.store.periodlook import PeriodBook
from hub.store.permissions import PermissionRules
from hub.store.permits import PermitNotes
from hub.store.places import Places
from hub.store.prospects import Prospects
from hub.store.publicplaces import PublicPlaces
from hub.store.pulls import Pulls
from hub.store.readers import Readers
from hub.store.refusals import Refusals
from hub.store.refused import RefusedBook
from hub.store.scorecards import Scorecards
from hub.store.searches import Searches
from hub.store.secrets import Safe, SealKey
from hub.store.statements import Statements
from hub.store.stepfailures import StepFailures
from hub.store.views import EmspViews
from hub.web.admin import Desk, admin_router
from hub.web.agreements import AgreementsDesk, agreements_router
from hub.web.books import BooksDesk, books_router
from hub.web.chargers import ChargersDesk, chargers_router
from hub.web.charges import ChargesDesk, charges_router
from hub.web.decisions import DecisionsDesk, decisions_router
from hub.web.disputes import DisputesDesk, disputes_router
from hub.web.docs import add_docs
from hub.web.errors import on_http_exception, on_ocpi_error, on_unexpected, on_validation_error
from hub.web.evidence import evidence_router
from hub.web.feeds import feeds_router
from hub.web.health import Vitals, processes_of
from hub.web.lanes import LanesDesk
from hub.web.loads import LoadDesk, loads_router
from hub.web.messages import MessagesDesk
from hub.web.meterkeys import MeterKeysDesk, meterkeys_router
from hub.web.methods import methods_at
from hub.web.metrics import Metrics, log_seen, metrics_router
from hub.web.missing import MissingDesk, missing_router
from hub.web.ocpi import OcpiEndpoint, OcpiPorts, Seen
from hub.web.openapi import describe_ocpi
from hub.web.pages import Figures, page_router
from hub.web.periods import PeriodsDesk, periods_router
from hub.web.profiles import ProfilesDesk, profiles_router
from hub.web.proxies import Forwarded
from hub.web.quality import QualityDesk, quality_router
from hub.web.readers import readers_router
from hub.web.recent import Recent
from hub.web.registration import versions_url
from hub.web.settlement import settlement_router
from hub.web.shares import LaneShare, Share, merged_answers, merged_lanes, merged_metrics, merged_rows, merged_waiting
from hub.web.statements import StatementsDesk, statements_router
from hub.web.terms import TermsDesk, terms_router
from hub.web.upkeep import UpkeepDesk, upkeep_router
from hub.web.views import ViewsDesk, views_router
from ocpi_modules.catalog import MODULES
from ocpi_modules.cdrs import CDRS
from ocpi_modules.errors import OcpiError
from ocpi_modules.module import Module
from ocpi_modules.parties import Party

LANE_DRAIN_SECONDS = 5.0
PROVIDER_WAIT_SECONDS = 10.0
JOURNAL_DRAIN_SECONDS = 3.0
SNAPSHOTS_FOLDER = "snapshots"
SHARES, LANES = "shares", "lanes"
PERIOD_LOOK_ROUNDS = 60
FEE_LOOK_ROUNDS = 10
LATE_LOOK_ROUNDS = 6
"""Whole periods, the fees on their statements, and what came late are looked at once in so many rounds of settlement."""

_log = structlog.get_logger()


def process_name() -> str:
    """A name for this process, where it was given none."""
    return f"{socket.gethostname()}-{os.getpid()}"


def new_id() -> str:
    """A message id (T-17, T-20)."""
    return str(uuid4())


class Hub:
    """Everything that runs, from its settings; `app` is what an ASGI server serves."""

    def __init__(self, settings: Settings, database_url: str, clock: Clock) -> None:
        self._clock = clock
        self._started_at: datetime = clock.now()
        party = settings.hub_party
        url = settings.base_url
        safe = Safe(settings.secret_key_bytes())
        self.database = Database(database_url)
        self.partners = Partners(self.database)
        self.ledger = Ledger(self.database)
        self.defects = Defects(self.database)
        self.steps = HandshakeSteps(self.database.direct)
        self.database_health = DatabaseHealth(self.database.direct)
        self._is_embedded = settings.database_url is None
        self.recorder = self._make_recorder(settings, database_url)
        self.client = PartnerClient(
            allow_private=settings.allow_private_partner_urls,
            timeout_seconds=settings.forward_timeout_seconds,
            passed=self.recorder.note if self.recorder.keeping.is_on else None,
        )
        self.rules = PermissionRules(self.database)
        self.roster = Roster((self.partners, self.rules), safe, party, clock)
        identity = HubIdentity(
            party,
            settings.name,
            versions_url(url),
            settings.website or url,
            settings.logo_url or f"{url}/static/logo.svg",
        )
        self.handshake = Handshake(
            self.partners,
            self.roster,
            self.client,
            safe,
            identity,
            clock,
            holds_new_parties=settings.new_parties == "hold",
            tell=self._note_step,
        )
        self.errands = Errands(self.handshake, self._note_step)
        self.presence = PresenceWatch(
            self.partners, self.roster, self.client, clock, still_alive_seconds=settings.still_alive_seconds
        )
        self.stream = Stream(nats_url, party) if (nats_url := settings.nats_url_text()) else None
        self.peers = Peers(
            self.stream or NoWire(), settings.process_name or process_name(), self.roster, self.presence, clock
        )
        self.lanes = self._make_lanes(settings)
        self.copies = Copies(self.database.direct, self.lanes.push_all)
        self.permits = PermitNotes(self.database.direct)
        self.dues = Dues(self.ledger, self.roster, self.client, self.presence.lost, new_id)
        self.roster.listen(self.lanes.on_change)
        self.roster.listen(ClientInfoNews(self.lanes, new_id))
        self.roster.listen(self.dues.on_change)
        self.roster.listen(self.presence.on_change)
        self.recent = Recent()
        self.metrics = Metrics()
        paging = Paging(settings.page_limit_default, settings.page_limit_max)
        self.router = router = Router(self._ports(safe), url, paging)
        self.pulls = Pulls(self.database)
        self.prober = Prober(self.partners, self.roster, self.client, clock)
        self.puller = Puller(
            self._pull_ports(router, settings.max_body_bytes),
            settle_seconds=settings.pull_settle_seconds,
            schedule_seconds=settings.pull_schedule_seconds,
        )
        self.roster.listen(self.puller.on_change)
        self.books = open_books(self.database.direct, clock)
        self.disputes = DisputeRoom(self.books, DisputeBook(self.database.direct), clock)
        fee_check = open_fee_check(self.database.direct, clock, self._agreements_now)
        self.corrections = CorrectionDesk(self.disputes, Corrections(self.database.direct), fee_check)
        hub = Party(settings.country_code, settings.party_id)
        self.agreements = Agreements(hub=hub)
        settler = Settler(self.books, clock, self.agreements)
        signer = SealKey(settings.seal_key_bytes())
        self.closing = open_closing(self.database.direct, clock, self._agreements_now, signer)
        retention = Retention(Forgetting(self.database.direct), clock, settings.retention_months)
        refused = RefusedLook(RefusedBook(self.database.direct), (self.books.verdicts, self.books.periods), clock)
        self.views = ViewShelf(EmspViews(self.database.direct))
        self.period_look = PeriodLook(
            (PeriodBook(self.database.direct), self.views),
            clock,
            self._agreements_now,
            settings.settle_seconds * PERIOD_LOOK_ROUNDS,
        )
        fee_look = FeeLook(fee_check, settings.settle_seconds * FEE_LOOK_ROUNDS)
        failures = StepFailures(self.database.direct)
        rounds = (
            self.disputes.expire_due,
            self.disputes.concede_credited,
            self.corrections.turn_superseded,
            refused.run_due,
            self.period_look.run_due,
            fee_look.run_due,
            LateLook(LateBook(self.database.direct), clock, settings.settle_seconds * LATE_LOOK_ROUNDS).run_due,
            CuttingOff(self.closing, failures, clock).run_due,
            retention.run_due,
        )
        means = Means(url=database_url, clock=clock, agreements=self.agreements)
        self.clearing = Clearing(Crew(settler, means, settings.settle_processes), settings.settle_seconds, *rounds)
        terms = Terms(
            missed_after=timedelta(hours=settings.missing_cdr_hours), asked_every=timedelta(hours=settings.chase_hours)
        )
        self.chases = Chases(self.database.direct)
        self.board = MissingBoard(self.chases, self.books.verdicts, clock, terms)
        self.chasing = Chasing(
            self.board, self._ask_for_cdrs, every_seconds=settings.settle_seconds, look_seconds=look_seconds(terms)
        )
        self.teller = Teller()
        self.alerts = AlertsDesk(
            book=AlertBook(self.database.direct),
            safe=safe,
            teller=self.teller,
            clock=clock,
            hub_name=settings.name,
            base_url=url,
        )
        self.watch = AlertWatch(self.alerts, self._alert_sources(settings.lane_max_messages), LOOK_SECONDS)
        mark = key_mark(settings.secret_key_bytes())
        self.leadership = Leadership(database_url, mark, self._begin_duties, self._end_duties)
        self._tidying: list[asyncio.Task[None]] = []
        self.peers.on_due(self.dues.wake)
        self.peers.on_pull(self._pull_hinted)
        self.peers.answer(SHARES, self._own_share_packed)
        self.peers.answer(LANES, self._own_lanes_packed)
        self.chargers = self._open_chargers(settings, paging)
        self.client.serve_locally(self.chargers.face.platform)
        endpoint = OcpiEndpoint(
            OcpiPorts(
                partners=self.partners,
                roster=self.roster,
                handshake=self.handshake,
                router=router,
                clock=clock,
                heard=self.presence.heard,
                back=self.presence.back,
                new_id=new_id,
                observe=self._observe,
                public_url=url,
                body_max_bytes=settings.max_body_bytes,
                paging=paging,
                note=self.recorder.note if self.recorder.keeping.is_on else None,
            )
        )
        self.navigation = self._open_navigation(settings, database_url)
        self.period_steps = Steps(clock, failures)
        self.app = self._application(settings, endpoint, url)

    def _open_chargers(self, settings: Settings, paging: Paging) -> Chargers:
        outside = Outside(
            direct=self.database.direct,
            partners=self.partners,
            roster=self.roster,
            peers=self.peers,
            routing=self.router,
            copies=self.copies,
            paging=paging,
            passwords=passwords,
            clock=self._clock,
            new_id=new_id,
            note=self.recorder.note if self.recorder.keeping.is_on else None,
        )
        rules = StationRules(
            process=self.peers.name,
            boot_seconds=settings.charger_boot_seconds,
            meter_seconds=settings.charger_meter_seconds,
            grace_seconds=settings.charger_grace_seconds,
        )
        terms = ChargerTerms(
            cpo=LocalCpo(Party.parse(settings.local_cpo), f"{settings.name}: local chargers"),
            rules=rules,
            load_step_seconds=settings.load_step_seconds,
            front=frozenset(filter(None, map(str.strip, settings.charger_front.split(",")))),
        )
        return Chargers(outside, terms)

    def _open_navigation(self, settings: Settings, database_url: str) -> Navigation | None:
        if not settings.navigation:
            return None
        silent_after = timedelta(seconds=settings.map_silent_seconds)
        return open_navigation(
            Direct(database_url),
            self._clock,
            lambda: standings(self.roster.directory, self._clock.now(), silent_after),
            MapTerms(anonymous_per_second=settings.map_anonymous_per_second),
            Shelf(settings.data_dir / SNAPSHOTS_FOLDER, licence_of(settings).line),
        )

    def _make_recorder(self, settings: Settings, database_url: str) -> Recorder:
        self._lazy = Direct(database_url, is_lazy=True)
        keeping = Keeping(
            days=settings.journal_days,
            body_hours=settings.journal_body_hours,
            body_max_bytes=settings.journal_body_max_bytes,
            messages_max=settings.journal_max_messages,
        )
        return Recorder(
            Exchanges(self._lazy), self._clock, lambda header: self.roster.directory.receiver_id(header), keeping
        )

    def _make_lanes(self, settings: Settings) -> LanesPort:
        outcomes = (self.client.send, self.presence.lost, self.presence.heard)
        most = settings.lane_max_messages
        if self.stream is None:
            return Lanes(*outcomes, max_messages=most)
        return StreamLanes(
            self.stream, self.roster, self._clock, outcomes, max_messages=most, replicas=settings.nats_replicas
        )

    def _ports(self, safe: Safe) -> Ports:
        return Ports(
            roster=self.roster,
            copies=self.copies,
            client=self.client,
            lanes=self.lanes,
            safe=safe,
            clock=self._clock,
            new_id=new_id,
            lost=self.presence.lost,
            heard=self.presence.heard,
            payer_waits=self._payer_waits,
            callbacks=Callbacks(self.database),
            defects=self.defects,
            refusals=Refusals(self.database),
            permits=self.permits,
        )

    def _pull_ports(self, router: Router, object_max_bytes: int) -> PullPorts:
        return PullPorts(
            roster=self.roster,
            pulls=self.pulls,
            copies=self.copies,
            client=self.client,
            router=router,
            lanes=self.lanes,
            clock=self._clock,
            new_id=new_id,
            welcome=self.prober.welcome,
            object_max_bytes=object_max_bytes,
        )

    def _application(self, settings: Settings, endpoint: OcpiEndpoint, url: str) -> HubApplication:
        app = HubApplication(
            endpoint,
            title=settings.name,
            version="2.2.1",
            lifespan=self._lifespan,
            redirect_slashes=False,
            docs_url=None,
            redoc_url=None,
        )
        app.take_in(
            page_router(
                lambda: self._figures(settings, url), self.database.ping, self._links, settings.admin_token_text()
            )
        )
        app.take_in(admin_router(self._desk(url), settings.admin_token_text()))
        app.take_in(terms_router(self._terms(), settings.admin_token_text()))
        app.take_in(upkeep_router(self._upkeep_desk(), settings.admin_token_text()))
        app.take_in(settlement_router(settings.admin_token_text(), settings.max_body_bytes))
        app.take_in(decisions_router(self._decisions_desk(settings), settings.admin_token_text()))
        app.take_in(missing_router(self._missing_desk(), settings.admin_token_text()))
        meter_keys = MeterKeysDesk(MeterKeys(self.database.direct), self._clock)
        app.take_in(meterkeys_router(meter_keys, settings.admin_token_text()))
        app.take_in(evidence_router(ProofRoom(self.books, self.disputes), settings.admin_token_text()))
        app.take_in(books_router(self._books_desk(), settings.admin_token_text()))
        app.take_in(agreements_router(AgreementsDesk(self.books.terms, self._clock), settings.admin_token_text()))
        profiles = ProfilesDesk(self.books.terms.profiles, self._clock)
        app.take_in(profiles_router(profiles, settings.admin_token_text()))
        views = ViewsDesk(self.views, self._clock, self.period_look.wake)
        app.take_in(views_router(views, settings.admin_token_text()))
        app.take_in(feeds_router(Feeds(self.database.direct), settings.admin_token_text()))
        app.take_in(disputes_router(self._disputes_desk(), settings.admin_token_text()))
        app.take_in(periods_router(self._periods_desk(), settings.admin_token_text()))
        statements = StatementsDesk(self.closing, Statements(self.database.direct))
        app.take_in(statements_router(statements, settings.admin_token_text()))
        app.take_in(metrics_router(self._measure, settings.admin_token_text()))
        self._add_chargers(app, settings.admin_token_text())
        self._add_console(app, settings, url)
        if self.navigation is not None:
            self._add_navigation(app, self.navigation, settings)
        if settings.trusted_proxies:
            app.stand_behind(settings.trusted_proxies)
        describe_ocpi(app)
        add_docs(app)
        app.add_exception_handler(OcpiError, on_ocpi_error)
        app.add_exception_handler(RequestValidationError, told_to_readers(on_validation_error))
        app.add_exception_handler(HTTPException, told_to_readers(on_http_exception))
        app.add_exception_handler(Exception, told_to_readers(on_unexpected))
        return app

    def _add_chargers(self, app: HubApplication, admin_token: str | None) -> None:
        desks = self._site_desks()
        app.take_in(charger_router(self.chargers.gateway))
        app.take_in(loads_router(desks.loads, admin_token))
        app.take_in(chargers_router(desks.chargers, admin_token))
        app.take_in(charges_router(self._charges_desk(), admin_token))

    def _site_desks(self) -> SiteDesks:
        chargers, clock = self.chargers, self._clock
        return SiteDesks(
            chargers=ChargersDesk(chargers.keeper, chargers.sites, chargers.office, clock),
            loads=LoadDesk(lambda: chargers.keeper.book, chargers.limits, clock, chargers.wake_loads),
            party=chargers.voice.party,
        )

    def _charges_desk(self) -> ChargesDesk:
        return ChargesDesk(self.chargers.charges, self.chargers.desk)

    def _add_console(self, app: HubApplication, settings: Settings, url: str) -> None:
        app.mount(STATIC_PATH, static_files())
        gate, badge = Gate(Accounts(self.database.direct), self._clock, url), Badge(self.alerts.book)
        self.console = console = Console(gate, Pages(settings.name, url), badge=badge)
        self.sign_on = single_sign_on(settings, self._clock, url)
        direct, proof, books = self.database.direct, ProofRoom(self.books, self.disputes), self._books_desk()
        links, agreements = DisputeLinks(direct), AgreementsDesk(self.books.terms, self._clock)
        foreteller = Foreteller(Prospects(direct), self.books.decisions, self._clock, settings.waiver_limit)
        decisions, disputes = self._decisions_desk(settings), self._disputes_desk()
        desks = Desks(
            causes=CauseDesks(books, decisions, foreteller),
            books=books,
            decisions=decisions,
            proof=proof,
            periods=PeriodDesks(
                console, self._periods_desk(), PeriodBooks(Cockpit(direct), ClosingRows(direct)), self.period_steps
            ),
            statements=StatementsDesk(self.closing, Statements(self.database.direct)),
            missing=self._missing_desk(),
            disputes=DisputeDesks(disputes, proof, links),
            guests=Guests(links, self.disputes, proof),
            agreements=agreements,
            pairs=PairDesks(Cockpit(direct), Scorecards(direct), agreements, self.board),
            corrections=disputes.corrections,
            searches=Searches(direct),
            network=self._network_desks(url),
            alerts=self.alerts,
            places=PlaceDesks(places=Places(direct), copies=self.copies, roster=self.roster),
            glance=Glance(direct),
            messages=self._messages_desk(),
            lanes=self._lanes_desk(),
            dues=DueReader(direct),
            quality=QualityDesk(PublicPlaces(direct)),
            doorkeeper=self._doorkeeper(settings),
            sites=self._site_desks(),
            charges=self._charges_desk(),
        )
        app.state.live = console.live
        for router in console_routers(console, desks, shown_accounts(settings.demo_accounts), self.sign_on):
            app.take_in(router)

    def _doorkeeper(self, settings: Settings) -> Doorkeeper:
        """That of the map; where there is none, one that keys can be looked up with all the same."""
        terms = MapTerms(anonymous_per_second=settings.map_anonymous_per_second)
        known = self.navigation.doorkeeper if self.navigation else None
        return known or Doorkeeper(Readers(self.database.direct), self._clock, terms)

    def _add_navigation(self, app: HubApplication, navigation: Navigation, settings: Settings) -> None:
        licence = licence_of(settings)
        publisher = Publisher(
            name=settings.name,
            country=settings.country_code,
            identifier=f"{settings.country_code}-{settings.party_id}",
            website=settings.website,
            licence=settings.data_licence,
        )
        published = Published(publisher, licence, settings.base_url, lambda: self.roster.directory, asset)
        for router in navigation_routers(navigation, self._clock, published):
            app.take_in(router)
        app.take_in(readers_router(navigation.doorkeeper, settings.admin_token_text()))
        app.take_in(quality_router(QualityDesk(navigation.places), settings.admin_token_text()))
        app.add_exception_handler(ReadingFault, on_reading_fault)
        app.open_to_public(lambda inner: front(inner, partial(methods_at, app.routes), navigation.doorkeeper, licence))

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await self.database.migrate()
        await self.roster.refresh()
        self.presence.start()
        if self.stream is not None:
            await self.stream.start()
        await self.lanes.start()
        await self.peers.start()
        await self.leadership.start()
        self.recorder.start()
        await self.chargers.start()
        if self.navigation is not None:
            self.navigation.start()
        dates = asyncio.create_task(self.roster.keep_dates())
        try:
            yield
        finally:
            self.teller.close()
            if self.navigation is not None:
                await self.navigation.close()
            await self.errands.close()
            await self.period_steps.close()
            await self.console.close()
            await ended(dates)
            await self.leadership.close()
            await self.chargers.close()
            await self.lanes.close(LANE_DRAIN_SECONDS)
            await self.peers.close()
            if self.stream is not None:
                await self.stream.close()
            await self.presence.close()
            await self.roster.close()
            await self.copies.close()
            await self.permits.close()
            await self.client.close()
            if self.sign_on is not None:
                await self.sign_on.provider.close()
            await self.recorder.close(JOURNAL_DRAIN_SECONDS)
            await self._lazy.close()
            await self.database.close()

    async def _begin_duties(self) -> None:
        """This process leads: it does what one process at a time does (decision 27)."""
        opened_before = self._clock.now()
        if not await self.leadership.is_alone():
            opened_before -= timedelta(seconds=REGISTRATION_MAX_SECONDS)
        await self.handshake.discard_unfinished(opened_before)
        self._tidying = [asyncio.create_task(self._tidy()), asyncio.create_task(self.recorder.keep_tidy())]
        self.presence.lead()
        self.lanes.lead()
        self.dues.start()
        self.puller.start()
        self.clearing.start()
        self.chasing.start()
        self.watch.start()
        await self.chargers.lead()
        if self.navigation is not None:
            self.navigation.projector.start()

    async def _end_duties(self) -> None:
        self.presence.follow()
        for task in self._tidying:
            await ended(task)
        if self.navigation is not None:
            await self.navigation.projector.close()
        await self.watch.close()
        await self.chargers.follow()
        await self.chasing.close()
        await asyncio.gather(self.dues.close(), self.puller.close(), self.clearing.close(), self.lanes.follow())

    async def _tidy(self) -> None:
        """Forget the registrations that other processes left open when they were killed."""
        while True:
            await asyncio.sleep(REGISTRATION_MAX_SECONDS)
            try:
                before = self._clock.now() - timedelta(seconds=REGISTRATION_MAX_SECONDS)
                await asyncio.shield(self.handshake.discard_unfinished(before))
            except Exception as exc:  # the database is away: the next round tries again
                _log.warning("registrations_not_tidied", error=type(exc).__name__)

    def _payer_waits(self, payer: Party) -> None:
        """A CDR is due: whoever leads takes it to its payer."""
        self.dues.wake(payer)
        if not self.leadership.is_leader:
            self.peers.hint_due(payer)

    def _pull(self, partner: Partner, module: Module) -> None:
        """An operator wants a list to be read: whoever leads reads it."""
        if self.leadership.is_leader:
            self.puller.pull_now(partner, module)
        else:
            self.peers.hint_pull(partner.id, module.id)

    def _pull_hinted(self, partner_id: int, module_id: str) -> None:
        partner = self.roster.directory.partners.get(partner_id)
        if self.leadership.is_leader and partner is not None:
            self.puller.pull_now(partner, MODULES[module_id])

    async def _ask_for_cdrs(self, owner: Party, since: datetime, until: datetime) -> Looked | None:
        return await self.puller.look(owner, CDRS, Window(since, until))

    def _observe(self, seen: Seen) -> None:
        self.recent.add(seen, self._clock.now())
        self.metrics.count(seen)
        log_seen(seen)

    def _desk(self, url: str) -> Desk:
        return Desk(self.partners, self.roster, self.handshake, self.presence, self._clock, versions_url(url))

    def _network_desks(self, url: str) -> NetworkDesks:
        return NetworkDesks(
            partners=self._desk(url),
            upkeep=self._upkeep_desk(),
            terms=self._terms(),
            keys=MeterKeysDesk(MeterKeys(self.database.direct), self._clock),
            steps=self.steps,
            errands=self.errands,
            waiting=self._waiting,
            vitals=self._vitals,
        )

    def _terms(self) -> TermsDesk:
        return TermsDesk(self.rules, self.roster, self.copies, self._clock, self.partners)

    def _upkeep_desk(self) -> UpkeepDesk:
        return UpkeepDesk(self.partners, self.roster, self.prober, self.pulls, self._pull, self.defects)

    async def _agreements_now(self) -> Agreements:
        return await self.books.terms.in_force(self.agreements)

    def _decisions_desk(self, settings: Settings) -> DecisionsDesk:
        return DecisionsDesk(self.books.decisions, self.books.terms, self._clock, settings.waiver_limit)

    def _books_desk(self) -> BooksDesk:
        reader = BookReader(self.database.direct)
        return BooksDesk(
            reader, self.books.verdicts, self.books.decisions, Pricer(self.books.gatherer, self._agreements_now)
        )

    def _periods_desk(self) -> PeriodsDesk:
        return PeriodsDesk(self.closing, ClosingBook(self.database.direct), self._clock)

    def _missing_desk(self) -> MissingDesk:
        return MissingDesk(self.board, self.chases, self._clock)

    def _disputes_desk(self) -> DisputesDesk:
        return DisputesDesk(self.disputes, self.corrections)

    def _messages_desk(self) -> MessagesDesk:
        return MessagesDesk(Exchanges(self.database.direct), self.roster, self.recorder.keeping, self._lost_messages)

    def _lanes_desk(self) -> LanesDesk:
        return LanesDesk(
            roster=self.roster,
            partners=self.partners,
            watch=self.presence,
            ledger=self.ledger,
            exchanges=Exchanges(self.database.direct),
            states=self._lane_states,
            clock=self._clock,
        )

    async def _lost_messages(self) -> int:
        return sum(share.lost_messages for share in await self._lane_shares())

    async def _lane_states(self) -> dict[str, LaneState]:
        return merged_lanes(await self._lane_shares())

    async def _lane_shares(self) -> list[LaneShare]:
        """What this process and the others say of lanes and journal; one that does not answer in time is left out."""
        answers = await self.peers.ask(LANES)
        return [await self._own_lanes(), *(msgspec.msgpack.decode(answer, type=LaneShare) for answer in answers)]

    async def _own_lanes(self) -> LaneShare:
        return LaneShare(await self.lanes.states(), self.recorder.lost_messages)

    async def _own_lanes_packed(self) -> bytes:
        return msgspec.msgpack.encode(await self._own_lanes())

    def _links(self) -> dict[str, str]:
        if self.stream is None:
            return {}
        return {"nats": "connected" if self.stream.is_connected else "not connected"}

    async def _measure(self) -> bytes:
        return merged_metrics(await self._shares())

    async def _shares(self) -> list[Share]:
        """What this process and the others say of themselves; one that does not answer in time is left out."""
        answers = await self.peers.ask(SHARES)
        return [await self._own_share(), *(msgspec.msgpack.decode(answer, type=Share) for answer in answers)]

    async def _own_share_packed(self) -> bytes:
        return msgspec.msgpack.encode(await self._own_share())

    async def _own_share(self) -> Share:
        """What this process says; of the hub as a whole only the one that leads says anything."""
        due = await self.ledger.payers() if self.leadership.is_leader else {}
        named = {str(payer): count for payer, count in due.items()}
        self.metrics.journal_lost.set(self.recorder.lost_messages)
        waiting, dropped = self.lanes.depths(), self.lanes.dropped_messages
        metrics = self.metrics.measure(waiting, dropped, named, self.lanes.superseded_messages)
        rows = self.recent.rows(self._clock.now())
        recent = [(row.module_id, row.method, row.well, row.not_well) for row in rows]
        answers = self.recent.answers(self._clock.now())
        return Share(
            process=self.peers.name,
            metrics=metrics,
            recent=recent,
            waiting=waiting,
            answers=[(int(one.start.timestamp()), one.module_id, one.status_class, one.count) for one in answers],
            started_at=self._started_at,
            version=__version__,
            is_leader=self.leadership.is_leader,
        )

    async def _waiting(self) -> dict[str, int]:
        """What waits in the lanes, by party."""
        return merged_waiting(await self._shares())

    def _alert_sources(self, lane_max: int) -> Sources:
        return Sources(
            directory=lambda: self.roster.directory,
            waiting=self._waiting,
            missing=self._missing_sessions,
            periods=self.books.periods.load,
            backlog=self.database_health.backlog,
            failures=StepFailures(self.database.direct).all,
            lane_max=lane_max,
        )

    async def _missing_sessions(self) -> dict[str, int]:
        """Sessions without a CDR, by CPO."""
        owing = await self.chases.by_creditor(MissingAsked(before=self.board.before))
        return {one.creditor: one.sessions for one in owing}

    async def _vitals(self) -> Vitals:
        began = time.perf_counter()
        await self.database.ping()
        answered_seconds = time.perf_counter() - began
        due, shares = await self.ledger.payers(), await self._shares()
        return Vitals(
            now=self._clock.now(),
            answered_seconds=answered_seconds,
            database=await self.database_health.look(),
            is_embedded=self._is_embedded,
            nats=None if self.stream is None else self.stream.is_connected,
            processes=processes_of(shares),
            kept=await self.copies.count(),
            due={str(payer): count for payer, count in due.items()},
            waiting=merged_waiting(shares),
            answers=merged_answers(shares),
            backlog=await self.database_health.backlog(),
            directory=self.roster.directory,
        )

    async def _note_step(self, note: Note) -> None:
        """Write down how far a handshake is; where that fails, the handshake goes on all the same."""
        now = self._clock.now()
        step = KeptStep(
            subject=note.subject,
            step=note.step.value,
            is_good=note.is_good,
            first_at=now,
            last_at=now,
            times=1,
            said=note.said,
        )
        try:
            await self.steps.note(step)
        except Exception as exc:
            _log.warning("handshake_step_not_noted", step=note.step.value, error=type(exc).__name__)

    async def _figures(self, settings: Settings, url: str) -> Figures:
        due, shares = await self.ledger.payers(), await self._shares()
        return Figures(
            now=self._clock.now(),
            started_at=self._started_at,
            name=settings.name,
            versions_url=versions_url(url),
            directory=self.roster.directory,
            kept=await self.copies.count(),
            waiting=merged_waiting(shares),
            due={str(payer): count for payer, count in due.items()},
            recent=merged_rows(shares),
        )


class HubApplication(FastAPI):
    """The whole application. What is below `/ocpi` goes straight to its endpoint: the framework would do nothing for it, at some cost."""

    def __init__(self, ocpi: ASGIApp, **framework: Any) -> None:
        super().__init__(**framework)
        self._ocpi = ocpi
        self._public: ASGIApp | None = None
        self._answer: ASGIApp = self._route

    def take_in(self, router: APIRouter) -> None:
        """Serve the routes of a router as they stand.

        The framework's own way keeps routers apart: when it is first asked it looks at all of their routes a second time, and then
        it searches the router that it found once more in every request.
        """
        self.router.routes.extend(router.routes)

    def stand_behind(self, proxies: int) -> None:
        """Believe so many proxies about where requests come from."""
        self._answer = Forwarded(self._route, proxies)

    def open_to_public(self, front: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put a door before what everybody may read."""
        self._public = front(super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"].startswith("/ocpi/") or scope["path"] == "/ocpi"):
            await self._ocpi(scope, receive, send)
        elif scope["type"] == "http" and self._public is not None and is_public(scope["path"]):
            await self._public(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def licence_of(settings: Settings) -> Licence:
    """Under which licence everybody may use what is public."""
    return Licence(settings.data_licence, settings.data_licence_url, settings.data_attribution or settings.name)


def single_sign_on(settings: Settings, clock: Clock, url: str) -> SignOn | None:
    """Where people sign in beside their passwords; None where that is not set.

    The operator names the provider, so it may be inside the operator's network, where partners may not be.
    """
    if settings.oidc_issuer is None:
        return None
    from hub.console.oidc import OidcProvider, Registration  # brings what nobody needs without a provider

    secret = settings.oidc_client_secret
    registration = Registration(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id or "",
        client_secret=secret.get_secret_value() if secret else None,
        roles_claim=settings.oidc_roles_claim,
        base_url=url,
    )
    client = PartnerClient(allow_private=True, timeout_seconds=PROVIDER_WAIT_SECONDS)
    return SignOn(OidcProvider(registration, client, clock), read_grants(settings.oidc_roles))


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a background task and wait until it is over."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def create_app(settings: Settings, database_url: str, clock: Clock | None = None) -> FastAPI:
    """The application of a hub on a database; tables are made when it starts."""
    return Hub(settings, database_url, clock or SystemClock()).app
