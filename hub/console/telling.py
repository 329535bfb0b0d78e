"""Telling people: a message to an address of apprise (mail, webhooks, chats and a hundred services more).

apprise blocks, so each message is sent in a thread of a small pool, within TELL_MAX_SECONDS. It is imported when it is first needed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import structlog

TELL_MAX_SECONDS = 30.0
THREADS_MAX = 2
ADDRESS_MAX_CHARACTERS = 2000
SHOWN_MAX_CHARACTERS = 100
SAID_MAX_CHARACTERS = 200
SECRET_MIN_CHARACTERS = 4
SENDER = "OCPI hub"

_WEB = {"http": "json", "https": "jsons"}
_WEBHOOKS = {"json", "jsons", "form", "forms", "xml", "xmls"}

_log = structlog.get_logger()


class NoAddress(ValueError):
    """Nobody can be told anything at such an address; the text says why."""


class Teller:
    """Sends messages."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="tell")

    async def tell(self, address: str, title: str, body: str) -> str:
        """Send a message; returns why that failed, empty where it was taken."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TELL_MAX_SECONDS):
                return await loop.run_in_executor(self._threads, _send, address, title, body)
        except TimeoutError:
            return f"no answer within {TELL_MAX_SECONDS:.0f} seconds"
        except Exception as exc:  # what a plugin raises is its own affair; its text may hold the address
            _log.warning("alert_not_told", error=type(exc).__name__)
            return f"it failed ({type(exc).__name__})"

    async def understand(self, text: str) -> tuple[str, str]:
        """An address that somebody typed, and how it is shown. Raises NoAddress.

        The first look takes seconds: apprise then reads all that it knows.
        """
        address = await asyncio.get_running_loop().run_in_executor(self._threads, read_address, text)
        return address, shown_address(address)

    def close(self) -> None:
        """Begin nothing more; what is under way ends by its own time limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def read_address(text: str) -> str:
    """An address of apprise; a plain web address is a webhook that takes JSON. Raises NoAddress."""
    address = text.strip()
    scheme, separator, rest = address.partition("://")
    if not separator or len(address) > ADDRESS_MAX_CHARACTERS:
        raise NoAddress("an address is like mailtos://user:password@mail.example.com?to=ops@example.com, or https://…")
    made = _webhook(scheme, rest) if scheme.casefold() in _WEB else address
    if _plugin(made) is None:
        raise NoAddress(f"{scheme}:// with what comes after it is no address that can be told anything")
    return made


def _webhook(scheme: str, rest: str) -> str:
    """A web address as apprise takes it: what it does not know of a query is passed on under a minus."""
    place, separator, query = rest.partition("?")
    return f"{_WEB[scheme.casefold()]}://{place}{separator}" + "&".join(f"-{part}" for part in query.split("&") if part)


def shown_address(address: str) -> str:
    """An address for people, without what is secret in it: of a webhook only the machine."""
    scheme, host = address.partition("://")[0].casefold(), urlsplit(address).hostname or ""
    if scheme in _WEBHOOKS:
        return f"webhook at {host}"[:SHOWN_MAX_CHARACTERS]
    plugin = _plugin(address)
    if scheme.startswith("mailto"):
        to = ", ".join(str(one[1]) for one in getattr(plugin, "targets", ()))
        return f"mail to {to or host}"[:SHOWN_MAX_CHARACTERS]
    masked = str(plugin.url(privacy=True)) if plugin is not None else f"{scheme}://"
    return unquote(masked.partition("?")[0])[:SHOWN_MAX_CHARACTERS]


def _plugin(address: str) -> Any:
    """What apprise makes of an address, or None."""
    import apprise

    asset = apprise.AppriseAsset(app_id=SENDER, app_desc=SENDER)
    return apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)


def _send(address: str, title: str, body: str) -> str:
    """Send plain text in this thread; apprise itself would take others, of which nobody knows which message they carry."""
    import apprise

    plugin = _plugin(address)
    if plugin is None:
        return "the address is none that can be told anything"
    plugin.notify_format = apprise.NotifyFormat.TEXT
    kind = apprise.NotifyType.WARNING
    with _overheard() as said:
        is_taken = plugin.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
        return "" if is_taken else _reason(said, address)


class _Listener(logging.Handler):
    """What is said in this thread: messages are sent at the same time in others."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread, self.said = threading.get_ident(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self.thread:
            self.said.append(record.getMessage())


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What apprise says that is wrong, in this thread and for as long as the block lasts."""
    listener, logger = _Listener(), logging.getLogger("apprise")
    logger.addHandler(listener)
    try:
        yield listener.said
    finally:
        logger.removeHandler(listener)


def _reason(said: Sequence[str], address: str) -> str:
    """The first thing that was said against it, unless that gives a part of the address away."""
    line = next((part.strip() for part in said if part.strip()), "")
    is_plain = bool(line) and not any(secret in line for secret in _secrets(address))
    return line[:SAID_MAX_CHARACTERS] if is_plain else "it was not taken"


def _secrets(address: str) -> set[str]:
    """What must not be read: the parts of an address but for its scheme and machine."""
    parts = urlsplit(address)
    found = {parts.username or "", parts.password or "", *re.split(r"[/&=?]", f"{parts.path}?{parts.query}")}
    plain = {unquote(one) for one in found}
    return {one for one in {*found, *plain, *map(quote, plain)} if len(one) >= SECRET_MIN_CHARACTERS}
