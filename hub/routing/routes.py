"""Where a message goes: pure functions of the message, the directory and what the copies know. Every refusal is an OcpiError.

Source: transport_and_format ("Message Routing"), checklist sections 6 to 9.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hub.partners.directory import Directory, Partner
from ocpi_modules.errors import (
    InvalidParameters,
    OcpiError,
    ReceiverNotConnected,
    RoutingFault,
    UnknownReceiver,
    UnknownToken,
    unknown_object,
)
from ocpi_modules.message import Message
from ocpi_modules.module import Interface, LookFor, Module, Purpose
from ocpi_modules.parties import Party, Role


@dataclass(frozen=True, slots=True)
class Forward:
    """To one party, and its answer back."""

    receiver: Party
    partner: Partner


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Kept by the hub, answered by it, and told to all of these."""

    receivers: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Kept by the hub, answered by it, and taken to the one eMSP that it belongs to (B-11)."""

    addressee: Party


@dataclass(frozen=True, slots=True)
class FromCopies:
    """Answered from what the hub keeps."""


Route = Forward | Broadcast | Deliver | FromCopies


def question(message: Message, hub: Party) -> LookFor | None:
    """What the copies have to be asked before a message without a named receiver can be routed; None when nothing."""
    if message.receiver not in {None, hub}:
        return None
    if message.purpose is Purpose.ACT or (message.purpose is Purpose.READ and message.receiver is None):
        return message.looks_for
    return None


def choose_route(message: Message, directory: Directory, found: Collection[Party] = ()) -> Route:
    """The route of a message. `found`: the parties that the copies named for it (owners of the object, or its addressee).

    Raises UnknownReceiver (4001), ReceiverNotConnected (4003), RoutingFault (4000), and the 404 of an object that nobody has.
    """
    if message.receiver is not None and message.receiver != directory.hub:
        return forward_to(message.receiver, message, directory)
    if message.purpose is Purpose.LIST:
        return FromCopies()
    if message.purpose is Purpose.READ:
        return _route_read(message, directory, found)
    if message.purpose.is_push:
        return _route_push(message, directory, found)
    return forward_to(_only(found, message), message, directory)


def forward_to(receiver: Party, message: Message, directory: Directory) -> Forward:
    """The way to one party, judged in the order of X-22: known, connected, with this module and role."""
    if not directory.knows(receiver):
        raise UnknownReceiver(f"{receiver} is not known here")
    require_permission(message, receiver, directory)
    partner = directory.partner_of(receiver)
    if partner is None:
        raise ReceiverNotConnected(f"{receiver} is not connected")
    lacks_role = not directory.roles(receiver) & message.module.implementers(message.interface)
    if lacks_role or partner.endpoint(message.module, message.interface) is None:
        raise RoutingFault(f"{receiver} offers no {message.module.id} {message.interface}")
    return Forward(receiver, partner)


def require_permission(message: Message, other: Party, directory: Directory) -> None:
    """The two have to be allowed to talk about the module; else the other is as PLANNED as hub client info shows it: 4003 (HC-10)."""
    if not directory.permissions.allows(message.sender, other, message.module.id):
        raise ReceiverNotConnected(f"{message.sender} and {other} have no agreement on {message.module.id}")


def clear_sender(candidates: frozenset[Party], named: Party | None = None) -> Party:
    """The sender of a request without from-headers, where only one party can be meant (R-01): the one that the request names otherwise,
    or the only candidate there is. Raises InvalidParameters where several could be.
    """
    if named is not None and named in candidates:
        return named
    if len(candidates) != 1:
        raise InvalidParameters("the OCPI-from headers are missing, and more than one party is behind this token")
    return next(iter(candidates))


def require_sender(sender: Party, parties: frozenset[Party]) -> None:
    """The sender has to be a party of the caller (R-07)."""
    if sender not in parties:
        raise InvalidParameters(f"{sender} is not a party of this connection")


def require_owner(message: Message, directory: Directory, parties: frozenset[Party]) -> None:
    """The owner in the URL or body has to be the caller's, in a role that owns such objects, and the sender itself (L-06, TK-03, X-10)."""
    owner = message.owner
    if owner is None:
        return
    if owner not in parties or not directory.roles(owner) & message.module.senders:
        raise foreign_owner(message.module, owner)
    if owner != message.sender and message.purpose is not Purpose.READ:
        raise InvalidParameters(f"the owner {owner} is not the sender {message.sender}")


def foreign_owner(module: Module, owner: Party) -> OcpiError:
    """The answer to somebody who addresses objects of another (transport_and_format, "Errors")."""
    return unknown_object(module.unknown_code, f"{owner} owns no {module.id} of this connection")


def _route_read(message: Message, directory: Directory, found: Collection[Party]) -> Route:
    if message.interface is Interface.RECEIVER or message.receiver == directory.hub:
        return FromCopies()
    return forward_to(_only(found, message), message, directory)


def _route_push(message: Message, directory: Directory, found: Collection[Party]) -> Route:
    if message.module.is_broadcast:
        return Broadcast(directory.broadcast_receivers(message.module, message.sender))
    addressee = _only(found, message)
    if message.receiver is None:
        return forward_to(addressee, message, directory)
    require_taker(addressee, message, directory)
    return Deliver(addressee)


def require_taker(addressee: Party, message: Message, directory: Directory) -> None:
    """What the hub accepts for a party, that party has to be able to take: some day, if not now."""
    if not directory.knows(addressee):
        raise UnknownReceiver(f"{addressee} is not known here")
    require_permission(message, addressee, directory)
    roles = directory.roles(addressee)
    if not roles:
        raise ReceiverNotConnected(f"{addressee} has left")
    if not roles & message.module.receivers:
        raise UnknownReceiver(f"{addressee} takes no {message.module.id}")


def require_addressee(receiver: Party, message: Message, belongs_to: Party | None, roles: frozenset[Role]) -> bool:
    """Whether a session or CDR goes to the eMSP of its token, which then also gets the hub's copy of it.

    Sessions may go to a smart charging provider as well. Raises InvalidParameters for anybody else: neither is for others (B-11).
    """
    if belongs_to is None or belongs_to == receiver:
        return True
    if not message.module.is_final and Role.SCSP in roles:
        return False
    raise InvalidParameters(f"this belongs to {belongs_to}, not to {receiver}")


def _only(found: Collection[Party], message: Message) -> Party:
    """The one party found; several are never guessed between (O-04, CP-10), none is 4001 (O-05), an unknown token 404 + 2004 (TK-10)."""
    if len(found) == 1:
        return next(iter(found))
    if not found and message.module.unknown_code == UnknownToken.status_code:
        raise UnknownToken(http_status=404)
    reason = "more than one party fits; name the receiver" if found else "nobody is known to whom this belongs"
    raise UnknownReceiver(reason)
