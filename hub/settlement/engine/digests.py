"""What statements are known by: roots over their lines and over what was kept out of them, in the memory of one portion of rows.

Hashes are made in a thread, while the database brings the next portion.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from hub.settlement.drafts import kept_out_leaves, line_leaves
from hub.settlement.period_seal import Growing
from hub.settlement.seal import Hash
from hub.store.closing import PeriodStep
from hub.store.drafting import Drafting, Gathered
from hub.store.statements import KeptStatement, PairName

Digests = tuple[Hash, Hash]
"""Of the lines of a statement, and of what was kept out of it."""

Rows = Sequence[Any]
LeavesOf = Callable[[int, Rows], list[Hash]]
"""Makes the hashes of rows; the number of the first one is given."""


async def digests_of(drafting: Drafting, gathered: Sequence[Gathered]) -> dict[PairName, Digests]:
    """The digests of every pair over all that was gathered."""
    lines = await _roots(drafting.lines(), [one.lines for one in gathered], line_leaves)
    kept_out = await _roots(drafting.kept_out(), [one.kept_out for one in gathered], kept_out_leaves)
    return {one.pair: both for one, both in zip(gathered, zip(lines, kept_out, strict=True), strict=True)}


async def _roots(portions: AsyncIterator[Rows], sizes: Sequence[int], leaves_of: LeavesOf) -> list[Hash]:
    """The roots over stretches of these sizes, which follow each other."""
    grown = [Growing() for _ in sizes]
    unfinished = [(one, size) for one, size in zip(grown, sizes, strict=True) if size]
    async for rows in portions:
        while rows:
            one, size = unfinished[0]
            some, rows = rows[: size - one.size], rows[size - one.size :]
            one.extend(await asyncio.to_thread(leaves_of, one.size + 1, some))
            if one.size == size:
                unfinished.pop(0)
    return [one.root for one in grown]


def unless_changed(before: KeptStatement | None, draft: KeptStatement) -> KeptStatement:
    """The draft before where nothing has changed since."""
    is_same = before is not None and _digests(before) == _digests(draft)
    return before if before is not None and is_same else draft


def _digests(statement: KeptStatement) -> Digests:
    return statement.digest, statement.kept_out_digest


async def changed_statements(step: PeriodStep, statements: Sequence[KeptStatement]) -> list[KeptStatement]:
    """The statements whose lines, or what was kept out of them, are not those that their digests were made of."""
    lines = await _roots_by_statement(step.sealed_lines(), statements, _line_leaves)
    kept_out = await _roots_by_statement(step.sealed_kept_out(), statements, kept_out_leaves)
    return [one for one in statements if (lines[one.id].root, kept_out[one.id].root) != _digests(one)]


async def _roots_by_statement(
    portions: AsyncIterator[Rows], statements: Sequence[KeptStatement], leaves_of: LeavesOf
) -> dict[str, Growing]:
    """What grew over the rows of each statement, whose name is the first column."""
    grown = {one.id: Growing() for one in statements}
    async for rows in portions:
        for name, some in groupby(rows, key=itemgetter(0)):
            one = grown[name]
            one.extend(await asyncio.to_thread(leaves_of, one.size + 1, [*some]))
    return grown


def _line_leaves(first: int, rows: Rows) -> list[Hash]:
    return line_leaves(first, [row[1:] for row in rows])
