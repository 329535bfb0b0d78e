"""What goes wrong for those who read maps and open formats, and the one form in which they are told (RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class ReadingFault(Exception):
    """A request that cannot be answered: the HTTP status, a code for programs, a sentence for people, and further headers.

    `parameter` names what is wrong where one parameter is.
    """

    status: int
    code: str
    detail: str
    parameter: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The problem document."""
        named = {"parameter": self.parameter} if self.parameter else {}
        return {"type": "about:blank", "status": self.status, "code": self.code, "detail": self.detail, **named}


def wrong(parameter: str, detail: str, code: str = "INVALID_PARAMETER") -> ReadingFault:
    """400: one parameter is wrong."""
    return ReadingFault(400, code, f"{parameter}: {detail}", parameter)


def missing(what: str) -> ReadingFault:
    """404: there is no such thing, or nobody may know of it."""
    return ReadingFault(404, "NOT_FOUND", f"there is no public {what}")
