"""Takes drivers out of the journal of messages: bodies that name them go as a whole, paths keep everything but their ids.

The journal proves nothing, so that nothing of a body need be saved.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from hub.store.aliases import FREE_TEXT_MIN_CHARACTERS, Wanted, personal_in, token_in
from hub.store.direct import Direct
from hub.store.exchanges import Bodies, Head, packed_bodies, packed_heads, unpacked_bodies, unpacked_heads
from ocpi_modules.types import NotJsonText, decode_json, fold

SCAN_BATCH_MAX_ROWS = 20
DEPTH_MAX = 32
ERASED_IN_PATH = "ERASED"

Names = Callable[[str], bool]
"""Whether a text names somebody."""

_INNERMOST = re.compile(rb'\{[^{}]*"uid"[^{}]*\}')
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|/)")
_PARTS = re.compile(r"[^/?&=]+")


@dataclass(frozen=True, slots=True)
class _Opened:
    """A batch of the journal; no bodies when their time is over."""

    number: int
    zero: float
    heads: Sequence[Head]
    bodies: Sequence[Bodies]


async def find_in_messages(direct: Direct, wanted: Wanted, values: set[str]) -> int:
    """How many messages name a driver; ids of theirs that only messages tell are added to `values`. Reads the whole journal."""
    count = 0
    async for opened in _opened(direct):
        for both in opened.bodies:
            found = {value for body in both if body for value in ids_in(body, wanted)}
            values |= found
            count += bool(found)
        names = names_of(values)
        count += sum(_forgotten(head, names) is not head for head in opened.heads)
    return count


async def forget_in_messages(direct: Direct, values: set[str]) -> None:
    """Take everything out of the journal that has one of these ids."""
    names, is_named = names_of(values), pattern_of(values)
    async for opened in _opened(direct):
        heads = [_forgotten(head, names) for head in opened.heads]
        bodies: list[Bodies] = [
            (None if is_named(asked) else asked, None if is_named(said) else said) for asked, said in opened.bodies
        ]
        if heads != opened.heads or bodies != opened.bodies:
            packed = packed_bodies(bodies) if bodies else None
            async with direct.transaction() as connection:
                await connection.execute(_REWRITE, opened.number, packed_heads(opened.zero, heads), packed)


def _forgotten(head: Head, names: Names) -> Head:
    path = without_ids(head.path, names)
    return head if path == head.path else msgspec.structs.replace(head, place=path, query="")


async def _opened(direct: Direct) -> AsyncIterator[_Opened]:
    after = 0
    while rows := await direct.fetch(_BATCHES, after, SCAN_BATCH_MAX_ROWS):
        for row in rows:
            bodies = unpacked_bodies(row["bodies"]) if row["bodies"] is not None else []
            yield _Opened(row["id"], *unpacked_heads(row["heads"]), bodies)
        after = rows[-1]["id"]


def ids_in(body: bytes, wanted: Wanted) -> set[str]:
    """The ids, as they are spelled, of those tokens in a body that are looked for."""
    if b"uid" not in body:
        return set()
    return {
        value
        for named in _mappings(_content(body), DEPTH_MAX)
        if (token := token_in(named)) is not None and wanted(token)
        for value in personal_in(named)
    }


def _content(body: bytes) -> Any:
    """A body as JSON; of one that was cut, the innermost objects that are whole."""
    content = _decoded(body)
    if content is None:
        return [found for text in _INNERMOST.findall(body) if (found := _decoded(text)) is not None]
    return content


def _decoded(body: bytes) -> Any:
    try:
        return decode_json(body)
    except NotJsonText:
        return None


def _mappings(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if not depth:
        return
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _mappings(item, depth - 1)


def names_of(values: set[str]) -> Names:
    """Whether a text is one of some ids."""
    folded = {fold(value) for value in values}
    return lambda text: fold(text) in folded


def pattern_of(values: set[str]) -> Callable[[bytes | None], bool]:
    """Whether a body has one of some ids in it: as a word, short ones only as a whole text of JSON."""
    words = [re.escape(value) for value in values if len(value) >= FREE_TEXT_MIN_CHARACTERS]
    texts = [f'"{re.escape(value)}"' for value in values if len(value) < FREE_TEXT_MIN_CHARACTERS]
    parts = [rf"(?<![A-Za-z0-9])(?:{'|'.join(words)})(?![A-Za-z0-9])"] if words else []
    pattern = re.compile("|".join([*parts, *texts]) or r"(?!)", re.IGNORECASE)
    return lambda body: body is not None and pattern.search(_unescaped(body.decode("utf-8", "replace"))) is not None


def _unescaped(text: str) -> str:
    """A text of JSON in which characters stand for themselves, however it writes them."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else "/", text) if "\\" in text else text


def without_ids(path: str, names: Names) -> str:
    """A path or URL in which every part that is an id is replaced."""
    return _PARTS.sub(lambda part: ERASED_IN_PATH if names(unquote(part[0])) else part[0], path)


_BATCHES = "select id, heads, bodies from exchange_batch where id > $1 order by id limit $2"
_REWRITE = "update exchange_batch set heads = $2, bodies = $3 where id = $1"
