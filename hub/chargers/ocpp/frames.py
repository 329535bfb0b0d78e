"""Frames of OCPP-J: what a text is, and with which code of a version it is refused. Pure but for the schemas, which are read once.

The codes are those of the tables of OCPP-J (1.6 section 4.2.3; 2.0.1 and 2.1 part 4, "CALLERROR"), with the words that 1.6 and 2.0.1
misspell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError
from ocpp.messages import MessageType, get_validator

from ocpi_modules.types import NotJsonText, decode_json, encode_json

Words = Mapping[str, Any]

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6
V16, V201, V21 = "1.6", "2.0.1", "2.1"

ID_MAX_CHARACTERS = 36
WHY_MAX_CHARACTERS = 255
WHOLE_MAX_DIGITS = 18
NO_ID = "-1"
"""What an answer names where nobody can read which message it answers."""


@dataclass(frozen=True, slots=True)
class Question:
    """A CALL, or a SEND of 2.1, which wants no answer."""

    id: str
    action: str
    payload: Words
    wants_answer: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A CALLRESULT."""

    id: str
    payload: Words


@dataclass(frozen=True, slots=True)
class Denial:
    """A CALLERROR: somebody did not do what was asked."""

    id: str
    code: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A CALLRESULTERROR of 2.1: an answer of ours could not be read."""

    id: str
    code: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is no message: the code of the version, and the id as far as it could be read. `is_answered`: somebody waits for a word."""

    id: str
    code: str
    why: str
    is_answered: bool = True


Frame = Question | Answer | Denial | Report | Unreadable


class Violation(Exception):
    """A message that is refused, with the code of its version."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(code, why)
        self.code, self.why = code, why[:WHY_MAX_CHARACTERS]


def read_frame(text: str, version: str) -> Frame:
    """What a text is."""
    try:
        whole = _clean(decode_json(text.encode()))
    except (NotJsonText, UnicodeError):
        return Unreadable(NO_ID, _malformed(version), "this is no JSON that can be read")
    if not isinstance(whole, list) or not whole:
        return Unreadable(NO_ID, _malformed(version), "a message is a list with something in it")
    id = whole[1] if len(whole) > 1 and _is_id(whole[1]) else NO_ID
    return _read_kind(whole, id, version)


def question_text(id: str, action: str, payload: Words) -> str:
    """A CALL as text."""
    return encode_json([CALL, id, action, payload]).decode()


def answer_text(id: str, payload: Words) -> str:
    """A CALLRESULT as text."""
    return encode_json([CALLRESULT, id, payload]).decode()


def denial_text(denial: Denial | Unreadable) -> str:
    """A CALLERROR as text."""
    return encode_json([CALLERROR, denial.id, denial.code, denial.why[:WHY_MAX_CHARACTERS], {}]).decode()


def check(question: Question, version: str) -> None:
    """Raises Violation where a payload is not what the schema of its action wants."""
    validator = _schema(question.action, version, MessageType.Call)
    if validator is None:
        return
    error = next(validator.iter_errors(question.payload), None)
    if error is not None:
        raise Violation(_code(error, version), _why(error))


def is_known(action: str, version: str) -> bool:
    """Whether a version knows an action at all."""
    return action in _actions(version)


# --- steps ---


def _read_kind(whole: list[Any], id: str, version: str) -> Frame:
    match whole:
        case [kind, str(), str() as action, dict() as payload] if kind == CALL or (kind == SEND and version == V21):
            if id == NO_ID:
                return Unreadable(NO_ID, _malformed(version), f"an id has 1 to {ID_MAX_CHARACTERS} characters")
            return Question(id, action, payload, wants_answer=kind == CALL)
        case [kind, str() as asked, dict() as payload] if kind == CALLRESULT:
            return Answer(asked, payload)
        case [kind, str() as asked, str() as code, *more] if kind == CALLERROR:
            return Denial(asked, code, _text_of(more))
        case [kind, str() as asked, str() as code, *more] if kind == CALLRESULTERROR and version == V21:
            return Report(asked, code, _text_of(more))
        case [kind, *_] if _is_kind(kind, version):
            is_question = kind in {CALL, SEND}
            return Unreadable(id, _malformed(version), "a message has other parts than these", is_answered=is_question)
        case _:
            code = "FormationViolation" if version == V16 else "MessageTypeNotSupported"
            return Unreadable(id, code, "there is no such type of message")


def _is_kind(kind: Any, version: str) -> bool:
    known = {CALL, CALLRESULT, CALLERROR, *({CALLRESULTERROR, SEND} if version == V21 else ())}
    return type(kind) is int and kind in known


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= ID_MAX_CHARACTERS


def _text_of(more: list[Any]) -> str:
    return more[0] if more and isinstance(more[0], str) else ""


def _malformed(version: str) -> str:
    return "FormationViolation" if version == V16 else "RpcFrameworkError"


def _clean(value: Any) -> Any:
    """As it came, but for what stations write and nobody can keep: NUL characters, whole numbers with a fraction of nothing."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, Decimal) and value.adjusted() < WHOLE_MAX_DIGITS and value == value.to_integral_value():
        return int(value)
    return value


def _code(error: ValidationError, version: str) -> str:
    match error.validator:
        case "type":
            return "TypeConstraintViolation"
        case "required":
            return "ProtocolError" if version == V16 else _occurrence(version)
        case "minItems" | "maxItems" | "additionalItems":
            return _occurrence(version)
        case "additionalProperties":
            return "FormationViolation" if version == V16 else "FormatViolation"
        case _:
            return "PropertyConstraintViolation"


def _occurrence(version: str) -> str:
    return "OccurrenceConstraintViolation" if version == V21 else "OccurenceConstraintViolation"


def _why(error: ValidationError) -> str:
    """Where it is wrong and which rule says so; not what was there, which may be a secret."""
    place = ".".join(map(str, error.absolute_path)) or "the message"
    rule = error.validator_value if isinstance(error.validator_value, (str, int)) else ""
    if error.validator == "required" and isinstance(error.instance, Mapping):
        rule = ", ".join(name for name in error.validator_value if name not in error.instance)
    return f"{place}: {error.validator} {rule}".strip()


@cache
def _schema(action: str, version: str, kind: int) -> Draft4Validator | None:
    if kind == MessageType.Call and action == "NotifyPeriodicEventStream":
        return None  # its schema has a name of its own
    try:
        return get_validator(kind, action, version, parse_float=Decimal)
    except OSError:
        return None


@cache
def _actions(version: str) -> frozenset[str]:
    from ocpp.v16 import enums as v16
    from ocpp.v21 import enums as v21
    from ocpp.v201 import enums as v201

    return frozenset(str(action.value) for action in {V16: v16, V201: v201, V21: v21}[version].Action)
