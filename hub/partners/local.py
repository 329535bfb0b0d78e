"""The partner that is a part of this hub: calls to it are answered in process, all else is as with any partner.

Its addresses begin with ``local:``; nothing on the network has such an address, and no partner can name one.
"""

from __future__ import annotations

from typing import Protocol

from hub.partners.wire import Answer, Call

LOCAL_SCHEME = "local:"


class LocalPlatform(Protocol):
    """A platform in this process."""

    async def answer(self, call: Call) -> Answer:
        """What it answers to a call; refusals are answers too. Raises nothing that a call may cause."""
        ...


def is_local(url: str) -> bool:
    """Whether an address is one of this process."""
    return url.startswith(LOCAL_SCHEME)
