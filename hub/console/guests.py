"""The dispute room for a counterparty: whoever holds the link of one side sees one dispute, and makes the steps of that side.

A link is 256 random bits, of which the database has the SHA-256; it ends on its day, or when somebody takes it back. A form of the room
carries the secret in its address, so that nobody who does not know it can send one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from hub.console.accounts import Permission, Person
from hub.console.disputes import DISPUTES_PATH, Note, Number
from hub.console.exports import attachment
from hub.console.gate import Forbidden, address_of
from hub.console.routes import Console, done
from hub.settlement.disputes import Side, Stage, Step, steps_of
from hub.settlement.engine.disputes import DisputeRoom, Shown
from hub.settlement.engine.proof import ProofRoom
from hub.settlement.people import speaking_for
from hub.store.accounts import Deed
from hub.store.disputelinks import DisputeLinks, KeptLink, NewLink
from hub.store.secrets import new_token, token_hash
from hub.web.disputes import DisputeTold, tell
from hub.web.told import told
from ocpi_modules.errors import InvalidParameters, UnknownPath

ROOM_PATH = "/console/room"
LINK_DAYS = 14
LINK_DAYS_MAX = 60
GUEST_NAME_MAX_CHARACTERS = 60
ZIP_TYPE, JSON_TYPE = "application/zip", "application/json"

GUEST_WORDS: dict[Step, str] = {
    Step.RAISE: "Raise it",
    Step.COUNTER: "Object",
    Step.INSIST: "Insist",
    Step.CONCEDE: "Give way",
    Step.WITHDRAW: "Withdraw it",
    Step.ARBITRATE: "Take it to arbitration",
}


@dataclass(frozen=True, slots=True)
class Guests:
    """What the rooms of counterparties work with."""

    links: DisputeLinks
    room: DisputeRoom
    proof: ProofRoom


@dataclass(frozen=True, slots=True)
class Guest:
    """Who holds a link that is good: for which side of which dispute."""

    link: KeptLink
    shown: Shown

    @property
    def side(self) -> Side:
        """The side that they speak for."""
        return Side(self.link.side)

    @property
    def party(self) -> str:
        """The party of that side."""
        return self.shown.kept.creditor if self.side is Side.CREDITOR else self.shown.kept.debtor

    @property
    def steps(self) -> tuple[Step, ...]:
        """What they can do now."""
        return steps_of(Stage(self.shown.kept.state), self.side)


def refusal_of(link: KeptLink | None, now: datetime) -> str | None:
    """Why a link opens nothing, as a sentence; None for a good one."""
    if link is None:
        return "This link is none of ours, or not all of it was copied. Ask for another one."
    if link.revoked_at is not None:
        return "This link was taken back. Ask for another one."
    if link.ends_at <= now:
        return f"This link was good until {link.ends_at:%Y-%m-%d %H:%M} UTC. Ask for another one."
    return None


# --- making and revoking links, by people of the hub ---


def links_router(console: Console, guests: Guests) -> APIRouter:
    """The forms that make links and take them back."""
    router = console.router()

    @router.post("/disputes/{dispute_id}/links")
    async def make(
        request: Request,
        dispute_id: Number,
        side: Annotated[Side, Form()],
        days: Annotated[int, Form(ge=1, le=LINK_DAYS_MAX)] = LINK_DAYS,
    ) -> Response:
        person = console.person(request, Permission.CLEAR)
        with told():
            shown = await guests.room.show(dispute_id)
        _require_raised(shown, side)
        secret, now = new_token(), console.gate.clock.now()
        new = NewLink(dispute=dispute_id, side=side, digest=token_hash(secret), ends_at=now + timedelta(days=days))
        await guests.links.add(new, _deed(request, person, "dispute_link_made", dispute_id, side=side, days=days), now)
        party = shown.kept.creditor if side is Side.CREDITOR else shown.kept.debtor
        values = {
            "link": f"{ROOM_PATH}/{secret}",
            "party": party,
            "side": side,
            "dispute": dispute_id,
            "ends_at": new.ends_at,
        }
        return await console.page(request, "dispute_link.html", values, 201)

    @router.post("/disputes/{dispute_id}/links/{link_id}/revoke")
    async def revoke(request: Request, dispute_id: Number, link_id: Number) -> Response:
        person = console.person(request, Permission.CLEAR)
        deed = _deed(request, person, "dispute_link_revoked", dispute_id, link=link_id)
        if not await guests.links.revoke(dispute_id, link_id, deed, console.gate.clock.now()):
            raise UnknownPath("there is no such link that could be taken back")
        return done(f"{DISPUTES_PATH}/{dispute_id}", "The link opens nothing any more.")

    return router


def _require_raised(shown: Shown, side: Side) -> None:
    """Raises InvalidParameters where the creditor would see what the debtor has not raised yet."""
    if side is Side.CREDITOR and shown.kept.state in {Stage.DRAFT, Stage.REFUSED}:
        raise InvalidParameters("the creditor sees a dispute once it is raised", http_status=409)


def _deed(request: Request, person: Person, action: str, dispute: int, **details: object) -> Deed:
    target = str(dispute)
    return Deed(actor=person.name, action=action, target=target, details=details, address=address_of(request))


# --- the room itself, without an account ---


def room_router(console: Console, guests: Guests) -> APIRouter:
    """The room that a link opens."""
    router = console.router(is_open=True)

    @router.get("/room/{secret}")
    async def show(request: Request, secret: str, format: str = "") -> Response:
        guest = await _guest(console, guests, request, secret)
        if format == "evidence":
            headers = attachment(f"dispute-{guest.link.dispute}.zip")
            return Response(await guests.proof.of_dispute(guest.link.dispute), media_type=ZIP_TYPE, headers=headers)
        if format == "text":
            return Response(
                await guests.proof.text_of(guest.shown.kept.name), media_type=JSON_TYPE, headers=attachment("cdr.json")
            )
        return await console.page(request, "room.html", _values(guest, secret))

    @router.post("/room/{secret}/{step}")
    async def step_on(
        request: Request,
        secret: str,
        step: Step,
        name: Annotated[str, Form(max_length=GUEST_NAME_MAX_CHARACTERS)] = "",
        note: Note = "",
    ) -> Response:
        guest = await _guest(console, guests, request, secret)
        actor = _actor(guest, step, name)
        with told():
            await guests.room.step(guest.link.dispute, step, actor, note)
        details = {"step": step.value, "link": guest.link.id}
        await console.gate.accounts.note(
            _guest_deed(request, guest, "dispute_step", actor, details), console.gate.clock.now()
        )
        return done(f"{ROOM_PATH}/{secret}", "The step is taken.")

    return router


async def _guest(console: Console, guests: Guests, request: Request, secret: str) -> Guest:
    """Who holds a link. Raises Forbidden, saying why."""
    now = console.gate.clock.now()
    link = await guests.links.of_secret(token_hash(secret))
    refusal = refusal_of(link, now)
    if link is None or refusal is not None:
        raise Forbidden(refusal or "")
    guest = Guest(link, await guests.room.show(link.dispute))
    if link.opened_at is None:
        deed = _guest_deed(request, guest, "dispute_link_opened", guest.party, {"link": link.id})
        await guests.links.note_opened(link.id, deed, now)
    return guest


def _actor(guest: Guest, step: Step, name: str) -> str:
    """Who makes a step. Raises Forbidden for one of the other side, InvalidParameters without a name."""
    if step not in guest.steps:
        raise Forbidden(f"That is not for {guest.party} to do now; nothing was changed.")
    if not name.strip() or not name.isprintable():
        raise InvalidParameters("name: say who you are", http_status=400)
    return speaking_for(name, guest.party)


def _guest_deed(request: Request, guest: Guest, action: str, actor: str, details: Mapping[str, Any]) -> Deed:
    target = str(guest.link.dispute)
    return Deed(actor=actor, action=action, target=target, details=details, address=address_of(request))


def _values(guest: Guest, secret: str) -> dict[str, Any]:
    one: DisputeTold = tell(guest.shown)
    return {
        "one": one,
        "party": guest.party,
        "side": guest.side.value,
        "is_their_turn": one.turn == guest.side.value,
        "steps": guest.steps,
        "words": GUEST_WORDS,
        "room": f"{ROOM_PATH}/{secret}",
        "link": guest.link,
        "name_max": GUEST_NAME_MAX_CHARACTERS,
    }
