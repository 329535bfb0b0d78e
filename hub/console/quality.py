"""How good the Locations of each CPO are: its score, what lowers it, and which Locations do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from hub.console.accounts import Permission
from hub.console.formats import percent
from hub.console.kept import Kept
from hub.console.listing import Column, FilterField, Listing, add_listing, sliced
from hub.console.parties import read_party
from hub.console.places import location_path
from hub.console.rendering import to_query
from hub.console.routes import Console, look_again
from hub.navigation.faults import FaultKind, Rule
from hub.navigation.quality import CHECKS, ITEM_LEVELS, Check, Item, Level
from hub.web.listing import Filters, Page, PartyText
from hub.web.quality import JudgedFilters, JudgedShown, QualityDesk, QualityInFull, QualityShown, ShareShown
from ocpi_modules.parties import Party

QUALITY_PATH = "/console/quality"
LOCATIONS_PATH = f"{QUALITY_PATH}/locations"
_ABBREVIATIONS = {"EVSE": "EVSE", "EVSES": "EVSEs", "ID": "ID", "IDS": "IDs", "UID": "uid"}
PARTS = {Level.LOCATION: "Locations", Level.EVSE: "EVSEs", Level.CONNECTOR: "connectors"}


@dataclass(frozen=True, slots=True)
class FaultShown:
    """A kind of fault: how many parts have it, what it means (None for one of a later version), where they are, and a few of them."""

    kind: str
    parts: int
    rule: Rule | None
    path: str | None
    examples: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A share in words: of which parts, and the page of those that are not as they should be."""

    share: ShareShown
    parts: str
    path: str

    @property
    def words(self) -> str:
        """Its name for people."""
        return words(self.share.name)

    @property
    def missing(self) -> int:
        """How many are not as they should be."""
        return self.share.of - self.share.good


def quality_router(console: Console, desk: QualityDesk) -> APIRouter:
    """The pages."""
    router = console.router()
    add_listing(router, console, _scores(desk))
    add_listing(router, console, _locations(desk))
    kept: Kept[Party, Mapping[str, Any]] = console.keep(lambda owner: _whole(desk, owner))

    @router.get("/quality/{country_code}/{party_id}")
    async def show(request: Request, country_code: str, party_id: str) -> Response:
        console.person(request, Permission.OPERATE)
        owner = read_party(f"{country_code}/{party_id}")
        counted = await kept.of(owner)
        values = {"owner": str(owner), "counted": counted, **(counted.value if counted else {})}
        answer = await console.page(request, "quality.html", values)
        return look_again(answer) if counted is None else answer

    return router


async def _whole(desk: QualityDesk, owner: Party) -> Mapping[str, Any]:
    score, examples = await asyncio.gather(desk.score(owner), desk.examples(owner))
    return {
        "score": score,
        "checks": [_check(score, share) for share in score.checks],
        "items": [_item(score, share) for share in score.items],
        "faults": [_fault(owner, kind, parts, examples.get(kind, ())) for kind, parts in score.faults.items()],
        "not_shown": locations_path(score.party, shown="no"),
        "shown": locations_path(score.party, shown="yes"),
        "all": locations_path(score.party),
    }


def locations_path(party: str, **wanted: str) -> str:
    """The list of the Locations of a CPO, or of some of them."""
    return f"{LOCATIONS_PATH}?{to_query({'party': party, **wanted})}"


def score_path(party: str) -> str:
    """The page of a CPO."""
    return f"{QUALITY_PATH}/{party}"


def words(name: str) -> str:
    """A name in capitals for people."""
    spoken = " ".join(_ABBREVIATIONS.get(word, word.lower()) for word in name.split("_"))
    return spoken[:1].upper() + spoken[1:]


def _check(score: QualityInFull, share: ShareShown) -> ShareRow:
    level, _ = CHECKS[Check(share.name)]
    return ShareRow(share, PARTS[level], locations_path(score.party, check=share.name))


def _item(score: QualityInFull, share: ShareShown) -> ShareRow:
    return ShareRow(share, PARTS[ITEM_LEVELS[Item(share.name)]], locations_path(score.party, item=share.name))


def _fault(owner: Party, kind: str, parts: int, keys: Sequence[str]) -> FaultShown:
    is_known = kind in {*FaultKind}
    return FaultShown(
        kind,
        parts,
        FaultKind(kind).rule if is_known else None,
        locations_path(str(owner), fault=kind) if is_known else None,
        [(key, location_path(str(owner), key)) for key in keys],
    )


# --- all CPOs ---------------------------------------------------------------------------------


class ScoreFilters(Filters):
    """Whose scores are wanted."""

    party: PartyText | None = None


def _scores(desk: QualityDesk) -> Listing[QualityShown, ScoreFilters]:
    async def read(asked: ScoreFilters) -> Page[QualityShown]:
        scores = await desk.scores()
        return sliced([score for score in scores if asked.party in {None, score.party}], asked)

    return Listing(
        title="Location quality",
        intro="Of Locations that are meant for everybody: how correct and complete they are, from 0 to 100. The worst CPO comes first.",
        path=QUALITY_PATH,
        needs=Permission.OPERATE,
        is_summed=True,
        columns=(
            Column(key="party", label="CPO", value=lambda row: row.party, link=lambda row: score_path(row.party)),
            Column(
                key="score",
                label="Score",
                value=lambda row: f"{row.score:g}",
                link=lambda row: score_path(row.party),
            ),
            Column(
                key="correctness",
                label="Correct",
                value=lambda row: percent(row.correctness),
                link=lambda row: f"{score_path(row.party)}#checks",
            ),
            Column(
                key="completeness",
                label="Complete",
                value=lambda row: percent(row.completeness),
                link=lambda row: f"{score_path(row.party)}#items",
            ),
            Column(
                key="locations",
                label="Locations",
                value=lambda row: row.locations,
                kind="number",
                link=lambda row: locations_path(row.party),
            ),
            Column(
                key="published",
                label="Shown",
                value=lambda row: row.published,
                kind="number",
                link=lambda row: locations_path(row.party, shown="yes"),
            ),
            Column(
                key="not_shown",
                label="Not shown",
                value=lambda row: row.locations - row.published,
                kind="number",
                link=lambda row: locations_path(row.party, shown="no"),
            ),
        ),
        filters=(FilterField(name="party", label="CPO", placeholder="DE/ABC"),),
        asked=ScoreFilters,
        read=read,
        empty="No CPO has sent a Location that is meant for everybody. Invite CPOs under Partners.",
    )


# --- Locations --------------------------------------------------------------------------------


def _locations(desk: QualityDesk) -> Listing[JudgedShown, JudgedFilters]:
    return Listing(
        title="Locations by quality",
        intro="Locations that are meant for everybody, and what is wrong with them.",
        path=LOCATIONS_PATH,
        needs=Permission.OPERATE,
        columns=(
            Column(
                key="key",
                label="Location",
                value=lambda row: row.key,
                kind="code",
                link=lambda row: location_path(row.party, row.key),
            ),
            Column(key="party", label="CPO", value=lambda row: row.party, link=lambda row: score_path(row.party)),
            Column(key="shown", label="Shown", value=lambda row: "shown" if row.is_shown else "not shown", kind="tag"),
            Column(
                key="evses",
                label="EVSEs",
                value=lambda row: row.evses,
                kind="number",
                link=lambda row: location_path(row.party, row.key),
                is_minor=True,
            ),
            Column(
                key="evses_shown",
                label="EVSEs shown",
                value=lambda row: row.evses_shown,
                kind="number",
                link=lambda row: location_path(row.party, row.key),
                is_minor=True,
            ),
            Column(key="faults", label="Faults", value=lambda row: fault_words(row.faults), is_wide=True),
        ),
        filters=(
            FilterField(name="party", label="CPO", placeholder="DE/ABC"),
            FilterField(name="shown", label="Shown", choices=(("yes", "shown"), ("no", "not shown"))),
            FilterField(name="fault", label="Fault", choices=[(kind, words(kind)) for kind in sorted(FaultKind)]),
            FilterField(name="check", label="Fails the check", choices=[(check, words(check)) for check in Check]),
            FilterField(name="item", label="Does not say", choices=[(item, words(item)) for item in Item]),
        ),
        asked=JudgedFilters,
        read=desk.locations,
        empty="No CPO has sent a Location that is meant for everybody.",
    )


def fault_words(faults: Mapping[str, int]) -> str:
    """The faults of one Location, those of most parts first."""
    ordered = sorted(faults.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(words(kind) + (f" ×{parts}" if parts > 1 else "") for kind, parts in ordered)
