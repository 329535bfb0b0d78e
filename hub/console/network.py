"""What the pages of the operator's desk read and do their work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.console.errands import Errands
from hub.store.handshakes import HandshakeSteps
from hub.web.admin import Desk
from hub.web.health import Vitals
from hub.web.meterkeys import MeterKeysDesk
from hub.web.terms import TermsDesk
from hub.web.upkeep import UpkeepDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDesks:
    """The desks of the admin API, how far handshakes are, what waits in the lanes by party, and how the hub is."""

    partners: Desk
    upkeep: UpkeepDesk
    terms: TermsDesk
    keys: MeterKeysDesk
    steps: HandshakeSteps
    errands: Errands
    waiting: Callable[[], Awaitable[dict[str, int]]]
    vitals: Callable[[], Awaitable[Vitals]]
