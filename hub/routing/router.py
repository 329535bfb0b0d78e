"""Carries out routes: choose, keep, act, answer. No transaction is ever held over a call to a partner."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import structlog
from cryptography.exceptions import InvalidTag

from hub.clock import Clock
from hub.partners.calls import call_at, call_for, call_headers
from hub.partners.client import Answer, Call, PartnerClient
from hub.partners.dialect import heard_body, is_same_server, next_page_url
from hub.partners.directory import Directory, Partner
from hub.partners.lanes import Lanes
from hub.partners.roster import Roster
from hub.routing.callbacks import CallbackDesk, bare_result, require_own_token
from hub.routing.paging import Paging, Window, page_headers
from hub.routing.remarks import original_of, remarks_on_cdr, remarks_on_session
from hub.routing.routes import (
    Broadcast,
    Deliver,
    Forward,
    FromCopies,
    choose_route,
    forward_to,
    question,
    require_addressee,
    require_owner,
)
from hub.store.callbacks import Callbacks
from hub.store.changes import Change, Result, not_there
from hub.store.copies import Copies, Copy, Kept, PageQuery
from hub.store.defects import Defects, Seen
from hub.store.secrets import Safe
from ocpi_modules.envelope import read_envelope
from ocpi_modules.errors import (
    InvalidParameters,
    OcpiError,
    ReceiverNotConnected,
    RoutingFault,
    UnknownPath,
    UnknownToken,
)
from ocpi_modules.headers import join_reference, next_link, read_count
from ocpi_modules.lenient import defects_of, put_right
from ocpi_modules.message import Message, Reply, judge_identity, judge_object
from ocpi_modules.module import Interface, LookFor, Module, Purpose
from ocpi_modules.parties import Party, Role
from ocpi_modules.patch import find_part
from ocpi_modules.types import decode_json, encode_json

HOPS_MAX = 4  # identical messages under one correlation id at the same moment; a caller's own repetitions stay below
FORWARDED_HTTP_STATUSES = frozenset({200, 201, 404, 405})

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the router acts with."""

    roster: Roster
    copies: Copies
    client: PartnerClient
    lanes: Lanes
    safe: Safe
    clock: Clock
    new_id: Callable[[], str]
    lost: Callable[[Partner], Any]
    heard: Callable[[Partner], None]
    payer_waits: Callable[[Party], None]
    callbacks: Callbacks
    defects: Defects


class Router:
    """Handles one message at a time; everything it needs is handed in."""

    def __init__(self, ports: Ports, public_url: str, paging: Paging) -> None:
        self._ports = ports
        self._base = f"{public_url.rstrip('/')}/ocpi/2.2.1"
        self._callbacks = CallbackDesk(ports.callbacks, self._base, ports.clock.now)
        self._paging = paging
        self._under_way: Counter[tuple[str, Party, Party, tuple[str, ...]]] = Counter()

    @property
    def _directory(self) -> Directory:
        return self._ports.roster.directory

    async def handle(self, message: Message, caller: Partner) -> Reply:
        """The reply to a message of a caller. Raises OcpiError for every refusal."""
        judge_identity(message)
        require_owner(message, self._directory, self._directory.parties_of(caller))
        if self._is_remote_cdr(message):
            return await self._read_remote(message, caller)
        if message.purpose is Purpose.RESULT:
            return await self._take_result(message, caller)
        route = choose_route(message, self._directory, await self._found(message))
        match route:
            case Forward():
                return await self._forward(message, route, caller)
            case Broadcast():
                return await self._broadcast(message, route, caller)
            case Deliver():
                return await self._deliver(message, route, caller)
            case FromCopies():
                reply = await self._from_copies(message)
                return replace(reply, sender=self._directory.hub, receiver=message.sender)

    async def take_pulled(self, message: Message, partner: Partner) -> None:
        """Keep an object that the hub asked a partner for, and tell others what is new, as if it had been pushed. Raises OcpiError."""
        judge_identity(message)
        require_owner(message, self._directory, self._directory.parties_of(partner))
        route = choose_route(message, self._directory, await self._found(message))
        if isinstance(route, Broadcast):
            await self._broadcast(message, route, partner, is_pulled=True)
        elif isinstance(route, Deliver):
            await self._deliver(message, route, partner, is_pulled=True)

    async def follow(self, sealed: str, message: Message, caller: Partner) -> Reply:
        """The next page behind one of our own Links: exactly the URL that the partner gave, for the caller it was given to (P-14)."""
        partner_id, caller_id, sender, receiver, module_id, url = self._opened(sealed)
        if caller_id != caller.id or module_id != message.module.id:
            raise UnknownPath
        addressed = replace(message, sender=Party.parse(sender), receiver=Party.parse(receiver))
        route = forward_to(Party.parse(receiver), addressed, self._directory)
        if route.partner.id != partner_id:
            raise UnknownPath
        return await self._exchange_page(addressed, route, caller, url)

    async def _found(self, message: Message) -> Collection[Party]:
        if message.purpose.is_push and message.module.is_addressed:
            return await self._addressees(message)
        look = question(message, self._directory.hub)
        owners = await self._ports.copies.owners(look) if look else frozenset[Party]()
        permissions, module_id = self._directory.permissions, message.module.id
        return [owner for owner in owners if permissions.allows(message.sender, owner, module_id)]

    async def _addressees(self, message: Message) -> Collection[Party]:
        named = message.token_party
        if named is not None:
            return (named,)
        if message.receiver not in {None, self._directory.hub}:
            return ()
        if message.purpose is not Purpose.UPDATE:
            raise InvalidParameters("cdr_token does not name an eMSP")
        copy = await self._owned(message)
        if copy is None and message.receiver is None:
            return ()
        if copy is None:
            raise not_there(message.module, message.object_keys)
        return (copy.addressee,) if copy.addressee else ()

    # --- forwards ------------------------------------------------------------------------------

    async def _forward(self, message: Message, route: Forward, caller: Partner) -> Reply:
        if message.operation.callback is not None:
            return await self._command(message, route, caller)
        return await self._exchange(message, route, caller)

    async def _command(self, message: Message, route: Forward, caller: Partner) -> Reply:
        require_own_token(message)
        swapped, callback_id = await self._callbacks.swap(message, route.receiver)
        try:
            reply = await self._exchange(swapped, route, caller)
        except OcpiError as error:
            await self._callbacks.settle(callback_id, error)
            raise
        await self._callbacks.settle(callback_id, reply)
        return reply

    async def _take_result(self, message: Message, caller: Partner) -> Reply:
        """A result on its way to whoever asked for it; the answer to it goes back, nothing is tried again (CM-04, CM-10)."""
        callback = await self._callbacks.find(message, self._directory.parties_of(caller))
        partner = self._directory.partner_of(callback.caller)
        if partner is None:
            raise ReceiverNotConnected(f"{callback.caller} is not connected")
        headers = call_headers(
            partner, callback.answerer, callback.caller, (self._ports.new_id(), message.correlation_id)
        )
        headers["Content-Type"] = "application/json"
        call = Call(method="POST", url=callback.url, headers=headers, body=bare_result(message))
        # not `_send`: the caller named this address, and when nobody is there its platform need not be away
        reply = read_reply(await self._ports.client.send(call), is_push=True)
        return replace(reply, sender=callback.caller, receiver=callback.answerer)

    @contextmanager
    def _once_round(self, message: Message, route: Forward) -> Iterator[None]:
        """Cut loops (R-22): what keeps coming back while it is under way goes round HOPS_MAX times at most. Raises RoutingFault."""
        where = (message.operation.method, message.module.id, message.suffix, message.raw_query)
        journey = (message.correlation_id, message.sender, route.receiver, where)
        if self._under_way[journey] >= HOPS_MAX:
            raise RoutingFault(f"the message to {route.receiver} goes round in a circle")
        self._under_way[journey] += 1
        try:
            yield
        finally:
            self._under_way[journey] -= 1
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
            headers["Location"] = self._cdr_url(message)
        return _returned(message, route, answer, replace(reply, headers=headers))

    async def _exchange_page(self, message: Message, route: Forward, caller: Partner, url: str) -> Reply:
        onward = message.readdressed(message.sender, route.receiver, self._ports.new_id())
        answer = await self._send(call_at(url, onward, route.partner), route.partner)
        answer = understood(answer, route.partner, message.purpose)
        headers = self._link_header(message, route, caller, (url, answer))
        return _returned(message, route, answer, replace(read_reply(answer, is_push=False), headers=headers))

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
        return {"Link": next_link(self._sealed_link(message, route, caller, link))} if link else {}

    def _sealed_link(self, message: Message, route: Forward, caller: Partner, url: str) -> str:
        parts = [
            route.partner.id,
            caller.id,
            str(message.sender),
            str(route.receiver),
            message.module.id,
            url,
        ]
        sealed = base64.urlsafe_b64encode(self._ports.safe.seal(json.dumps(parts))).decode().rstrip("=")
        return f"{self._base}/pages/{message.module.id}/{sealed}"

    def _opened(self, sealed: str) -> tuple[int, int, str, str, str, str]:
        try:
            text = self._ports.safe.open(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
            partner_id, caller_id, sender, receiver, module_id, url = json.loads(text)
        except (ValueError, InvalidTag) as exc:
            raise UnknownPath from exc
        return partner_id, caller_id, sender, receiver, module_id, url

    async def _keep_forwarded(self, message: Message, route: Forward, answer: Answer) -> None:
        """Keep what the receiver accepted, for it alone; a thing that is no valid object is the receiver's affair and not kept.

        A CDR is kept in any case: money depends on it.
        """
        change = self._change(message, addressed_to=route.receiver)
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
            stored = await self._owned(message)
            belongs_to = stored.addressee if stored else None
        return require_addressee(receiver, message, belongs_to, self._directory.roles(receiver))

    async def _refuse_changed_cdr(self, message: Message) -> None:
        if not message.module.is_final or not message.purpose.is_push:
            return
        known = await self._owned(message)
        if known is not None and decode_json(known.text) != message.content:
            raise InvalidParameters(
                f"{message.module.id} {message.object_keys[0]} exists with other contents and never changes"
            )

    # --- messages for the hub --------------------------------------------------------------------

    async def _judged(self, message: Message, caller: Partner) -> Message:
        """The message, its object found valid or put right. Raises InvalidParameters, unless its caller is treated leniently."""
        is_lenient = caller.quirks.lenient
        try:
            judge_object(message)
        except InvalidParameters:
            await self._count_defects(message, is_kept=is_lenient)
            if not is_lenient:
                raise
        return put_right(message, self._ports.clock.now()) if is_lenient and message.operation.has_body else message

    async def _count_defects(self, message: Message, *, is_kept: bool) -> None:
        owner = message.owner
        if owner is None or not (defects := defects_of(message)):
            return
        await self._count(Seen(owner, message.module.id, "/".join(message.object_keys)[:255], defects, is_kept))

    async def _count(self, seen: Seen) -> None:
        try:
            await self._ports.defects.count(seen, self._ports.clock.now())
        except Exception as exc:  # a count must not cost anybody an answer
            _log.warning("defect_not_counted", error=type(exc).__name__)

    async def _broadcast(
        self, message: Message, route: Broadcast, caller: Partner, *, is_pulled: bool = False
    ) -> Reply:
        judged = await self._judged(message, caller)
        change = replace(self._change(judged), is_lenient=caller.quirks.lenient, is_pulled=is_pulled)
        kept = await self._ports.copies.keep(change)
        if kept.result.is_news:
            for receiver in once_a_platform(route.receivers, self._directory):
                self._queue(message, receiver)
        return self._acknowledged(message, kept)

    async def _deliver(self, message: Message, route: Deliver, caller: Partner, *, is_pulled: bool = False) -> Reply:
        judged = await self._judged(message, caller)
        change = replace(
            self._change(judged, addressed_to=route.addressee),
            payer=route.addressee if message.module.is_final else None,
            is_lenient=caller.quirks.lenient,
            is_pulled=is_pulled,
        )
        kept = await self._ports.copies.keep(change)
        if message.module.is_final:
            self._ports.payer_waits(route.addressee)
        elif kept.result.is_news:
            self._queue(message, route.addressee)
        reply = await self._remarked(message, kept, self._acknowledged(message, kept))
        return replace(reply, headers={"Location": self._cdr_url(message)}) if message.module.is_final else reply

    async def _remarked(self, message: Message, kept: Kept, reply: Reply) -> Reply:
        """The reply with what is odd about an accepted session or CDR; the log and the counts of defects tell it too."""
        remarks = await self._remarks(message, kept)
        if not remarks:
            return reply
        owner, name = message.owner, "/".join(message.object_keys)
        assert owner is not None
        _log.warning("accepted_with_remarks", module=message.module.id, owner=str(owner), id=name, remarks=remarks)
        await self._count(Seen(owner, message.module.id, name[:255], remarks, is_kept=True))
        return replace(reply, message=reply.message or "; ".join(remarks)[:255])

    async def _remarks(self, message: Message, kept: Kept) -> tuple[str, ...]:
        if not message.module.is_final:
            return remarks_on_session(was_finished=kept.was_finished)
        if kept.result is not Result.CREATED:
            return ()
        original, owner = original_of(message.content), message.owner
        assert owner is not None
        known = await self._ports.copies.owned(message.module, owner, original, "") if original else None
        return remarks_on_cdr(message.content, knows_original=known is not None)

    def _queue(self, message: Message, receiver: Party) -> None:
        partner = self._directory.partner_of(receiver)
        if partner is None or partner.endpoint(message.module, Interface.RECEIVER) is None:
            return
        onward = message.readdressed(self._directory.hub, receiver, self._ports.new_id())
        self._ports.lanes.push(str(receiver), partner, call_for(onward, partner))

    def _acknowledged(self, message: Message, kept: Kept) -> Reply:
        stale = kept.result is Result.STALE
        return Reply(
            message="older than what the hub holds: not stored" if stale else None,
            http_status=201 if kept.result is Result.CREATED or (message.purpose is Purpose.ADD) else 200,
            sender=self._directory.hub,
            receiver=message.sender,
        )

    def _change(self, message: Message, addressed_to: Party | None = None) -> Change:
        owner = message.owner
        assert owner is not None
        is_addressed = message.module.is_addressed
        return Change(
            module=message.module,
            purpose=message.purpose,
            owner=owner,
            ids=message.object_keys,
            variant=message.variant,
            content=message.content,
            text=message.body,
            at=self._ports.clock.now(),
            audience=None if is_addressed else addressed_to,
            addressee=addressed_to if is_addressed else None,
            debtor=message.token_party or addressed_to,
        )

    # --- reads ---------------------------------------------------------------------------------

    async def _from_copies(self, message: Message) -> Reply:
        if message.purpose is Purpose.LIST:
            return await self._page(message)
        copy = await (self._owned(message) if message.interface is Interface.RECEIVER else self._seen_by_id(message))
        if copy is None:
            raise not_there(message.module, message.object_keys)
        if message.depth == 0:
            return Reply(data=copy.text)
        part = find_part(message.module, decode_json(copy.text), message.object_keys[1:])
        if part is None:
            raise not_there(message.module, message.object_keys)
        return Reply(data=encode_json(part))

    async def _owned(self, message: Message) -> Copy | None:
        owner = message.owner
        assert owner is not None
        return await self._ports.copies.owned(message.module, owner, message.object_keys[0], message.variant)

    async def _seen_by_id(self, message: Message) -> Copy | None:
        look = LookFor(message.module.id, message.object_keys[0], message.variant)
        found = await self._ports.copies.visible(self._page_query(message, self._paging.read(message.query)), look)
        if len(found) > 1:
            raise InvalidParameters("more than one owner has an object with this id; name the owner as receiver")
        return next(iter(found.values()), None)

    async def _page(self, message: Message) -> Reply:
        window = self._paging.read(message.query)
        page = await self._ports.copies.page(self._page_query(message, window))
        headers = page_headers(f"{self._base}/sender/{message.module.id}", message.query, window, page.total)
        return Reply(data=("[" + ",".join(page.texts) + "]").encode(), headers=headers)

    def _page_query(self, message: Message, window: Window) -> PageQuery:
        return PageQuery(
            module=message.module,
            reader=message.sender,
            sees_shared=sees_shared(message.module, self._directory.roles(message.sender)),
            date_from=window.date_from,
            date_to=window.date_to,
            offset=window.offset,
            limit=window.limit,
            closed=self._directory.closed_to(message.sender, message.module),
        )

    # --- CDRs that their receiver keeps ---------------------------------------------------------

    def _cdr_url(self, message: Message) -> str:
        owner = message.owner
        assert owner is not None
        path = "/".join(quote(part, safe="") for part in (owner.country_code, owner.party_id, message.object_keys[0]))
        return f"{self._base}/receiver/{message.module.id}/{path}"

    def _is_remote_cdr(self, message: Message) -> bool:
        return message.module.is_final and message.purpose is Purpose.READ and message.receiver != self._directory.hub

    async def _read_remote(self, message: Message, caller: Partner) -> Reply:
        """A CDR where its receiver keeps it (CD-04), or the hub's own copy when the receiver never said where."""
        copy = await self._owned(message)
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


def _returned(message: Message, route: Forward, answer: Answer, reply: Reply) -> Reply:
    """A receiver's reply on its way back: the parties turned round, its counts passed on (R-03, P-15)."""
    counts = {name: read_count(answer.headers.get(name)) for name in ("x-total-count", "x-limit")}
    passed_on = {name: str(count) for name, count in counts.items() if count is not None}
    return replace(reply, headers={**passed_on, **reply.headers}, sender=route.receiver, receiver=message.sender)


def understood(answer: Answer, partner: Partner, purpose: Purpose) -> Answer:
    """A partner's answer as if it had no quirks."""
    return replace(answer, body=heard_body(answer.body, partner.quirks, purpose))


def once_a_platform(receivers: Collection[Party], directory: Directory) -> list[Party]:
    """The receivers of a broadcast, with one party for each platform that wants one copy only (X-15)."""
    chosen: list[Party] = []
    served: set[int] = set()
    for receiver in receivers:
        partner = directory.partner_of(receiver)
        if partner is None or partner.id not in served:
            chosen.append(receiver)
        if partner is not None and partner.quirks.collapse:
            served.add(partner.id)
    return chosen


def place_at(endpoint: str, reference: str) -> str | None:
    """Where a partner says that it keeps something, if that is at the partner itself: its token goes nowhere else (R-08)."""
    url = join_reference(endpoint, reference)
    return url if url is not None and is_same_server(url, endpoint) else None


def read_reply(answer: Answer, *, is_push: bool) -> Reply:
    """A partner's answer as the reply that its caller gets: the bytes that came back, wherever they are an OCPI answer (R-13, R-14, X-23).

    Raises RoutingFault (4000) for an answer that is none.
    """
    if answer.http_status in {401, 403}:
        raise RoutingFault("the receiver does not accept the hub's token")
    envelope = read_envelope(answer.body)
    if envelope is not None:
        status = answer.http_status if answer.http_status in FORWARDED_HTTP_STATUSES else 200
        return Reply(envelope.status_code, envelope.status_message, http_status=status, raw=answer.body)
    if 200 <= answer.http_status < 300 and is_push and not answer.body.strip():
        return Reply(message="the receiver answered without a body")
    kept_status = answer.http_status if answer.http_status in {404, 405} else 200
    raise RoutingFault(f"the receiver answered HTTP {answer.http_status}, not in OCPI", http_status=kept_status)


def sees_shared(module: Module, roles: frozenset[Role]) -> bool:
    """Whether a party in these roles reads what is meant for everybody: always, but tokens only those who charge cars (G-04)."""
    return bool(roles & module.receivers) or (Role.EMSP in module.receivers and bool(roles & module.senders))
