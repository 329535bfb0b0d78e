"""The netting of a period: what each party receives or pays, what within pairs that sums, and the transfers; also as files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from fastapi import Response

from hub.console.exports import file_answer
from hub.console.listing import Column
from hub.console.rendering import to_query
from hub.settlement.periods import State

Row = Mapping[str, Any]

UNBILLED = frozenset({State.OPEN, State.CUT_OFF})


def party_of(text: str) -> str:
    """A party of the netting (``DE-ABC``) as pages write it: ``DE/ABC``."""
    return text.replace("-", "/", 1)


def net_path(period: str, party: str = "") -> str:
    """The netting of a period, or what of it is about one party (``DE-ABC``)."""
    query = to_query({"party": party})
    return f"/console/periods/{period}/net{'?' if query else ''}{query}"


def summed_path(period: str, state: State, row: Row) -> str:
    """What is owed within a pair, as a list: its statement, and the CDRs that settle before that is advised."""
    pair = {
        "period": period,
        "creditor": party_of(row["creditor"]),
        "debtor": party_of(row["debtor"]),
        "currency": row["currency"],
    }
    if state in UNBILLED:
        return f"/console/cdrs?{to_query({**pair, 'disposition': 'SETTLE'})}"
    return f"/console/statements?{to_query({**pair, 'state': 'advised'})}"


def about(net: Mapping[str, Any], party: str) -> dict[str, Any]:
    """What of a netting is about one party; all of it without one."""
    if not party:
        return dict(net)
    return {
        **net,
        "net": [one for one in net["net"] if one["party"] == party],
        "bilateral": [one for one in net["bilateral"] if party in {one["creditor"], one["debtor"]}],
        "transfers": [one for one in net["transfers"] if party in {one["from"], one["to"]}],
    }


def _texts(*names: str) -> list[Column[Row]]:
    return [Column(key=name, label=name.capitalize(), value=itemgetter(name)) for name in names]


def _amounts() -> list[Column[Row]]:
    words = {"excl_vat": "Without VAT", "incl_vat": "With VAT"}
    unit = itemgetter("currency")
    return [
        Column(key=key, label=label, value=itemgetter(key), unit=unit, kind="money") for key, label in words.items()
    ]


COLUMNS: Mapping[str, Sequence[Column[Row]]] = {
    "net": [*_texts("party"), *_amounts()],
    "bilateral": [*_texts("creditor", "debtor", "mode"), *_amounts()],
    "transfers": [*_texts("from", "to", "mode"), *_amounts()],
}
"""The tables of a netting, as files have them."""


async def net_file(period: str, net: Mapping[str, Any], table: str, form: str) -> Response:
    """One of its tables as a file."""

    async def rows() -> AsyncIterator[Sequence[Row]]:
        yield net[table]

    return await file_answer(form, f"netting {period} {table}", COLUMNS[table], rows())
