"""Agreements: every version of what two parties agreed, what changed between two of them, and proposing, activating and ending one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Request, Response

from hub.console.accounts import Permission
from hub.console.clauses import clauses, differences
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console, done
from hub.settlement.bundle import MalformedBundle
from hub.settlement.periods import NotNow
from hub.settlement.terms_file import NotAgreements, decode_terms
from hub.store.agreements import KeptAgreement
from hub.web.agreements import AgreementsDesk, AgreementShown, as_yaml
from hub.web.listing import Filters, Page, PartyText, page_of, read_cursor, read_parts
from hub.web.told import told
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.parties import Party
from ocpi_modules.types import INT_MAX, encode_json, format_datetime, lenient_datetime

AGREEMENTS_PATH = "/console/agreements"
PROPOSAL_PATH = f"{AGREEMENTS_PATH}/new/version"
TERMS_MAX_CHARACTERS = 100_000

AgreementId = Annotated[str, Path(min_length=1, max_length=100)]
Version = Annotated[int, Path(ge=1, le=INT_MAX)]


def agreement_path(agreement_id: str) -> str:
    """The page of an agreement."""
    return f"{AGREEMENTS_PATH}/{quote(agreement_id, safe='')}"


def proposal_path(pair: tuple[str, str]) -> str:
    """The form for a first agreement of two parties."""
    return f"{PROPOSAL_PATH}?creditor={quote(pair[0], safe='')}&debtor={quote(pair[1], safe='')}"


def agreements_router(console: Console, desk: AgreementsDesk) -> APIRouter:
    """The pages of agreements."""
    router = console.router()
    add_listing(router, console, _agreements(desk))
    _add_proposing(router, console, desk)
    _add_agreement(router, console, desk)
    _add_steps(router, console, desk)
    return router


def _add_agreement(router: APIRouter, console: Console, desk: AgreementsDesk) -> None:
    @router.get("/agreements/{agreement_id}")
    async def show_one(
        request: Request, agreement_id: AgreementId, version: int | None = None, against: int | None = None
    ) -> Response:
        console.person(request)
        with told():
            shown = desk.show_all(await desk.book.history(agreement_id))
        one = _numbered(shown, version) or shown[-1]
        other = _numbered(shown, against) or _numbered(shown, one.version - 1)
        values = {
            "versions": shown,
            "one": one,
            "other": other,
            "clauses": clauses(one.terms),
            "validity": validity,
            "differences": differences(other.terms, one.terms) if other else [],
        }
        return await console.page(request, "agreement.html", values)


def _numbered(shown: Sequence[AgreementShown], version: int | None) -> AgreementShown | None:
    return next((one for one in shown if one.version == version), None)


# --- proposing ---


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a proposal, and in which field; the field is empty where it is about all of it."""

    field: str
    reason: str


def _add_proposing(router: APIRouter, console: Console, desk: AgreementsDesk) -> None:
    @router.get("/agreements/new/version")
    async def ask(request: Request, of: str = "", creditor: str = "", debtor: str = "") -> Response:
        console.person(request, Permission.CLEAR)
        if of:
            with told():
                text = proposed_again(await desk.book.history(of))
        else:
            text = as_yaml(encode_json(_first_terms(creditor, debtor, console.gate.clock.now())).decode())
        return await console.page(request, "proposal.html", {"text": text, "of": of, "faults": []})

    @router.post("/agreements/new/version")
    async def propose(
        request: Request,
        terms: Annotated[str, Form(max_length=TERMS_MAX_CHARACTERS)],
        of: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        person = console.person(request, Permission.CLEAR)
        try:
            kept = await desk.book.propose(decode_terms(terms.encode(), is_yaml=True), person.name)
        except (NotAgreements, MalformedBundle, NotNow) as refused:
            values = {"text": terms, "of": of, "faults": faults_of(refused)}
            return await console.page(request, "proposal.html", values, 400)
        await console.gate.note(request, person, "agreement_proposed", kept.id, version=kept.version)
        path = f"{agreement_path(kept.id)}?version={kept.version}"
        return done(path, f"Version {kept.version} is proposed; it holds once another person activates it.")


def faults_of(refused: ValueError) -> list[Fault]:
    """What is wrong, by field."""
    if isinstance(refused, MalformedBundle):
        return [Fault(_field(fault.where), fault.reason) for fault in refused.faults]
    return [Fault("", f"The text {refused}." if isinstance(refused, NotAgreements) else f"{refused}.")]


def _field(where: str) -> str:
    """The path of a field, without the name of the whole."""
    return where.partition(": ")[2] or where


def proposed_again(history: Sequence[KeptAgreement]) -> str:
    """The newest terms as YAML, to be changed and proposed under the next number."""
    lines = as_yaml(history[-1].content).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("version:"))


def _first_terms(creditor: str, debtor: str, now: datetime) -> Mapping[str, Any]:
    """Terms to begin with, from the beginning of the next month (UTC) on."""
    names = [text.replace("/", "").upper() for text in (creditor or "DE/ABC", debtor or "NL/MSP")]
    begin = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
    return {
        "agreement": "-".join(names),
        "valid": {"from": format_datetime(begin), "to": None},
        "rounding": {"unit": "0.01", "mode": "half_up"},
        "terms": {"currency": "EUR", "cdr_deadline": "30d", "dispute_window": "30d", "netting": "multilateral"},
    }


# --- steps ---


def _add_steps(router: APIRouter, console: Console, desk: AgreementsDesk) -> None:
    @router.post("/agreements/{agreement_id}/versions/{version}/activate")
    async def activate(request: Request, agreement_id: AgreementId, version: Version) -> Response:
        person = console.person(request, Permission.APPROVE)
        with told():
            await desk.book.activate(agreement_id, version, person.name)
        await console.gate.note(request, person, "agreement_activated", agreement_id, version=version)
        sentence = f"Version {version} is active: CDRs in its time that are not billed are looked at again now."
        return done(agreement_path(agreement_id), sentence)

    @router.post("/agreements/{agreement_id}/versions/{version}/end")
    async def end(
        request: Request, agreement_id: AgreementId, version: Version, at: Annotated[str, Form(max_length=40)] = ""
    ) -> Response:
        person = console.person(request, Permission.APPROVE)
        moment = read_end(at)
        with told():
            kept = await desk.book.end(agreement_id, version, person.name, moment)
        await console.gate.note(
            request, person, "agreement_ended", agreement_id, version=version, at=str(kept.ended_at)
        )
        return done(agreement_path(agreement_id), f"Version {version} is ended for charges that begin then or later.")


def read_end(text: str) -> datetime | None:
    """When a version is to end (UTC where no zone is named); None, for nothing, is now. Raises InvalidParameters."""
    moment = lenient_datetime(text.strip()) if text.strip() else None
    if text.strip() and moment is None:
        raise InvalidParameters(
            "at: write a date, or a date and time, like 2026-11-01 or 2026-11-01T00:00:00Z", http_status=400
        )
    return moment


# --- the list ---


class AgreementFilters(Filters):
    """Whose agreements are wanted."""

    creditor: PartyText | None = None
    debtor: PartyText | None = None


def _agreements(desk: AgreementsDesk) -> Listing[AgreementShown, AgreementFilters]:
    async def read(asked: AgreementFilters) -> Page[AgreementShown]:
        place = read_parts(read_cursor(asked.after, 2), lambda parts: (parts[0], int(parts[1]))) or ("", 0)
        found = await desk.book.page((asked.creditor, asked.debtor), place, asked.limit + 1)
        return page_of(found, asked.limit, desk.show, lambda kept: (kept.id, str(kept.version)))

    return Listing(
        title="Agreements",
        intro="What two parties agreed. One person proposes a version, another one activates it; nothing holds before its date.",
        path=AGREEMENTS_PATH,
        template="agreements.html",
        columns=(
            Column(key="id", label="Agreement", value=lambda row: row.id, kind="code", link=_own_path),
            Column(key="version", label="Version", value=lambda row: row.version, kind="number", link=_own_path),
            Column(key="state", label="State", value=lambda row: row.state.lower(), kind="tag"),
            Column(key="creditor", label="Creditor", value=lambda row: row.creditor, link=_pair_path),
            Column(key="debtor", label="Debtor", value=lambda row: row.debtor, link=_pair_path),
            Column(key="from", label="From", value=lambda row: validity(row)[0], kind="moment"),
            Column(key="to", label="To", value=lambda row: validity(row)[1], kind="moment"),
            Column(key="proposed_by", label="Proposed by", value=lambda row: row.proposed_by, is_minor=True),
            Column(key="activated_by", label="Activated by", value=lambda row: row.activated_by, is_minor=True),
        ),
        filters=(
            FilterField(name="creditor", label="Creditor", placeholder="DE/ABC"),
            FilterField(name="debtor", label="Debtor", placeholder="NL/MSP"),
        ),
        asked=AgreementFilters,
        read=read,
        empty="Without an agreement the default terms hold for everybody. Propose the first one.",
    )


def validity(shown: AgreementShown) -> tuple[datetime | None, datetime | None]:
    """Since when a version counts and until when (UTC, None without end), as its terms say it and as it was ended."""
    valid = shown.terms.get("valid") or {}
    since, until = (lenient_datetime(valid.get(name)) for name in ("from", "to"))
    ends = [moment for moment in (until, shown.ended_at) if moment is not None]
    return since, min(ends, default=None)


def in_force(shown: Sequence[AgreementShown], now: datetime) -> list[AgreementShown]:
    """The versions that are active and count for a charge that begins now, whatever their scope."""
    return [one for one in shown if one.state == "ACTIVE" and _is_within(validity(one), now)]


def _is_within(valid: tuple[datetime | None, datetime | None], now: datetime) -> bool:
    since, until = valid
    return (since is None or since <= now) and (until is None or now < until)


def _own_path(row: AgreementShown) -> str:
    return f"{agreement_path(row.id)}?version={row.version}"


def _pair_path(row: AgreementShown) -> str:
    return f"/console/pairs/{Party.parse(row.creditor)}/{Party.parse(row.debtor)}"
