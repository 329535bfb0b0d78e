"""The way out: what the local CPO tells its partners goes through the hub's own routing, as every other CPO's pushes do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ocpi_modules.message import Reply
from ocpi_modules.module import Module, Purpose
from ocpi_modules.parties import Party


class Outlet(Protocol):
    """Says things as the local CPO."""

    @property
    def party(self) -> Party:
        """The local CPO (`HUB_LOCAL_CPO`)."""
        ...

    async def push(self, module: Module, purpose: Purpose, ids: tuple[str, ...], content: Mapping[str, Any]) -> Reply:
        """Push an object, or a part of it, to whom it concerns; `ids` are those below the owner. Raises OcpiError where it is refused.

        PUT is REPLACE, PATCH is UPDATE, POST of a CDR is ADD, DELETE is REMOVE. Numbers in `content` may be Decimal.
        """
        ...
