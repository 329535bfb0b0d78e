"""One box for everything: CDRs, sessions, tokens, parties, locations, statements, causes.

What is hit exactly, and alone, is opened at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from hub.console.causes import cause_path
from hub.console.cdrs import CDRS_PATH, cdr_path
from hub.console.formats import money
from hub.console.places import location_path
from hub.console.routes import Console
from hub.console.sessions import session_path
from hub.console.statements import STATEMENTS_PATH
from hub.store.places import PlaceHit, Places
from hub.store.searches import (
    RESULTS_MAX,
    CauseHit,
    CdrHit,
    PartyHit,
    Searches,
    SessionHit,
    StatementHit,
    TokenHit,
)
from ocpi_modules.parties import Role
from ocpi_modules.types import fold

SEARCH_PATH = "/console/search"
WORD_MIN_CHARACTERS = 2
WORD_MAX_CHARACTERS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that was found: what it is called, where it is, and a word more; `is_exact`: the word is all of its name."""

    title: str
    path: str
    more: str = ""
    tag: str = ""
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """What was found of one kind: RESULTS_MAX at most; `has_more` of what it found no more is shown."""

    label: str
    hits: Sequence[Hit]

    @property
    def shown(self) -> Sequence[Hit]:
        """The hits that are shown."""
        return self.hits[:RESULTS_MAX]

    @property
    def has_more(self) -> bool:
        """Whether there are more than are shown."""
        return len(self.hits) > RESULTS_MAX


def search_router(console: Console, searches: Searches, places: Places) -> APIRouter:
    """The page of results."""
    router = console.router()

    @router.get("/search")
    async def search(request: Request, q: Annotated[str, Query(max_length=WORD_MAX_CHARACTERS)] = "") -> Response:
        console.person(request)
        word = q.replace("\x00", "").strip()
        is_long = len(word) >= WORD_MIN_CHARACTERS
        results = await look_for(searches, places, word) if is_long else []
        only = only_exact(results)
        if only is not None:
            return RedirectResponse(only.path, 303)
        values = {
            "word": word,
            "results": [one for one in results if one.hits],
            "is_long": is_long,
            "least": WORD_MIN_CHARACTERS,
        }
        return await console.page(request, "search.html", values)

    return router


async def look_for(searches: Searches, places: Places, word: str) -> list[Results]:
    """All that a word finds, by kind."""
    key = fold(word)
    of_session = await searches.of_session(key)
    sessions = await searches.sessions(key)
    named = {one.creditor for one in sessions}
    return [
        Results("CDRs", [_cdr(one, is_exact=one.cdr_key == key) for one in await searches.cdrs(key)]),
        Results("Sessions", [*map(_session, sessions)]),
        Results("CDRs of a session", [_cdr(one, is_exact=one.creditor not in named) for one in of_session]),
        Results("Tokens", [*map(_token, await searches.tokens(key))]),
        Results("Parties", [_party(one, key) for one in await searches.parties(word)]),
        Results("Locations", [*map(_location, await places.named(word, RESULTS_MAX + 1))]),
        Results("Statements", [_statement(one, key) for one in await searches.statements(word)]),
        Results("Causes", [_cause(one, key) for one in await searches.causes(word)]),
    ]


def only_exact(results: Iterable[Results]) -> Hit | None:
    """The one thing that is called exactly so; None where there is none, or more than one."""
    paths = {hit.path: hit for one in results for hit in one.hits if hit.is_exact}
    return next(iter(paths.values())) if len(paths) == 1 else None


def _cdr(one: CdrHit, *, is_exact: bool) -> Hit:
    more = f"{one.creditor} → {one.debtor}, {money(one.excl_vat, one.currency)}, {one.period}"
    path = cdr_path(one.creditor, one.cdr_id)
    return Hit(title=one.cdr_id, path=path, more=more, tag=one.disposition, is_exact=is_exact)


def _session(one: SessionHit) -> Hit:
    path = session_path(one.creditor, one.session_key)
    return Hit(title=one.session_key, path=path, more=f"{one.creditor} → {one.debtor}", is_exact=True)


def _token(one: TokenHit) -> Hit:
    path = f"{CDRS_PATH}?token={quote(one.uid, safe='')}&debtor={one.owner}"
    return Hit(title=one.uid, path=path, more=f"{one.type} of {one.owner}: its CDRs", is_exact=True)


def _party(one: PartyHit, key: str) -> Hit:
    seat = "creditor" if Role.CPO in one.roles.split() else "debtor"
    is_exact = key in {one.party, one.party.replace("/", "-"), one.party.replace("/", "")}
    more = f"{one.name}, {one.roles}: its CDRs".strip(", ")
    return Hit(title=one.party, path=f"{CDRS_PATH}?{seat}={one.party}", more=more, is_exact=is_exact)


def _location(one: PlaceHit) -> Hit:
    where = ", ".join(part for part in (one.name, one.address, one.city) if part)
    path = location_path(one.owner, one.id)
    return Hit(title=one.id, path=path, more=f"{where} of {one.owner}", is_exact=one.is_exact)


def _statement(one: StatementHit, key: str) -> Hit:
    path = f"{STATEMENTS_PATH}/{quote(one.id, safe='')}"
    return Hit(
        title=one.id, path=path, more=money(one.excl_vat, one.currency), tag=one.state, is_exact=fold(one.id) == key
    )


def _cause(one: CauseHit, key: str) -> Hit:
    more = f"{one.findings} finding{'s' if one.findings > 1 else ''}"
    return Hit(title=one.sentence, path=cause_path(one.cause), more=more, tag=one.kind, is_exact=fold(one.cause) == key)
