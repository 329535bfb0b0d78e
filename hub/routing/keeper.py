"""Pushes that the hub keeps itself: broadcasts, and sessions and CDRs for their eMSP."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

import structlog

from hub.partners.calls import Hop, call_for, update_of
from hub.partners.delivery import Parcel, Update
from hub.partners.directory import Directory, Partner
from hub.routing.ports import Ports
from hub.routing.remarks import original_of, remarks_on_cdr, remarks_on_session
from hub.routing.routes import Broadcast, Deliver
from hub.store.changes import Change, Result
from hub.store.copies import Kept
from hub.store.defects import Seen
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.lenient import defects_of, put_right
from ocpi_modules.message import Message, Reply, judge_object
from ocpi_modules.module import Interface, Purpose
from ocpi_modules.parties import Party

_log = structlog.get_logger()


class Keeper:
    """Judges, keeps and acknowledges what is for the hub, and tells those who are to hear of it."""

    def __init__(self, ports: Ports, base_url: str) -> None:
        self._ports, self._base = ports, base_url

    @property
    def _directory(self) -> Directory:
        return self._ports.roster.directory

    async def broadcast(self, message: Message, route: Broadcast, caller: Partner, *, is_pulled: bool = False) -> Reply:
        """Keep what is for everybody, and queue it for its receivers where it is news (B-01, B-10, X-17)."""
        judged = await self._judged(message, caller)
        change = self.change(judged, is_lenient=caller.quirks.lenient, is_pulled=is_pulled)
        receivers = once_a_platform(route.receivers, self._directory)
        kept = await self._keep(message, change, receivers)
        return self._acknowledged(message, kept)

    async def deliver(self, message: Message, route: Deliver, caller: Partner, *, is_pulled: bool = False) -> Reply:
        """Keep a session or CDR, and see to it that its eMSP gets it (B-11)."""
        judged = await self._judged(message, caller)
        change = self.change(
            judged,
            addressed_to=route.addressee,
            payer=route.addressee if message.module.is_final else None,
            is_lenient=caller.quirks.lenient,
            is_judged=not caller.quirks.lenient,
            is_pulled=is_pulled,
        )
        kept = await self._keep(message, change, () if message.module.is_final else (route.addressee,))
        if message.module.is_final:
            self._ports.payer_waits(route.addressee)
            await self._count_repeated(change, kept)
        reply = await self._remarked(message, kept, self._acknowledged(message, kept))
        return replace(reply, headers={"Location": cdr_url(self._base, message)}) if message.module.is_final else reply

    async def _keep(self, message: Message, change: Change, receivers: Collection[Party]) -> Kept:
        """Keep a change; where it is news, it is in the lanes of its receivers before anybody can change the same object again."""
        news = partial(self._parcels, message, receivers, change.is_pulled) if receivers else None
        kept = await self._ports.copies.keep(change, news)
        if change.is_lenient and kept.result.is_news:
            await self._count_defects(message, is_kept=True)
        return kept

    async def _judged(self, message: Message, caller: Partner) -> Message:
        """The message, its object found valid or put right. Raises InvalidParameters, unless its caller is treated leniently."""
        try:
            right = put_right(message, self._ports.clock.now()) if _is_put_right(message, caller) else message
            if not caller.quirks.lenient:
                judge_object(message)
        except InvalidParameters:
            await self._count_defects(message, is_kept=False)
            raise
        return right

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

    async def _count_repeated(self, change: Change, kept: Kept) -> None:
        if kept.result is not Result.UNCHANGED:
            return
        try:
            await self._ports.refusals.count_repeated(change.owner, change.at)
        except Exception as exc:  # a count must not cost anybody an answer
            _log.warning("repeated_cdr_not_counted", error=type(exc).__name__)

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

    def _parcels(self, message: Message, receivers: Collection[Party], is_bulk: bool) -> list[Parcel]:
        """A push for the lanes of its receivers."""
        update = update_of(message)
        parcels = (self._parcel(message, receiver, update, is_bulk=is_bulk) for receiver in receivers)
        return [parcel for parcel in parcels if parcel is not None]

    def _parcel(self, message: Message, receiver: Party, update: Update | None, *, is_bulk: bool) -> Parcel | None:
        partner = self._directory.partner_of(receiver)
        if partner is None or partner.endpoint(message.module, Interface.RECEIVER) is None:
            return None
        call = call_for(message, partner, Hop(self._directory.hub, receiver, self._ports.new_id()))
        return Parcel(name=str(receiver), partner=partner, call=call, is_bulk=is_bulk, supersedes=update)

    def _acknowledged(self, message: Message, kept: Kept) -> Reply:
        stale = kept.result is Result.STALE
        return Reply(
            message="older than what the hub holds: not stored" if stale else None,
            http_status=201 if kept.result is Result.CREATED or (message.purpose is Purpose.ADD) else 200,
            sender=self._directory.hub,
            receiver=message.sender,
        )

    def change(self, message: Message, addressed_to: Party | None = None, **more: Any) -> Change:
        """A push as the change of the copies that it means; `more` are further fields of it."""
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
            **more,
        )


def _is_put_right(message: Message, caller: Partner) -> bool:
    return caller.quirks.lenient and message.operation.has_body


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


def cdr_url(base_url: str, message: Message) -> str:
    """Where a CDR that was posted can be read again at the hub (CD-03, CD-04)."""
    owner = message.owner
    assert owner is not None
    path = "/".join(quote(part, safe="") for part in (owner.country_code, owner.party_id, message.object_keys[0]))
    return f"{base_url}/receiver/{message.module.id}/{path}"
