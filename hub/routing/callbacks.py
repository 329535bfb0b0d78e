"""Results of commands: the hub puts a URL of its own in the place of the caller's, and takes the result on from there.

The receiver of a command holds no token for the caller's platform, so it could not post to the caller itself (CM-03, CP-02, X-24).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote_plus

from hub.routing.replies import data_of
from hub.store.callbacks import Callback, Callbacks
from ocpi_modules.errors import InvalidParameters, ReceiverTimeout, UnknownPath
from ocpi_modules.message import Message, Reply
from ocpi_modules.module import CallbackPlace
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json, parse_datetime

LIFE_HOURS = 24
ID_RANDOM_BYTES = 16
URL_LENGTH_MAX_CHARACTERS = 255
RESPONSE_URL = "response_url"

_IS_URL = re.compile("https?://[!-~]+").fullmatch

Now = Callable[[], datetime]


class CallbackDesk:
    """Gives out callback addresses and finds them again, also after a restart."""

    def __init__(self, callbacks: Callbacks, base_url: str, now: Now) -> None:
        self._callbacks, self._base, self._now = callbacks, base_url, now

    async def swap(self, message: Message, receiver: Party) -> tuple[Message, Callback]:
        """The message with the hub's own response URL in it, and its callback. Raises InvalidParameters without a URL."""
        url = response_url(message)
        now = self._now()
        callback = Callback(
            id=secrets.token_urlsafe(ID_RANDOM_BYTES),
            module_id=message.module.id,
            url=url,
            caller=message.sender,
            answerer=receiver,
            correlation_id=message.correlation_id,
            created_at=now,
            expires_at=expiry(message.content, now),
        )
        await self._callbacks.remember(callback)
        return with_response_url(message, f"{self._base}/sender/{message.module.id}/{callback.id}"), callback

    async def settle(self, callback_id: str, reply: Reply | Exception) -> None:
        """Keep a callback only where a result may still come: after ACCEPTED, or when the receiver was too slow (CM-07, CM-11)."""
        if isinstance(reply, ReceiverTimeout) or (isinstance(reply, Reply) and was_accepted(reply)):
            return
        await self._callbacks.forget(callback_id)

    async def find(self, message: Message, parties: frozenset[Party]) -> Callback:
        """The callback that a result is for. Raises UnknownPath (404) for an unknown one and for anybody but its answerer (CM-09)."""
        callback = await self._callbacks.find(message.keys[0], self._now())
        if callback is None or callback.answerer not in parties or callback.module_id != message.module.id:
            raise UnknownPath
        return callback


def response_url(message: Message) -> str:
    """The URL at which the caller wants the result."""
    if message.operation.callback is CallbackPlace.QUERY:
        url: Any = message.query.get(RESPONSE_URL)
    else:
        url = message.content.get(RESPONSE_URL)
    if not isinstance(url, str) or not _IS_URL(url) or len(url) > URL_LENGTH_MAX_CHARACTERS:
        raise InvalidParameters(f"{RESPONSE_URL} is required and has to be an absolute URL")
    return url


def with_response_url(message: Message, url: str) -> Message:
    """The message with another response URL; all else as it was (CM-03)."""
    if message.operation.callback is CallbackPlace.QUERY:
        raw_query = "&".join(_with_url(part, url) for part in message.raw_query.split("&"))
        return replace(message, raw_query=raw_query, query={**message.query, RESPONSE_URL: url})
    content = {**message.content, RESPONSE_URL: url}
    return replace(message, content=content, body=encode_json(content))


def _with_url(part: str, url: str) -> str:
    name, _, _ = part.partition("=")
    return f"{name}={quote(url, safe='')}" if unquote_plus(name) == RESPONSE_URL else part


def bare_result(message: Message) -> bytes:
    """The result object without an envelope, whether or not the sender put one around it (CM-05, X-25)."""
    content = message.content
    if "status_code" in content and isinstance(content.get("data"), dict):
        return encode_json(content["data"])
    return message.body


def was_accepted(reply: Reply) -> bool:
    """Whether the synchronous answer to a command says ACCEPTED."""
    data = data_of(reply)
    return isinstance(data, dict) and data.get("result") == "ACCEPTED"


def require_own_token(message: Message) -> None:
    """A caller may use only its own tokens in a command (CM-14). Raises InvalidParameters."""
    token = message.content.get("token") if isinstance(message.content, dict) else None
    if not isinstance(token, dict):
        return
    owner = Party.of(str(token.get("country_code")), str(token.get("party_id")))
    if owner != message.sender:
        raise InvalidParameters(f"the token belongs to {owner}, not to {message.sender}"[:255])


def expiry(content: Any, now: datetime) -> datetime:
    """Until when a callback is good: a day, or a day beyond the end of the reservation that it is about (X-24)."""
    life = timedelta(hours=LIFE_HOURS)
    try:
        return max(now, parse_datetime(content["expiry_date"])) + life
    except (KeyError, TypeError, ValueError, OverflowError):
        return now + life
