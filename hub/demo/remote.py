"""The runner's side of a demo platform: asks it to act, and looks at what it has seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from hub.demo.server import LOOPBACK
from hub.demo.shelf import Object
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json

ACTION_WAIT_SECONDS = 60.0
SEEN_WAIT_SECONDS = 10.0
SEEN_POLL_SECONDS = 0.05


class PlatformFailed(RuntimeError):
    """A platform could not do what it was asked."""


class DoesNotAnswer(PlatformFailed):
    """The process of a platform cannot be reached."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the hub answered to a platform; header names in lower case."""

    http_status: int
    status_code: int | None
    message: str | None
    data: Any
    headers: Object
    is_success: bool

    def __str__(self) -> str:
        said = f"HTTP {self.http_status}, {self.status_code}"
        return f"{said} {self.message}" if self.message else said


@dataclass(frozen=True, slots=True)
class Push:
    """An object of `owner` in a module, or the part of it under `ids`, on its way to `receiver`; None leaves that open."""

    module_id: str
    owner: Party
    ids: tuple[str, ...]
    content: Object
    receiver: Party | None

    def as_json(self) -> Object:
        """The arguments of the actions `push` and `patch`."""
        return {
            "module": self.module_id,
            "owner": str(self.owner),
            "ids": list(self.ids),
            "content": self.content,
            "receiver": _text(self.receiver),
        }


class Remote:
    """A demo platform in another process."""

    def __init__(self, name: str, parties: tuple[Party, ...], port: int, control_token: str) -> None:
        self.name = name
        self.parties = parties
        self.base_url = f"http://{LOOPBACK}:{port}"
        self._client = httpx.AsyncClient(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {control_token}"},
            timeout=ACTION_WAIT_SECONDS,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections to it."""
        await self._client.aclose()

    async def answers(self) -> bool:
        """Whether it can be asked yet."""
        try:
            await self.act("kept")
        except DoesNotAnswer:
            return False
        return True

    async def act(self, action: str, **arguments: Any) -> Any:
        """One action with its arguments. Raises PlatformFailed."""
        try:
            response = await self._client.post(f"/control/{action}", content=encode_json(arguments))
        except httpx.TransportError as exc:
            raise DoesNotAnswer(f"{self.name} does not answer: {type(exc).__name__}") from exc
        answer = decode_json(response.content)
        if response.status_code != 200:
            raise PlatformFailed(f"{self.name}: {answer['error']}")
        return answer

    async def push(self, push: Push) -> Said:
        """PUT."""
        return await self.put_or_patch("PUT", push)

    async def patch(self, push: Push) -> Said:
        """PATCH."""
        return await self.put_or_patch("PATCH", push)

    async def put_or_patch(self, method: str, push: Push) -> Said:
        """PUT the object, or PATCH it with what has changed."""
        action = "push" if method == "PUT" else "patch"
        return Said(**await self.act(action, **push.as_json()))

    async def post_cdr(self, cdr: Object, receiver: Party | None) -> Said:
        """POST a CDR."""
        return Said(**await self.act("post_cdr", content=cdr, receiver=_text(receiver)))

    async def authorize(self, asker: Party, uid: str, token_type: str, receiver: Party | None) -> Said:
        """Ask in real time whether a token may charge."""
        said = await self.act("authorize", sender=str(asker), uid=uid, type=token_type, receiver=_text(receiver))
        return Said(**said)

    async def command(self, name: str, sender: Party, receiver: Party, content: Object) -> Said:
        """Send a command; its result comes to the platform."""
        said = await self.act("command", name=name, sender=str(sender), receiver=str(receiver), content=content)
        return Said(**said)

    async def get_all(self, module_id: str, receiver: Party, query: str = "") -> Object:
        """A list to its end: ``{"objects", "total", "pages"}``."""
        found: Object = await self.act("get_all", module=module_id, receiver=str(receiver), query=query)
        return found

    async def get(self, url: str, sender: Party, receiver: Party | None) -> Said:
        """GET this URL."""
        return Said(**await self.act("get", url=url, sender=str(sender), receiver=_text(receiver)))

    async def kept(self) -> dict[str, int]:
        """How many objects of others it keeps, by module."""
        counts: dict[str, int] = await self.act("kept")
        return counts

    async def kept_object(self, module_id: str, id_: str) -> Object | None:
        """The object of this id that it keeps, or None."""
        found: Object | None = await self.act("kept_object", module=module_id, id=id_)
        return found

    async def kept_objects(self, module_id: str, owner: Party) -> list[Object]:
        """The objects of an owner that it keeps."""
        found: list[Object] = await self.act("kept_objects", module=module_id, owner=str(owner))
        return found

    async def seen_count(self) -> int:
        """How many requests have reached it."""
        return int((await self.act("seen", since=2**31))["count"])

    async def seen(self, since: int) -> list[Object]:
        """The requests that reached it after number `since`."""
        requests: list[Object] = (await self.act("seen", since=since))["requests"]
        return requests

    async def wait_until_seen(self, since: int, wanted: Callable[[Object], bool]) -> Object | None:
        """The first request after `since` that fits, as soon as it is there; None after SEEN_WAIT_SECONDS."""
        try:
            async with asyncio.timeout(SEEN_WAIT_SECONDS):
                while True:
                    for request in await self.seen(since):
                        if wanted(request):
                            return request
                    await asyncio.sleep(SEEN_POLL_SECONDS)
        except TimeoutError:
            return None


def _text(party: Party | None) -> str | None:
    return str(party) if party else None
