"""What the parts of the router act with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.clock import Clock
from hub.partners.client import PartnerClient
from hub.partners.delivery import LanesPort
from hub.partners.directory import Partner
from hub.partners.roster import Roster
from hub.store.callbacks import Callbacks
from hub.store.copies import Copies
from hub.store.defects import Defects
from hub.store.permits import PermitNotes
from hub.store.refusals import Refusals
from hub.store.secrets import Safe
from ocpi_modules.parties import Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the router acts with."""

    roster: Roster
    copies: Copies
    client: PartnerClient
    lanes: LanesPort
    safe: Safe
    clock: Clock
    new_id: Callable[[], str]
    lost: Callable[[Partner], Any]
    heard: Callable[[Partner], None]
    payer_waits: Callable[[Party], None]
    callbacks: Callbacks
    defects: Defects
    refusals: Refusals
    permits: PermitNotes
