"""How far a handshake is, told while it goes on: what a person who waits for a partner wants to see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from ocpi_modules.errors import OcpiError


class Step(StrEnum):
    """What happens in a handshake, in either direction, and to a partnership afterwards."""

    BEGUN = "begun"
    """The hub begins to register at a platform."""
    VERSIONS = "versions"
    """The invited platform read the hub's versions."""
    DETAILS = "details"
    """It read where the hub's interfaces are."""
    CREDENTIALS = "credentials"
    """Its credentials came, by its POST or in the answer to ours."""
    DISCOVERED = "discovered"
    """The hub read its versions and endpoints."""
    JOINED = "joined"
    """Both sides have their tokens."""
    RENEWED = "renewed"
    """The partner sent its credentials again."""
    ROTATED = "rotated"
    """The hub renewed the tokens of both directions."""


@dataclass(frozen=True, slots=True)
class Note:
    """A step of a handshake (`subject`), whether it went well, and what there is to say of it; never a token."""

    subject: str
    step: Step
    said: str = ""
    is_good: bool = True


Tell = Callable[[Note], Awaitable[None]]


async def untold(_: Note) -> None:
    """Nobody wants to know."""


def of_invitation(invitation_id: int) -> str:
    """The handshake of a platform that was invited."""
    return f"invitation/{invitation_id}"


def of_errand(errand: str) -> str:
    """The handshake that the hub begins at a platform."""
    return f"errand/{errand}"


def of_partner(partner_id: int) -> str:
    """What became of a partnership."""
    return f"partner/{partner_id}"


class Trail:
    """The steps of one handshake; `coming` is the one that is being tried."""

    def __init__(self, tell: Tell, subject: str, coming: Step) -> None:
        self._tell, self._subject, self.coming = tell, subject, coming

    async def reached(self, step: Step, coming: Step, said: str = "") -> None:
        """A step went well; another one comes."""
        await self._tell(Note(self._subject, step, said))
        self.coming = coming

    async def failed(self, said: str) -> None:
        """The step that was being tried did not go well."""
        await self._tell(Note(self._subject, self.coming, said, is_good=False))


@asynccontextmanager
async def trail(tell: Tell, subject: str, coming: Step) -> AsyncIterator[Trail]:
    """Tell the steps of the block, and what stops it."""
    made = Trail(tell, subject, coming)
    try:
        yield made
    except OcpiError as fault:
        await made.failed(fault.message or type(fault).__name__)
        raise
