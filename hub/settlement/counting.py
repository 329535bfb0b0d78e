"""How many of something, as people say it. Pure."""

from __future__ import annotations


def counted(count: int, one: str, several: str) -> str:
    """A count with its words: ``1 CDR waits``, ``2 CDRs wait``."""
    return f"{count} {one if count == 1 else several}"
