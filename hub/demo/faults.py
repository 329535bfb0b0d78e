"""What a demo platform remembers of requests, and the faults that it can be told to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocpi_modules.headers import read_authorization, read_party
from ocpi_modules.parties import Party


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came in. `path` and `query` are raw, header names in lower case, `content` is the decoded body or None.

    `module_id` is ``versions`` for the version pages, and empty for addresses that the platform does not have.
    """

    module_id: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    content: Any

    @property
    def sender(self) -> Party | None:
        """The party in the OCPI-from headers."""
        return read_party(self.headers, "from")

    @property
    def receiver(self) -> Party | None:
        """The party in the OCPI-to headers."""
        return read_party(self.headers, "to")

    @property
    def token(self) -> str | None:
        """The credentials token that came with it, decoded."""
        return read_authorization(self.headers.get("authorization"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to go wrong: wait, then answer something else, or the right thing with other headers.

    `module_id` empty means every request, `versions` the version pages; `once` ends it with the first request.
    `body` replaces the whole answer; `status_code` only the code of the envelope; `http_status` only the status line.
    """

    module_id: str = ""
    method: str = ""
    wait_seconds: float = 0.0
    http_status: int | None = None
    status_code: int | None = None
    message: str | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    once: bool = False

    def concerns(self, seen: Seen) -> bool:
        """Whether this request is hit."""
        return self.module_id in ("", seen.module_id) and self.method in ("", seen.method)


def web_page(http_status: int = 502) -> Fault:
    """The page of a gateway that knows nothing of OCPI."""
    return Fault(
        http_status=http_status,
        body=b"<html><body>Bad gateway</body></html>",
        headers={"Content-Type": "text/html"},
    )
