"""What is accepted and still worth a word: pure findings on sessions and CDRs, for the log, the counts of defects and the answer."""

from __future__ import annotations

from typing import Any

NO_SESSION = "session_id is missing: the CDR has to be matched with its session by other means"
UNKNOWN_ORIGINAL = "credit_reference_id names a CDR that is not known here"
FINISHED = "the session was COMPLETED before this change"


def remarks_on_cdr(content: Any, *, knows_original: bool) -> tuple[str, ...]:
    """What is odd about an accepted CDR (CD-06, CD-08)."""
    found = [] if content.get("session_id") else [NO_SESSION]
    if original_of(content) is not None and not knows_original:
        found.append(UNKNOWN_ORIGINAL)
    return tuple(found)


def remarks_on_session(*, was_finished: bool) -> tuple[str, ...]:
    """What is odd about an accepted change of a session (SE-10)."""
    return (FINISHED,) if was_finished else ()


def original_of(content: Any) -> str | None:
    """The id of the CDR that a credit CDR takes back, or None."""
    reference = content.get("credit_reference_id")
    return reference if content.get("credit") is True and isinstance(reference, str) else None
