"""The small world of the routing tests: a message from its parts, and the test bench of the checklist as one frozen directory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from hub.partners.directory import Directory, Member, Partner, Presence
from ocpi_modules.catalog import FUNCTIONAL, MODULES
from ocpi_modules.message import Message
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, encode_json

HUB = Party("NL", "HUB")
CP1, CP2 = Party("DE", "CP1"), Party("BE", "CP2")
MS1, MS2 = Party("NL", "MS1"), Party("BE", "MS2")
NS1, NAP, SC1, OT1 = Party("GB", "NS1"), Party("FR", "NAP"), Party("DE", "SC1"), Party("NL", "OT1")
OFF = Party("AT", "OFF")

S, R = Interface.SENDER, Interface.RECEIVER
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PLATFORMS: tuple[tuple[tuple[Party, Role], ...], ...] = (
    ((CP1, Role.CPO),),
    ((CP2, Role.CPO), (MS2, Role.EMSP)),
    ((MS1, Role.EMSP),),
    ((NS1, Role.NSP),),
    ((NAP, Role.NAP),),
    ((SC1, Role.SCSP),),
    ((OT1, Role.OTHER),),
)


def message_of(
    method: str,
    endpoint: str,
    *,
    sender: Party = CP1,
    receiver: Party | None = HUB,
    content: Any = None,
    query: str = "",
) -> Message:
    """The message of a request: ``message_of("PUT", "receiver/locations/DE/CP1/L1", content=…)``."""
    side, module_id, *segments = endpoint.split("/")
    module, interface = MODULES[module_id], Interface(side.upper())
    operation = module.find(interface, method, tuple(segments))
    body = b"" if content is None else encode_json(content)
    return Message(
        module=module,
        interface=interface,
        operation=operation,
        keys=operation.keys_of(tuple(segments)),
        suffix="/".join(segments),
        raw_query=query,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        body=body,
        content=decode_json(body) if body else None,
        sender=sender,
        receiver=receiver,
        request_id="r1",
        correlation_id="c1",
    )


def partner_of(number: int, endpoints: Mapping[tuple[str, Interface], str] | None = None) -> Partner:
    """A joined partner that offers every endpoint, or only these."""
    offered = {
        (module.id, interface): f"https://p{number}.example/{interface.lower()}/{module.id}"
        for module in FUNCTIONAL
        for interface in (S, R)
    }
    base = f"https://p{number}.example"
    return Partner(
        id=number,
        name=f"p{number}",
        versions_url=f"{base}/versions",
        is_joined=True,
        token_hash=bytes([number]),
        token=f"token-of-p{number}",
        endpoints=offered if endpoints is None else endpoints,
    )


def member_of(party: Party, role: Role, partner_id: int | None, status: Presence = Presence.CONNECTED) -> Member:
    """A party in one role since SINCE."""
    return Member(party, role, str(party), status, SINCE, partner_id)


def bench() -> Directory:
    """The platforms of the checklist, all connected and offering everything, and OFF, which is offline."""
    numbered = tuple(enumerate((*PLATFORMS, ((OFF, Role.EMSP),)), start=1))
    members = tuple(
        member_of(party, role, number, Presence.OFFLINE if party == OFF else Presence.CONNECTED)
        for number, roles in numbered
        for party, role in roles
    )
    return Directory(HUB, {number: partner_of(number) for number, _ in numbered}, members)
