"""One HTTP exchange with a partner, as it passed and as it is written down. Pure: what is costly is done here, after the fact.

`Inward` and `Outward` hold only what is there anyway, so that noting one costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from hub.partners.masking import Secrets, masked_body, masked_url, may_hold_secrets, secrets_in
from hub.partners.wire import Answer, Call
from hub.store.exchanges import Bodies, Head
from ocpi_modules.catalog import MODULES

METHOD_MAX_CHARACTERS = 16
PATH_MAX_CHARACTERS = 2000
FAULT_MAX_CHARACTERS = 255
OVERLAP_BYTES = 1024  # a secret that is cut in the middle would not be known as one
NUMBER_MAX = 2**31 - 1
FROM = ("OCPI-from-country-code", "OCPI-from-party-id")
TO = ("OCPI-to-country-code", "OCPI-to-party-id")

Who = Callable[[str], int | None]
"""The id of the partner whose Authorization header this is; None of nobody's."""


class Inward(msgspec.Struct, frozen=True, gc=False):
    """A request of a partner and what it was answered, in pieces; `size`: how many bytes both bodies have."""

    head: Head
    authorization: str | None
    body: bytes
    answer: tuple[bytes, ...]
    size: int


class Outward(msgspec.Struct, frozen=True, gc=False):
    """A request to a partner and what it answered, or why there is no answer (`fault`, else empty); `started` by `time.perf_counter`."""

    started: float
    seconds: float
    call: Call
    answer: Answer | None
    fault: str
    size: int


Exchange = Inward | Outward


@dataclass(frozen=True, slots=True)
class Frame:
    """How exchanges are written: who is who, and the most bytes of a body that are kept (0: none)."""

    who: Who
    body_max_bytes: int


def written(passed: Exchange, frame: Frame) -> tuple[Head, Bodies]:
    """An exchange as it is written down: masked, and no more of it than may be kept."""
    if isinstance(passed, Inward):
        return _kept(passed.head, (passed.body, b"".join(passed.answer)), secrets_in(passed.authorization), frame)
    call, answer = passed.call, passed.answer
    bodies = call.body or b"", answer.body if answer else b""
    secrets = secrets_in(call.headers.get("Authorization"))
    return _kept(_outward(passed, frame, secrets), bodies, secrets, frame)


def _kept(head: Head, bodies: tuple[bytes, bytes], secrets: Secrets, frame: Frame) -> tuple[Head, Bodies]:
    request, answer = bodies
    text = head.place + (request + answer).decode("latin-1")  # texts are searched at a fifth of the cost of bytes
    if head.query or may_hold_secrets(head.module, text, secrets) or _is_odd(head):
        masked = _masked(head.module, request, secrets, frame), _masked(head.module, answer, secrets, frame)
        return _masked_head(head, secrets), masked
    most = frame.body_max_bytes
    return head, (request[:most] or None, answer[:most] or None)


def _is_odd(head: Head) -> bool:
    is_long = len(head.place) > PATH_MAX_CHARACTERS or len(head.method) > METHOD_MAX_CHARACTERS
    return is_long or not -NUMBER_MAX < head.status_code < NUMBER_MAX


def _masked_head(head: Head, secrets: Secrets) -> Head:
    path = masked_url(head.path, secrets)[:PATH_MAX_CHARACTERS]
    method, code = head.method[:METHOD_MAX_CHARACTERS], bounded(head.status_code)
    return msgspec.structs.replace(head, method=method, place=path, query="", status_code=code)


def _masked(module_id: str, body: bytes, secrets: Secrets, frame: Frame) -> bytes | None:
    most = frame.body_max_bytes
    whole = body if module_id == "credentials" else body[: most + OVERLAP_BYTES]
    masked = masked_body(module_id, whole, secrets) if most else None
    return masked[:most] or None if masked else None


def _outward(passed: Outward, frame: Frame, secrets: Secrets) -> Head:
    call, answer = passed.call, passed.answer
    return Head(
        started=passed.started,
        seconds=passed.seconds,
        is_inbound=False,
        module=call.module_id or module_in(call.url),
        method=call.method,
        place=readable(call.url),
        query="",
        partner=frame.who(call.headers.get("Authorization", "")) if call.partner_id is None else call.partner_id,
        sender=_party(call, FROM),
        receiver=_party(call, TO),
        http_status=answer.http_status if answer else 0,
        status_code=status_code_in(answer.body) if answer else 0,
        ids=(call.headers.get("X-Request-ID", ""), call.headers.get("X-Correlation-ID", "")),
        request_bytes=len(call.body or b""),
        answer_bytes=len(answer.body) if answer else 0,
        fault=_fault(passed.fault, secrets),
    )


def module_in(url: str) -> str:
    """The module that a URL speaks of, by its last segment that is the name of one; empty for none."""
    segments = url.partition("?")[0].split("/")
    return next((one for one in reversed(segments) if one in MODULES or one == "versions"), "")


class _Envelope(msgspec.Struct):
    status_code: int


_ENVELOPES = msgspec.json.Decoder(_Envelope)


def status_code_in(body: bytes) -> int:
    """The OCPI code of an answer; 0 where it has none."""
    try:
        return bounded(_ENVELOPES.decode(body).status_code)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0


def bounded(number: int) -> int:
    """A number that somebody else wrote, which may have any length, as one that can be kept."""
    return number if -NUMBER_MAX < number < NUMBER_MAX else NUMBER_MAX


def readable(text: str) -> str:
    """A text without what is no character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _party(call: Call, side: tuple[str, str]) -> str:
    country_code, party_id = call.headers.get(side[0]), call.headers.get(side[1])
    return f"{country_code}/{party_id}" if country_code and party_id else ""


def _fault(fault: str, secrets: Secrets) -> str:
    return readable(masked_url(fault, secrets))[:FAULT_MAX_CHARACTERS] if fault else ""
