"""The operator's look at how good the Locations of each CPO are: what to talk about with whom."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from hub.navigation.faults import FaultKind
from hub.navigation.quality import ITEM_LEVELS, Check, Item, Level, Score, Share, decode_summary, score_of
from hub.store.publicplaces import JudgedAsked, PlaceQuality, PublicPlaces
from hub.web.admin import admin_routes
from hub.web.listing import Filters, Page, PartyText, page_of, read_cursor
from ocpi_modules.errors import UnknownPath
from ocpi_modules.parties import Party

SHARE_DECIMALS = 4

CountryCodePath = Annotated[str, Path(pattern="^[A-Za-z]{2}$")]
PartyIdPath = Annotated[str, Path(pattern="^[A-Za-z0-9]{3}$")]


class ShareShown(BaseModel):
    """How many parts of all are as they should be."""

    name: str
    good: int
    of: int


class QualityShown(BaseModel):
    """The Locations of a CPO that are meant for everybody: 0 to 100, and shares from 0 to 1."""

    party: str
    score: float
    correctness: float
    completeness: float
    published: int
    locations: int


class QualityInFull(QualityShown):
    """With every check, every item that ought to be said, and how many parts have each fault."""

    checks: list[ShareShown]
    items: list[ShareShown]
    faults: dict[str, int]


class JudgedShown(BaseModel):
    """A Location that is meant for everybody: whether it is shown, how many EVSEs it has and how many of them are shown, and how many parts
    have each fault.
    """

    party: str
    key: str
    is_shown: bool
    evses: int
    evses_shown: int
    faults: dict[str, int]


class JudgedFilters(Filters):
    """Which of them are wanted: of a CPO, shown or not, with a fault, failing a check, or without an item that ought to be said."""

    party: PartyText | None = None
    shown: Literal["yes", "no"] | None = None
    fault: FaultKind | None = None
    check: Check | None = None
    item: Item | None = None


class QualityDesk:
    """What is known of how good Locations are."""

    def __init__(self, places: PublicPlaces) -> None:
        self._places = places

    async def scores(self) -> list[QualityShown]:
        """The score of each CPO, the worst first. What is private counts nowhere."""
        scores = [(owner, await self._score(owner)) for owner in await self._places.judged_owners()]
        shown = [_shown(owner, score) for owner, score in scores if score is not None]
        return sorted(shown, key=lambda one: (one.score, one.party))

    async def score(self, owner: Party) -> QualityInFull:
        """One of them in full. Raises UnknownPath."""
        found = await self._score(owner)
        if found is None:
            raise UnknownPath("nothing is known of Locations of that party")
        return QualityInFull(
            **_shown(owner, found).model_dump(),
            checks=[*map(_share, found.checks)],
            items=[*map(_share, found.items)],
            faults=dict(found.faults),
        )

    async def locations(self, filters: JudgedFilters) -> Page[JudgedShown]:
        """Locations one by one. Raises InvalidParameters for an `after` that is none."""
        found = await self._places.judged(_judged_asked(filters), filters.limit + 1)
        return page_of(found, filters.limit, _judged, _place)

    async def examples(self, owner: Party) -> dict[str, list[str]]:
        """The keys of a few Locations of a CPO with each fault."""
        return await self._places.examples(owner)

    async def _score(self, owner: Party) -> Score | None:
        summaries = await self._places.qualities(owner)
        return await asyncio.to_thread(score_of, map(decode_summary, summaries))


def _judged_asked(filters: JudgedFilters) -> JudgedAsked:
    country_code, party_id, key = read_cursor(filters.after, 3) or ("", "", "")
    return JudgedAsked(
        owner=None if filters.party is None else Party.parse(filters.party),
        is_fit=None if filters.shown is None else filters.shown == "yes",
        fault=filters.fault,
        check=filters.check,
        item=filters.item,
        item_level=0 if filters.item is None else ITEM_LEVELS[filters.item],
        after=(country_code, party_id, key),
    )


def _judged(one: PlaceQuality) -> JudgedShown:
    summary = decode_summary(one.summary)
    return JudgedShown(
        party=str(one.owner),
        key=one.key,
        is_shown=one.is_fit,
        evses=summary.said[Level.EVSE],
        evses_shown=summary.shown[Level.EVSE],
        faults=summary.faults,
    )


def _place(one: PlaceQuality) -> tuple[str, str, str]:
    return one.owner.country_code, one.owner.party_id, one.key


def quality_router(desk: QualityDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/admin/quality`, open to the admin token only."""
    router = admin_routes(admin_token)

    @router.get("/quality")
    async def list_scores() -> list[QualityShown]:
        """The score of each CPO, the worst first. What is private counts nowhere."""
        return await desk.scores()

    @router.get("/quality/{country_code}/{party_id}")
    async def score(country_code: CountryCodePath, party_id: PartyIdPath) -> QualityInFull:
        """One of them in full."""
        return await desk.score(Party.of(country_code, party_id))

    return router


def _shown(owner: Party, score: Score) -> QualityShown:
    return QualityShown(
        party=str(owner),
        score=score.score,
        correctness=round(score.correctness, SHARE_DECIMALS),
        completeness=round(score.completeness, SHARE_DECIMALS),
        published=score.published.good,
        locations=score.published.of,
    )


def _share(share: Share) -> ShareShown:
    return ShareShown(name=share.name, good=share.good, of=share.of)
