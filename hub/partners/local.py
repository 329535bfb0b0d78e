"""The partner that is a part of this hub: calls to it are answered in process, all else is as with any partner. Pure.

Its addresses begin with ``local:``; nothing on the network has such an address, and no partner can name one.
"""

from __future__ import annotations

LOCAL_SCHEME = "local:"


def is_local(url: str) -> bool:
    """Whether an address is one of this process."""
    return url.startswith(LOCAL_SCHEME)
