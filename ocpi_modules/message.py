"""What arrives and what leaves: a frozen `Message`, a frozen `Reply`, and the judgement of a message by its own contents.

Everything here is a function of values; nothing asks who is connected or what is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from ocpi_modules.envelope import SUCCESS
from ocpi_modules.errors import InvalidParameters, NotJson, OcpiError, UnknownPath
from ocpi_modules.module import Interface, LookFor, Module, Operation, Purpose, Request
from ocpi_modules.parties import Party
from ocpi_modules.types import (
    NotJsonText,
    OcpiObject,
    decode_json,
    fold,
    same,
    validate_partial,
    validation_sentence,
)

KEY_LENGTH_MAX_CHARACTERS = 255

_ABSENT = object()
_PATH_SEPARATORS = re.compile(r"[/\\]")
_NUL_ESCAPED = rb"\u0000"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True)
class Message:
    """A request of one party, addressed or not.

    `keys` are the decoded variable URL segments, `suffix` the raw path after the endpoint, `raw_query` the raw query string: what is
    forwarded keeps the caller's percent-encoding (R-09). `body` is what came in, byte for byte; `content` its decoded JSON.
    """

    module: Module
    interface: Interface
    operation: Operation
    keys: tuple[str, ...]
    suffix: str
    raw_query: str
    query: Mapping[str, str]
    body: bytes
    content: Any
    sender: Party
    receiver: Party | None
    request_id: str
    correlation_id: str

    @property
    def purpose(self) -> Purpose:
        """What is asked."""
        return self.operation.purpose

    @cached_property
    def owner(self) -> Party | None:
        """The party whose object this is about: by the URL, else by the body; None where neither says."""
        if self.operation.is_owned:
            return Party.of(self.keys[0], self.keys[1])
        return _party_in(self.content) if self.purpose is Purpose.ADD else None

    @cached_property
    def object_keys(self) -> tuple[str, ...]:
        """The ids below the owner: object, part, part of the part."""
        if self.operation.is_owned:
            return self.keys[2:]
        if self.purpose is Purpose.ADD and isinstance(self.content, dict):
            return (str(self.content.get(self.module.key, "")),)
        return self.keys

    @property
    def depth(self) -> int:
        """0 for the object itself, 1 for a part of it, 2 for a part of that."""
        return len(self.object_keys) - 1 if self.module.parts else 0

    @cached_property
    def variant(self) -> str:
        """The second half of the object's key ("" where the module has none)."""
        return self.module.variant_of(self.query, self.content)

    @cached_property
    def token_party(self) -> Party | None:
        """The eMSP named by the object's `cdr_token` (X-46), or None when it names none."""
        return _party_in(self.content.get("cdr_token")) if isinstance(self.content, dict) else None

    @property
    def looks_for(self) -> LookFor | None:
        """The stored object that tells where a message without addressee goes, or None."""
        destination = self.operation.destination
        look = destination(Request(self.keys, self.query, self.content)) if destination else None
        if look is not None and not is_key(look.key):
            raise InvalidParameters("the id that would tell the receiver is not a CiString")
        return look

    def readdressed(self, sender: Party, receiver: Party, request_id: str) -> Message:
        """The same message on its next hop: other parties, a fresh request id, everything else untouched (R-02, T-17, T-18)."""
        return replace(self, sender=sender, receiver=receiver, request_id=request_id)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: HTTP status, OCPI code and message, `data` as JSON text (None leaves it out), and the headers that mean something.

    `raw` is a partner's whole answer, which is passed on as it came.
    """

    status_code: int = SUCCESS
    message: str | None = None
    data: bytes | None = None
    raw: bytes | None = None
    http_status: int = 200
    sender: Party | None = None
    receiver: Party | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether the OCPI code says so."""
        return 1000 <= self.status_code < 2000


def decode_body(operation: Operation, body: bytes) -> Any:
    """The JSON of a request body, or None where the operation has no body or may go without one. Raises NotJson (T-13)."""
    if not operation.has_body or (operation.body_optional and not body.strip()):
        return None
    try:
        return decode_json(body)
    except NotJsonText as exc:
        raise NotJson(f"the body is not valid JSON: {exc}") from exc


def judge_identity(message: Message) -> None:
    """Judge what every message must have right, forwarded ones too: the body is an object, and its ids and owner are those of the URL.

    Raises InvalidParameters (L-05, L-07, SE-05, TK-03).
    """
    _judge_keys(message)
    if not message.operation.has_body or (message.content is None and message.operation.body_optional):
        return
    if not isinstance(message.content, dict):
        raise InvalidParameters("the body is not a JSON object")
    if message.operation.choices and message.operation.body_class(message.keys) is None:
        raise UnknownPath(f"there is no {message.module.id} called {message.keys[-1][:40]!r}")
    if message.operation.is_owned:
        _judge_owner_and_ids(message)
    elif message.purpose is Purpose.ADD and (
        message.owner is None or not is_key(message.content.get(message.module.key))
    ):
        raise InvalidParameters(f"country_code, party_id and {message.module.key} are required")


def judge_object(message: Message) -> None:
    """Judge the whole body against its class; for messages that are addressed to the hub. Raises InvalidParameters."""
    model = message.operation.body_class(message.keys)
    if model is None or message.content is None:
        return
    if _NUL_ESCAPED in message.body and _NUL.search(message.body):
        raise InvalidParameters("the body contains a NUL character")
    if message.purpose is Purpose.UPDATE:
        judge_partial(model, message.content)
    else:
        judge_whole(model, message.content)


def judge_whole(model: type[OcpiObject], content: Any) -> OcpiObject:
    """`content` as an object of its class. Raises InvalidParameters with one sentence that names the field."""
    try:
        return model.model_validate(content)
    except ValidationError as exc:
        raise InvalidParameters(validation_sentence(exc)) from exc


def judge_partial(model: type[OcpiObject], content: dict[str, Any]) -> None:
    """Judge the fields of a PATCH, each by itself; `last_updated` is required (L-11, SE-08, TK-04, S-03)."""
    if content.get("last_updated") is None:
        raise InvalidParameters("last_updated is required in a PATCH")
    try:
        validate_partial(model, content)
    except ValidationError as exc:
        raise InvalidParameters(validation_sentence(exc)) from exc


def refusal(error: OcpiError) -> Reply:
    """An error as the answer that it leaves as."""
    return Reply(error.status_code, error.message, http_status=error.http_status)


def _party_in(content: Any) -> Party | None:
    if not isinstance(content, dict):
        return None
    country_code, party_id = content.get("country_code"), content.get("party_id")
    if not isinstance(country_code, str) or not isinstance(party_id, str):
        return None
    party = Party.of(country_code, party_id)
    return party if party.is_well_formed else None


def _judge_keys(message: Message) -> None:
    if not all(is_key(key) for key in message.keys):
        raise InvalidParameters("an id in the URL is not a CiString")
    if message.module.variant is not None and not is_key(message.variant):
        raise InvalidParameters(f"{message.module.variant.parameter} is not one that a key can have")


def is_key(value: Any) -> bool:
    """Whether a value can be an id: a CiString, and no step up a path at whichever server it may come to."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= KEY_LENGTH_MAX_CHARACTERS
        and value.isascii()
        and value.isprintable()
        and not ("." in value and any(part in {".", ".."} for part in _PATH_SEPARATORS.split(value)))
    )


def _judge_owner_and_ids(message: Message) -> None:
    content, depth = message.content, message.depth
    expected = {message.module.id_field_at(depth): message.object_keys[-1]}
    if depth == 0:
        expected |= {"country_code": message.keys[0], "party_id": message.keys[1]}
    for name, in_url in expected.items():
        in_body = content.get(name, _ABSENT)
        if in_body is not _ABSENT and not (isinstance(in_body, str) and same(in_body, in_url)):
            raise InvalidParameters(f"{name} in the body is not the one in the URL")
    _judge_variant(message)


def _judge_variant(message: Message) -> None:
    variant = message.module.variant
    if variant is None:
        return
    in_query, in_body = message.query.get(variant.parameter), message.content.get(variant.parameter)
    if in_query and in_body is not None and fold(str(in_body)) != fold(in_query):
        raise InvalidParameters(f"{variant.parameter} in the query is not the one in the body")
