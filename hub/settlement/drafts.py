"""Statements out of the books: their lines as they stand in every file, their totals and digests, and how two drafts differ.

The form is that of `pair_statements`: the same charges give the same digest, whether they were settled here or from a file. Rows are
those of the store, by name; amounts are exact.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec

from hub.settlement.amounts import EXACT
from hub.settlement.bundle import party_text
from hub.settlement.netting import Amount, Pair
from hub.settlement.outputs import WRITTEN_OUT_MAX_DIGITS, Content, amount_content, amount_text
from hub.settlement.pair_statements import pair_content
from hub.settlement.periods import Period
from hub.settlement.seal import Hash, head_leaf, leaf_hash
from ocpi_modules.types import format_datetime

Row = Mapping[str, Any]

CHANGES_SHOWN_MAX = 1_000
MOVERS_SHOWN_MAX = 20
MILLISECOND = 1_000  # in microseconds

_ZERO = Decimal(0)
_IN_LINES = ("kind", "cdr_creditor", "cdr_key", "excl_vat", "incl_vat")


def statement_id(period: str, pair: Pair, draft: int) -> str:
    """What names a statement in addresses and files, like ``2026-10_DE-ABC_NL-MSP_EUR_1``; never the same for two pairs."""
    plain = "_".join((period, party_text(pair.creditor), party_text(pair.debtor), pair.currency))
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", plain)
    mark = "" if safe == plain else f"-{sha256(plain.encode()).hexdigest()[:8]}"
    return f"{safe}{mark}_{draft}"


def line_content(number: int, row: Row) -> Content:
    """A line as it stands in every file, and as it is sealed. `number` counts from 1."""
    return {
        "number": number,
        "type": row["kind"],
        **_charge_content(row),
        "excl_vat": amount_text(row["excl_vat"]),
        "incl_vat": _text(row["incl_vat"]),
    }


def kept_out_content(row: Row) -> Content:
    """A CDR that does not count, and the kinds of finding that say why."""
    return {
        **_charge_content(row),
        "excl_vat": amount_text(row["excl_vat"]),
        "incl_vat": _text(row["incl_vat"]),
        "disposition": row["disposition"],
        "notes": list(row["notes"]),
    }


def _charge_content(row: Row) -> Content:
    return {
        "cdr_id": row["cdr_id"],
        "session_id": row["session_id"],
        "start": _moment(row["starts_at"]),
        "end": _moment(row["ends_at"]),
        "energy_kwh": _text(row["energy"]),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_datetime(moment)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else amount_text(amount)


# --- digests -----------------------------------------------------------------------------------


class _SealedLine(msgspec.Struct, frozen=True, gc=False):
    """A line as `line_content` says it. The fields stand in the order of their names, so that it is written as canonical JSON."""

    cdr_id: str
    end: str | None
    energy_kwh: str | None
    excl_vat: str
    incl_vat: str | None
    number: int
    session_id: str | None
    start: str | None
    type: str


_encode = msgspec.json.Encoder().encode

SealedRow = Iterable[Any]
"""What is sealed of a line, in this order: kind, ids of CDR and session, start and end (UTC, without time zone), then texts of energy,
`excl_vat` and `incl_vat` with all their digits; None where there is none."""


def line_leaves(first: int, rows: Iterable[SealedRow]) -> list[Hash]:
    """The hashes of lines, as `seal.leaf_hash` gives them for `line_content`; the first one is numbered `first`."""
    return [_line_leaf(number, *row) for number, row in enumerate(rows, first)]


def kept_out_leaves(_: int, rows: Iterable[Row]) -> list[Hash]:
    """The hashes of what is kept out, in its order."""
    return [leaf_hash(kept_out_content(row)) for row in rows]


def _line_leaf(
    number: int,
    kind: str,
    cdr_id: str,
    session_id: str | None,
    start: datetime | None,
    end: datetime | None,
    energy: str | None,
    excl_vat: str,
    incl_vat: str | None,
) -> Hash:
    line = _SealedLine(
        cdr_id,
        None if end is None else _utc_text(end),
        None if energy is None else _digits(energy),
        _digits(excl_vat),
        None if incl_vat is None else _digits(incl_vat),
        number,
        session_id,
        None if start is None else _utc_text(start),
        kind,
    )
    return sha256(b"\x00" + _encode(line)).digest()


def _utc_text(moment: datetime) -> str:
    """As `format_datetime` writes it."""
    if not moment.microsecond:
        return moment.isoformat() + "Z"
    return moment.isoformat(timespec="seconds" if moment.microsecond < MILLISECOND else "milliseconds") + "Z"


def _digits(number: str) -> str:
    """As `amount_text` writes it."""
    return number if len(number) <= WRITTEN_OUT_MAX_DIGITS else amount_text(Decimal(number))


def amount_of(row: Row) -> Amount:
    """What a line counts; where no `incl_vat` is stated, `excl_vat` counts for both."""
    return Amount(row["excl_vat"], row["excl_vat"] if row["incl_vat"] is None else row["incl_vat"])


# --- heads -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHead:
    """A statement without its lines."""

    id: str
    pair: Pair
    draft: int
    state: str
    counts: Mapping[str, int]
    energy: Decimal
    amount: Amount
    digest: Hash
    kept_out_digest: Hash


def period_content(period: Period) -> dict[str, str]:
    """The bounds of a period."""
    moments = {"from": period.start, "to": period.end, "closes_at": period.closes_at}
    return {name: format_datetime(moment) for name, moment in moments.items()}


def totals_content(head: StatementHead) -> Content:
    """The sums under the lines; adjustments are named only where there are any."""
    counts = {"cdrs": head.counts["cdr"], "credits": head.counts["credit"], "fees": head.counts["fee"]}
    adjustments = {"adjustments": head.counts["adjustment"]} if head.counts["adjustment"] else {}
    return {**counts, **adjustments, "energy_kwh": amount_text(head.energy), **amount_content(head.amount)}


def head_content(head: StatementHead, period: Period) -> Content:
    """The head of a statement as it stands in its files."""
    return {
        "statement": head.id,
        **pair_content(head.pair),
        "creditor_name": "",
        "debtor_name": "",
        "period": period_content(period),
        "totals": totals_content(head),
        "digest": head.digest.hex(),
    }


def sealed_head(head: StatementHead, period: Period) -> Content:
    """What is sealed of a statement, as `seal.statement_leaf` says it of the whole one."""
    return {
        **head_leaf(head_content(head, period)),
        "digest": head.digest.hex(),
        "unsettled": head.kept_out_digest.hex(),
    }


# --- from draft to draft -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a draft has that the one before had not, and the other way round, and by how much their totals differ."""

    added: Sequence[Row]
    removed: Sequence[Row]
    amount: Amount


def changes(before: Iterable[Row], after: Iterable[Row]) -> Changes:
    """How two lists of lines differ; a line whose amount changed is in both."""
    old, new = list(before), list(after)
    was, now = Counter(map(_mark, old)), Counter(map(_mark, new))
    return Changes(
        added=[*_only(new, now - was)], removed=[*_only(old, was - now)], amount=_total_of(new) + -_total_of(old)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """A CDR whose lines changed: their sums without VAT before and after, None where there was, or is, none."""

    cdr_id: str
    before: Decimal | None
    after: Decimal | None

    @property
    def moved(self) -> Decimal:
        """By how much."""
        return EXACT.subtract(self.after or _ZERO, self.before or _ZERO)


def movers(found: Changes, most: int = MOVERS_SHOWN_MAX) -> list[Mover]:
    """The CDRs that moved the total the most, those first; one whose lines only changed places, or VAT, moved nothing."""
    before, after = _sums(found.removed), _sums(found.added)
    moved = (Mover(cdr_id=one, before=before.get(one), after=after.get(one)) for one in {**before, **after})
    return sorted((one for one in moved if one.moved), key=lambda one: (-abs(one.moved), one.cdr_id))[:most]


def _sums(rows: Iterable[Row]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["cdr_id"]] = EXACT.add(sums.get(row["cdr_id"], _ZERO), row["excl_vat"])
    return sums


def _total_of(rows: Iterable[Row]) -> Amount:
    total = Amount()
    for row in rows:
        total += amount_of(row)
    return total


def _only(rows: Iterable[Row], wanted: Counter[tuple[Any, ...]]) -> Iterator[Row]:
    for row in rows:
        if wanted[_mark(row)] > 0:
            wanted[_mark(row)] -= 1
            yield row


def _mark(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _IN_LINES)
