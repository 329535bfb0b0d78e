"""The operator's look at how good the Locations of each CPO are: what to talk about with whom."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from hub.navigation.quality import Score, Share, decode_summary, score_of
from hub.store.publicplaces import PublicPlaces
from hub.web.admin import admin_routes
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


def quality_router(places: PublicPlaces, admin_token: str | None) -> APIRouter:
    """The routes under `/admin/quality`, open to the admin token only."""
    router = admin_routes(admin_token)

    @router.get("/quality")
    async def list_scores() -> list[QualityShown]:
        """The score of each CPO, the worst first. What is private counts nowhere."""
        scores = [(owner, await _score(places, owner)) for owner in await places.judged_owners()]
        shown = [_shown(owner, score) for owner, score in scores if score is not None]
        return sorted(shown, key=lambda one: (one.score, one.party))

    @router.get("/quality/{country_code}/{party_id}")
    async def score(country_code: CountryCodePath, party_id: PartyIdPath) -> QualityInFull:
        """One of them in full."""
        owner = Party.of(country_code, party_id)
        found = await _score(places, owner)
        if found is None:
            raise UnknownPath("nothing is known of Locations of that party")
        return QualityInFull(
            **_shown(owner, found).model_dump(),
            checks=[*map(_share, found.checks)],
            items=[*map(_share, found.items)],
            faults=dict(found.faults),
        )

    return router


async def _score(places: PublicPlaces, owner: Party) -> Score | None:
    return score_of(decode_summary(summary) for _, summary in await places.qualities(owner))


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
