"""The journal and its balances: every posting with what it is about, and what each account holds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from fastapi import APIRouter

from hub.console.cdrs import cdr_path
from hub.console.disputes import DISPUTES_PATH
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.netting import net_path
from hub.console.rendering import to_query
from hub.console.routes import Console
from hub.console.statements import STATEMENTS_PATH
from hub.settlement.journal import AccountClass, Event
from hub.web.books import BalanceFilters, BalanceShown, BooksDesk, EntryShown
from hub.web.listing import Filters, Page, Text

JOURNAL_PATH, BALANCES_PATH = "/console/journal", "/console/balances"


@dataclass(frozen=True, slots=True)
class PostingShown:
    """One side of an entry, with the entry; `is_first` of its sides."""

    entry: EntryShown
    posting: BalanceShown
    is_first: bool


def ledger_router(console: Console, desk: BooksDesk) -> APIRouter:
    """The pages of the journal."""
    router = console.router()
    add_listing(router, console, _journal(desk))
    add_listing(router, console, _balances(desk))
    return router


class JournalFilters(Filters):
    """Which entries are wanted."""

    reference: Text | None = None


def reference_path(event: str, reference: str) -> str | None:
    """The page of what an entry is about."""
    if event in {Event.ACCEPTED, Event.WITHDRAWN}:
        country_code, party_id, key = reference.split("/", 2)
        return cdr_path(f"{country_code}/{party_id}", key)
    if event == Event.BILLED:
        return f"{STATEMENTS_PATH}/{quote(reference, safe='')}"
    if event in {Event.DISPUTED, Event.RESOLVED}:
        return f"{DISPUTES_PATH}/{reference}"
    if event == Event.NETTED:
        return net_path(reference.partition(":")[0])
    return _correction_path(reference) if event in {Event.ADJUSTED, Event.WRITTEN_OFF} else None


def _correction_path(reference: str) -> str:
    kind, _, number = reference.rpartition("-")
    return f"{DISPUTES_PATH}/{number}" if kind == "dispute" else f"/console/adjustments/{number}"


def _journal(desk: BooksDesk) -> Listing[PostingShown, JournalFilters]:
    async def read(asked: JournalFilters) -> Page[PostingShown]:
        page = await desk.entries(asked.reference, asked.after, asked.limit)
        rows = [
            PostingShown(entry, posting, is_first=number == 0)
            for entry in page.items
            for number, posting in enumerate(entry.postings)
        ]
        return Page.model_construct(items=rows, next=page.next)

    return Listing(
        title="Journal",
        intro="Every entry adds up to zero and is never changed. Plus: the party owes more.",
        path=JOURNAL_PATH,
        columns=(
            Column(key="entry", label="Entry", value=lambda row: row.entry.id, kind="number", link=_entry_link),
            Column(key="known_at", label="When", value=lambda row: row.entry.known_at, kind="moment", is_minor=True),
            Column(key="event", label="Event", value=lambda row: row.entry.event, kind="tag"),
            Column(
                key="reference",
                label="About",
                value=lambda row: row.entry.reference,
                kind="code",
                link=_about_link,
            ),
            Column(key="account", label="Account", value=lambda row: row.posting.account),
            Column(
                key="party",
                label="Party",
                value=lambda row: row.posting.party,
                link=lambda row: f"{BALANCES_PATH}?party={row.posting.party}",
            ),
            Column(key="counterparty", label="Towards", value=lambda row: row.posting.counterparty),
            Column(
                key="excl_vat",
                label="Without VAT",
                value=lambda row: row.posting.excl_vat,
                unit=lambda row: row.posting.currency,
                kind="money",
                link=_about_link,
            ),
            Column(
                key="incl_vat",
                label="With VAT",
                value=lambda row: row.posting.incl_vat,
                unit=lambda row: row.posting.currency,
                kind="money",
                link=_about_link,
            ),
            Column(
                key="period",
                label="Period",
                value=lambda row: row.posting.period,
                kind="code",
                link=lambda row: f"/console/periods/{row.posting.period}",
                is_minor=True,
            ),
            Column(key="actor", label="Who", value=lambda row: row.entry.actor, is_rare=True),
            Column(key="reason", label="Reason", value=lambda row: row.entry.reason, is_rare=True),
        ),
        filters=(FilterField(name="reference", label="About", placeholder="DE/ABC/CDR-17"),),
        asked=JournalFilters,
        read=read,
        empty="Nothing was posted yet: an entry is made when a CDR is accepted.",
    )


def _about_link(row: PostingShown) -> str | None:
    return reference_path(row.entry.event, row.entry.reference)


def _entry_link(row: PostingShown) -> str:
    return f"{JOURNAL_PATH}?{to_query({'reference': row.entry.reference})}"


def _balances(desk: BooksDesk) -> Listing[BalanceShown, BalanceFilters]:
    async def read(asked: BalanceFilters) -> Page[BalanceShown]:
        return await desk.balances(asked.asked(), asked.limit)

    return Listing(
        title="Balances",
        intro="What each account holds. Plus is owed by the party, minus is owed to it; those that hold nothing are left out.",
        path=BALANCES_PATH,
        columns=(
            Column(key="account", label="Account", value=lambda row: row.account),
            Column(
                key="party",
                label="Party",
                value=lambda row: row.party,
                link=lambda row: f"{BALANCES_PATH}?party={row.party}",
            ),
            Column(key="counterparty", label="Towards", value=lambda row: row.counterparty, link=_pair_link),
            Column(
                key="period",
                label="Period",
                value=lambda row: row.period,
                link=lambda row: f"{BALANCES_PATH}?period={row.period}",
            ),
            Column(
                key="excl_vat",
                label="Without VAT",
                value=lambda row: row.excl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=summed_path,
            ),
            Column(
                key="incl_vat",
                label="With VAT",
                value=lambda row: row.incl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=summed_path,
            ),
        ),
        filters=(
            FilterField(name="account", label="Account", choices=tuple((one.value, one.value) for one in AccountClass)),
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(name="party", label="Party", placeholder="DE/ABC"),
            FilterField(name="counterparty", label="Towards", placeholder="NL/MSP"),
        ),
        asked=BalanceFilters,
        read=read,
        empty="No account holds anything yet.",
    )


def summed_path(row: BalanceShown) -> str | None:
    """What the balance of an account sums, as a list."""
    if row.account == AccountClass.NET:
        return net_path(row.period, row.party.replace("/", "-", 1))
    creditor, debtor = _seats(row)
    base = to_query({"period": row.period, "creditor": creditor, "debtor": debtor})
    return {
        AccountClass.UNBILLED.value: f"/console/cdrs?{base}&currency={row.currency}&disposition=SETTLE",
        AccountClass.BILLED.value: f"{STATEMENTS_PATH}?{base}&currency={row.currency}",
        AccountClass.DISPUTED.value: f"{DISPUTES_PATH}?{base}&currency={row.currency}&phase=open",
        AccountClass.WRITTEN_OFF.value: f"/console/adjustments?{base}&kind=write_off",
    }.get(row.account)


def _seats(row: BalanceShown) -> tuple[str, str]:
    """Creditor and debtor of an account: who is owed, and who owes."""
    is_owed = (Decimal(row.excl_vat) or Decimal(row.incl_vat)) < 0
    return (row.party, row.counterparty) if is_owed else (row.counterparty, row.party)


def _pair_link(row: BalanceShown) -> str | None:
    creditor, debtor = _seats(row)
    return None if creditor == debtor else f"/console/pairs/{creditor}/{debtor}"
