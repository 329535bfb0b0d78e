"""What the fuzz tests share: how an object gets its owner and its id, and the running loop for tests that are no coroutines."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from ocpi_modules.parties import Party
from tests.conformance.fuzz.strategies import Object

Result = TypeVar("Result")
Run = Callable[[Coroutine[Any, Any, Result]], Result]

_counted = itertools.count()
_STEP_UP = re.compile(r"(?:^|(?<=[/\\]))\.{1,2}(?=$|[/\\])")


@pytest.fixture
async def run_here() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine to its end on the loop of the hub and its parties: for tests that are no coroutines themselves."""
    return asyncio.get_running_loop().run_until_complete


def fresh_id(drawn: str = "") -> str:
    """An id that nobody had before, with the odd characters of another one; no step up a path, which no id may be."""
    return f"{next(_counted):x}-{_STEP_UP.sub('_', drawn)}"[:36]


def owned_by(content: Object, owner: Party, **changes: Any) -> Object:
    """The object as one of this owner."""
    return {**content, "country_code": owner.country_code, "party_id": owner.party_id, **changes}


def in_path(segment: str, style: int) -> str:
    """A segment of a URL: what has to be percent-encoded, or (odd styles) all of it."""
    return "".join(f"%{byte:02x}" for byte in segment.encode()) if style % 2 else quote(segment, safe="")
