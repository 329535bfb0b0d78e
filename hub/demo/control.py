"""The loopback control interface of a demo platform: what its runner can make it do, and read from it.

``POST /control/{action}`` with a JSON object of arguments, the control token as Bearer; 200 with a JSON value, or 409 with
``{"error": sentence}`` when the platform could not do it. Numbers keep their digits both ways.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.demo.caller import Heard
from hub.demo.party import DemoPlatform
from hub.demo.shelf import Object, Window, key_of
from ocpi_modules.catalog import FUNCTIONAL
from ocpi_modules.errors import OcpiError
from ocpi_modules.module import listing
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, encode_json

SEEN_ANSWER_MAX_REQUESTS = 500
KEPT_ANSWER_MAX_OBJECTS = 500
CALLBACK_BYTES = 8

Action = Callable[[DemoPlatform, Object], Awaitable[Any]]


def control_route(platform: DemoPlatform, token: str) -> Route:
    """The route that serves every action."""

    async def act(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return _json({"error": "the control token is missing or wrong"}, 401)
        action = ACTIONS.get(request.path_params["action"])
        if action is None:
            return _json({"error": "there is no such action"}, 404)
        try:
            return _json(await action(platform, decode_json(await request.body())))
        except (OcpiError, LookupError, RuntimeError) as exc:
            return _json({"error": f"{type(exc).__name__}: {exc}"}, 409)

    return Route("/control/{action}", act, methods=["POST"])


async def _join(platform: DemoPlatform, given: Object) -> None:
    await platform.join(given["token"], given["versions_url"])


async def _move(platform: DemoPlatform, given: Object) -> None:
    await platform.move(given["versions_url"])


async def _push(platform: DemoPlatform, given: Object) -> Object:
    owner, ids = Party.parse(given["owner"]), tuple(given["ids"])
    content, receiver = given["content"], _party(given, "receiver")
    if given["module"] in ("locations", "tariffs", "tokens") and len(ids) == 1:
        platform.desk.offer(given["module"], content)
    return _heard(await platform.push(given["module"], owner, ids, content, receiver=receiver))


async def _patch(platform: DemoPlatform, given: Object) -> Object:
    owner, ids = Party.parse(given["owner"]), tuple(given["ids"])
    receiver = _party(given, "receiver")
    return _heard(await platform.patch(given["module"], owner, ids, given["content"], receiver=receiver))


async def _post_cdr(platform: DemoPlatform, given: Object) -> Object:
    platform.desk.offer("cdrs", given["content"])
    return _heard(await platform.post_cdr(given["content"], receiver=_party(given, "receiver")))


async def _authorize(platform: DemoPlatform, given: Object) -> Object:
    heard = await platform.authorize(
        given["uid"],
        given["type"],
        given.get("place"),
        sender=_party(given, "sender"),
        receiver=_party(given, "receiver"),
    )
    return _heard(heard)


async def _command(platform: DemoPlatform, given: Object) -> Object:
    """A command; its result comes to a callback of the platform."""
    back = platform.callback_url("commands", secrets.token_hex(CALLBACK_BYTES))
    content = {**given["content"], "response_url": back}
    sender, receiver = _party(given, "sender"), _party(given, "receiver")
    return _heard(await platform.command(given["name"], content, sender=sender, receiver=receiver))


async def _kept_objects(platform: DemoPlatform, given: Object) -> list[Object]:
    """The objects of an owner that it keeps, the newest KEPT_ANSWER_MAX_OBJECTS of them."""
    owner = Party.parse(given["owner"])
    return list(platform.desk.kept[given["module"]].within(Window(owner)))[-KEPT_ANSWER_MAX_OBJECTS:]


async def _read(platform: DemoPlatform, given: Object) -> Object:
    owner, ids = Party.parse(given["owner"]), tuple(given["ids"])
    return _heard(await platform.read(given["module"], owner, ids, receiver=_party(given, "receiver")))


async def _get(platform: DemoPlatform, given: Object) -> Object:
    sender, receiver = _party(given, "sender"), _party(given, "receiver")
    return _heard(await platform.get_page(given["url"], sender=sender, receiver=receiver))


async def _get_all(platform: DemoPlatform, given: Object) -> Object:
    sender, receiver = _party(given, "sender"), _party(given, "receiver")
    query = given.get("query", "")
    crawl = await platform.get_all(given["module"], sender=sender, receiver=receiver, query=query)
    return {"objects": crawl.objects, "total": crawl.total, "pages": crawl.pages}


async def _catch_up(platform: DemoPlatform, given: Object) -> None:
    """Read what was missed from every list of the hub that its parties may read (T-23)."""
    hub = Party.parse(given["hub"])
    own = {Role(entry["role"]) for entry in platform.roles}
    for module in FUNCTIONAL:
        if listing() in module.sender and own & module.receivers:
            for content in (await platform.get_all(module.id, receiver=hub)).objects:
                platform.desk.kept[module.id].put(key_of(module, content), content)


async def _client_infos(platform: DemoPlatform, given: Object) -> list[Object]:
    return await platform.client_infos()


async def _seen(platform: DemoPlatform, given: Object) -> Object:
    """The requests after number `since`, the newest SEEN_ANSWER_MAX_REQUESTS of them."""
    new = max(0, platform.seen_count - given["since"])
    wanted = min(new, len(platform.seen), SEEN_ANSWER_MAX_REQUESTS)
    found = list(platform.seen)[len(platform.seen) - wanted :]
    requests = [
        {
            "module": seen.module_id,
            "method": seen.method,
            "path": seen.path,
            "sender": str(seen.sender) if seen.sender else None,
            "receiver": str(seen.receiver) if seen.receiver else None,
            "content": seen.content,
        }
        for seen in found
    ]
    return {"count": platform.seen_count, "requests": requests}


async def _kept(platform: DemoPlatform, given: Object) -> Object:
    """How many objects of others it keeps, by module."""
    return {module_id: len(shelf) for module_id, shelf in platform.desk.kept.items()}


async def _kept_object(platform: DemoPlatform, given: Object) -> Object | None:
    """The object of this id that it keeps, or null."""
    return platform.desk.kept[given["module"]].named(given["id"])


ACTIONS: dict[str, Action] = {
    "join": _join,
    "move": _move,
    "push": _push,
    "patch": _patch,
    "post_cdr": _post_cdr,
    "authorize": _authorize,
    "command": _command,
    "read": _read,
    "get": _get,
    "get_all": _get_all,
    "catch_up": _catch_up,
    "client_infos": _client_infos,
    "seen": _seen,
    "kept": _kept,
    "kept_object": _kept_object,
    "kept_objects": _kept_objects,
}


def _heard(heard: Heard) -> Object:
    return {
        "http_status": heard.http_status,
        "status_code": heard.status_code,
        "message": heard.message,
        "data": heard.data,
        "headers": dict(heard.headers),
        "is_success": heard.is_success,
    }


def _party(given: Object, name: str) -> Party | None:
    return Party.parse(given[name]) if given.get(name) else None


def _json(content: Any, status: int = 200) -> Response:
    return Response(encode_json(content), status, media_type="application/json")
