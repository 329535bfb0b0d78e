"""Messages on their way to one party, and what comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog

from hub.partners.calls import call_at, call_for, call_headers
from hub.partners.client import Answer, Call
from hub.partners.dialect import next_page_url
from hub.partners.directory import Directory, Partner
from hub.routing.callbacks import CallbackDesk, bare_result, require_own_token
from hub.routing.keeper import Keeper, cdr_url
from hub.routing.links import SealedLinks
from hub.routing.ports import Ports
from hub.routing.reader import Reader
from hub.routing.replies import place_at, read_reply, returned, understood
from hub.routing.routes import Forward, forward_to, require_addressee
from hub.routing.witness import Witness
from hub.store.changes import not_there, says_the_same
from ocpi_modules.envelope import read_envelope
from ocpi_modules.errors import (
    InvalidParameters,
    OcpiError,
    ReceiverNotConnected,
    RoutingFault,
    UnknownPath,
    UnknownToken,
)
from ocpi_modules.headers import next_link
from ocpi_modules.message import Message, Reply, judge_object
from ocpi_modules.module import Interface, Purpose
from ocpi_modules.parties import Party

HOPS_MAX = 50  # identical messages under one correlation id at the same moment; a caller's own repetitions stay below
ALIKE_MAX = 200  # the same under any id, for a platform that makes a new one each time round

_log = structlog.get_logger()


class Forwarder:
    """Carries messages to one party, and its answers back."""

    def __init__(self, ports: Ports, base_url: str, parts: tuple[Reader, Keeper]) -> None:
        self._ports, self._base = ports, base_url
        self._reader, self._keeper = parts
        self._links = SealedLinks(ports.safe, base_url)
        self._callbacks = CallbackDesk(ports.callbacks, base_url, ports.clock.now)
        self._witness = Witness(ports.permits, ports.clock)
        self._under_way: Counter[tuple[str, ...]] = Counter()

    @property
    def _directory(self) -> Directory:
        return self._ports.roster.directory

    async def forward(self, message: Message, route: Forward, caller: Partner) -> Reply:
        """The receiver's reply to a message; results of commands come back through the hub (CM-03)."""
        if message.operation.callback is not None:
            return await self._command(message, route, caller)
        return await self._exchange(message, route, caller)

    async def follow(self, sealed: str, message: Message, caller: Partner) -> Reply:
        """The next page behind one of our own Links: exactly the URL that the partner gave, for the caller it was given to (P-14)."""
        partner_id, caller_id, sender, receiver, module_id, url = self._links.open(sealed)
        if caller_id != caller.id or module_id != message.module.id:
            raise UnknownPath
        addressed = replace(message, sender=Party.parse(sender), receiver=Party.parse(receiver))
        route = forward_to(Party.parse(receiver), addressed, self._directory)
        if route.partner.id != partner_id:
            raise UnknownPath
        return await self._exchange_page(addressed, route, caller, url)

    async def take_result(self, message: Message, caller: Partner) -> Reply:
        """A result on its way to whoever asked for it; the answer to it goes back, nothing is tried again (CM-04, CM-10)."""
        callback = await self._callbacks.find(message, self._directory.parties_of(caller))
        self._witness.resulted(message, callback)
        if not self._directory.permissions.allows(callback.answerer, callback.caller, callback.module_id):
            raise ReceiverNotConnected(f"{callback.answerer} and {callback.caller} have no agreement any more")
        partner = self._directory.partner_of(callback.caller)
        if partner is None:
            raise ReceiverNotConnected(f"{callback.caller} is not connected")
        headers = call_headers(
            partner, callback.answerer, callback.caller, (self._ports.new_id(), message.correlation_id)
        )
        headers["Content-Type"] = "application/json"
        call = Call(
            method="POST",
            url=callback.url,
            headers=headers,
            body=bare_result(message),
            partner_id=partner.id,
            module_id=message.module.id,
        )
        # not `_send`: the caller named this address, and when nobody is there its platform need not be away
        reply = read_reply(await self._ports.client.send(call), is_push=True)
        return replace(reply, sender=callback.caller, receiver=callback.answerer)

    async def read_remote(self, message: Message, caller: Partner) -> Reply:
        """A CDR where its receiver keeps it (CD-04), or the hub's own copy when the receiver never said where."""
        copy = await self._reader.owned(message)
        if copy is None:
            raise not_there(message.module, message.object_keys)
        receiver = message.receiver or copy.addressee
        if copy.remote_url is None or receiver is None or receiver != copy.addressee:
            return Reply(data=copy.text, sender=self._directory.hub, receiver=message.sender)
        route = forward_to(receiver, message, self._directory)
        url = place_at(route.partner.endpoint(message.module, Interface.RECEIVER) or "", copy.remote_url)
        if url is None:
            return Reply(data=copy.text, sender=self._directory.hub, receiver=message.sender)
        try:
            return await self._exchange_page(message, route, caller, url)
        except RoutingFault as fault:  # what the receiver said of its place is of no use: the hub has what was sent
            _log.info("cdr_read_from_copy", receiver=str(receiver), reason=fault.message)
            return Reply(data=copy.text, sender=self._directory.hub, receiver=message.sender)

    async def _command(self, message: Message, route: Forward, caller: Partner) -> Reply:
        require_own_token(message)
        asked_at = self._ports.clock.now()
        swapped, callback = await self._callbacks.swap(message, route.receiver)
        try:
            reply = await self._exchange(swapped, route, caller)
        except OcpiError as error:
            self._witness.commanded(message, error, asked_at, callback)
            await self._callbacks.settle(callback.id, error)
            raise
        self._witness.commanded(message, reply, asked_at, callback)
        await self._callbacks.settle(callback.id, reply)
        return reply

    @contextmanager
    def _once_round(self, message: Message, route: Forward) -> Iterator[None]:
        """Cut loops (R-22): what keeps coming back while it is under way goes round HOPS_MAX times at most. Raises RoutingFault."""
        where = (message.operation.method, message.module.id, message.suffix, message.raw_query)
        way = (str(message.sender), str(route.receiver), *where)
        bounds = {(message.correlation_id, *way): HOPS_MAX, way: ALIKE_MAX}
        if any(self._under_way[journey] >= most for journey, most in bounds.items()):
            raise RoutingFault(f"the message to {route.receiver} goes round in a circle")
        self._under_way.update(bounds.keys())
        try:
            yield
        finally:
            self._under_way.subtract(bounds.keys())
            for journey in bounds:
                if not self._under_way[journey]:
                    del self._under_way[journey]

    async def _exchange(self, message: Message, route: Forward, caller: Partner) -> Reply:
        await self._refuse_changed_cdr(message)
        is_kept = message.purpose.is_push and message.module.is_kept and await self._belongs(message, route.receiver)
        onward = message.readdressed(message.sender, route.receiver, self._ports.new_id())
        call = call_for(onward, route.partner)
        with self._once_round(message, route):
            answer = understood(await self._send(call, route.partner), route.partner, message.purpose)
        if answer.http_status == 404 and "=authorize" in message.operation.path and read_envelope(answer.body) is None:
            raise UnknownToken(http_status=404)  # either of its two signs will do
        reply = read_reply(answer, is_push=message.purpose.is_push)
        if reply.is_success and is_kept:
            await self._keep_forwarded(message, route, answer)
        headers = self._link_header(message, route, caller, (call.url, answer))
        if message.purpose is Purpose.ADD and reply.is_success:
            headers["Location"] = cdr_url(self._base, message)
        return returned(message, route, answer, replace(reply, headers=headers))

    async def _exchange_page(self, message: Message, route: Forward, caller: Partner, url: str) -> Reply:
        onward = message.readdressed(message.sender, route.receiver, self._ports.new_id())
        answer = await self._send(call_at(url, onward, route.partner), route.partner)
        answer = understood(answer, route.partner, message.purpose)
        headers = self._link_header(message, route, caller, (url, answer))
        return returned(message, route, answer, replace(read_reply(answer, is_push=False), headers=headers))

    async def _send(self, call: Call, partner: Partner) -> Answer:
        try:
            answer = await self._ports.client.send(call)
        except ReceiverNotConnected:
            await self._ports.lost(partner)
            raise
        self._ports.heard(partner)
        return answer

    def _link_header(
        self, message: Message, route: Forward, caller: Partner, answered: tuple[str, Answer]
    ) -> dict[str, str]:
        """The partner's next page behind a Link of ours, where there is one (P-14); `answered` is the URL and its answer."""
        url, answer = answered
        if message.purpose is not Purpose.LIST:
            return {}
        link = next_page_url(url, answer.headers, answer.body, route.partner.quirks)
        if link is None and answer.headers.get("link", "").strip():
            _log.warning("link_not_passed_on", receiver=str(route.receiver), module=message.module.id)
        return {"Link": next_link(self._links.seal(message, route, caller, link))} if link else {}

    async def _keep_forwarded(self, message: Message, route: Forward, answer: Answer) -> None:
        """Keep what the receiver accepted, for it alone; a thing that is no valid object is the receiver's affair and not kept.

        A CDR is kept in any case: money depends on it.
        """
        change = self._keeper.change(message, addressed_to=route.receiver)
        location = answer.headers.get("location")
        try:
            if not message.module.is_final:
                judge_object(message)
            await self._ports.copies.keep(replace(change, remote_url=location and location[:2000]))
        except OcpiError as refused:
            _log.info("forwarded_not_kept", module=message.module.id, reason=refused.message)

    async def _belongs(self, message: Message, receiver: Party) -> bool:
        """Whether the receiver of a forwarded push is the one whose copy it becomes."""
        if not message.module.is_addressed:
            return True
        belongs_to = message.token_party
        if belongs_to is None:
            stored = await self._reader.owned(message)
            belongs_to = stored.addressee if stored else None
        return require_addressee(receiver, message, belongs_to, self._directory.roles(receiver))

    async def _refuse_changed_cdr(self, message: Message) -> None:
        if not message.module.is_final or not message.purpose.is_push:
            return
        known = await self._reader.owned(message)
        if known is not None and not says_the_same(known.text, message.content):
            raise InvalidParameters(
                f"{message.module.id} {message.object_keys[0]} exists with other contents and never changes"
            )
