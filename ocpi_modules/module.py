"""What an OCPI module is made of: one frozen record that every part of the hub reads.

The routes we serve, the endpoints we advertise, the URL we call at a partner, the routing decision, the stored copy, the demo partners
and `docs/reference/modules.md` are all read from these records, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any

from ocpi_modules.errors import MethodNotAllowed, UnknownPath
from ocpi_modules.parties import Role
from ocpi_modules.types import OcpiObject, fold


class Interface(StrEnum):
    """The interface of a module (version_information_endpoint, "InterfaceRole")."""

    SENDER = "SENDER"
    RECEIVER = "RECEIVER"


class Purpose(Enum):
    """What an operation is for; routing and copies are decided by this and never by the HTTP method."""

    LIST = "list"
    READ = "read"
    REPLACE = "replace"
    UPDATE = "update"
    ADD = "add"
    REMOVE = "remove"
    ACT = "act"
    RESULT = "result"

    @property
    def is_push(self) -> bool:
        """Whether the owner of an object tells others about it."""
        return self in _PUSHES


_PUSHES = frozenset({Purpose.REPLACE, Purpose.UPDATE, Purpose.ADD, Purpose.REMOVE})


class CallbackPlace(Enum):
    """Where a request carries the URL to which its result is posted."""

    BODY = "body"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class LookFor:
    """A stored object that decides the destination of a message without addressee (O-03)."""

    module_id: str
    key: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A nested object with an URL of its own: the list field that holds it, its id field and its class."""

    field: str
    id_field: str
    object: type[OcpiObject]


@dataclass(frozen=True, slots=True)
class Variant:
    """A second half of the key that is given as a query parameter: the `type` of a token (TK-02)."""

    parameter: str
    default: str


Destination = Callable[["Request"], "LookFor | None"]


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of a request that can tell where it belongs: path keys, query parameters, decoded body."""

    keys: tuple[str, ...]
    query: Mapping[str, str]
    content: Any


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that can be asked of an interface.

    `path` names the URL segments after the endpoint; a name that starts with ``=`` is a literal. The last `optional` names may be left out.
    `bodies` gives the class of the body by the number of optional segments present, or by the value of the last segment (`choices`).
    """

    method: str
    purpose: Purpose
    path: tuple[str, ...] = ()
    optional: int = 0
    bodies: tuple[type[OcpiObject], ...] = ()
    choices: Mapping[str, type[OcpiObject]] = field(default_factory=dict)
    body_optional: bool = False
    destination: Destination | None = None
    callback: CallbackPlace | None = None

    @cached_property
    def is_owned(self) -> bool:
        """Whether the URL names the owner of the object in its first two segments ("Client Owned Object")."""
        return self.path[:2] == ("country_code", "party_id")

    @cached_property
    def has_body(self) -> bool:
        """Whether the operation carries a body at all."""
        return bool(self.bodies or self.choices)

    def matches(self, segments: tuple[str, ...]) -> bool:
        """Whether this path fits so many segments and these literals."""
        if not len(self.path) - self.optional <= len(segments) <= len(self.path):
            return False
        return all(segments[index] == text for index, text in self._literals if index < len(segments))

    @cached_property
    def _literals(self) -> tuple[tuple[int, str], ...]:
        return tuple((index, name[1:]) for index, name in enumerate(self.path) if name.startswith("="))

    def keys_of(self, segments: tuple[str, ...]) -> tuple[str, ...]:
        """The variable segments, in order."""
        if not self._literals:
            return segments
        pairs = zip(self.path, segments, strict=False)
        return tuple(segment for name, segment in pairs if not name.startswith("="))

    def body_class(self, keys: tuple[str, ...]) -> type[OcpiObject] | None:
        """The class of the body under these keys; None where there is none, or where the choice is not known."""
        if self.choices:
            return self.choices.get(keys[-1])
        required = len(self.path) - len(self._literals) - self.optional
        return self.bodies[len(keys) - required] if self.bodies else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module of OCPI 2.2.1.

    `senders` and `receivers` are the roles that implement either interface. `key` is the id field of the object beside its owner.
    `is_broadcast`: a push to the hub is meant for everybody. `is_addressed`: the object belongs to the eMSP named in its `cdr_token`.
    `is_kept`: the hub stores a copy. `is_final`: an object never changes. `appends`: list fields that a PATCH extends.
    `last_status`: the status after which nothing more is expected. `can_go_stale`: what a complete list no longer contains is no longer
    valid (X-29). `unknown_code`: the OCPI code for an object that is not there.
    """

    id: str
    is_functional: bool = True
    senders: frozenset[Role] = frozenset()
    receivers: frozenset[Role] = frozenset()
    object: type[OcpiObject] | None = None
    key: str = "id"
    variant: Variant | None = None
    parts: tuple[Part, ...] = ()
    sender: tuple[Operation, ...] = ()
    receiver: tuple[Operation, ...] = ()
    is_broadcast: bool = False
    is_addressed: bool = False
    is_kept: bool = False
    is_final: bool = False
    appends: tuple[str, ...] = ()
    last_status: str | None = None
    can_go_stale: bool = False
    unknown_code: int = 2000

    def operations(self, interface: Interface) -> tuple[Operation, ...]:
        """The operations that one interface offers."""
        return self.sender if interface is Interface.SENDER else self.receiver

    def implementers(self, interface: Interface) -> frozenset[Role]:
        """The roles of the parties that serve an interface."""
        return self.senders if interface is Interface.SENDER else self.receivers

    def callers(self, interface: Interface) -> frozenset[Role]:
        """The roles of the parties that call an interface."""
        return self.receivers if interface is Interface.SENDER else self.senders

    def find(self, interface: Interface, method: str, segments: tuple[str, ...]) -> Operation:
        """The operation of a method and path. Raises UnknownPath (404), MethodNotAllowed (405, section 2 of the checklist)."""
        offered = self.operations(interface)
        for operation in offered:
            if operation.method == method and operation.matches(segments):
                return operation
        fitting = [operation for operation in offered if operation.matches(segments)]
        if fitting:
            raise MethodNotAllowed(tuple(sorted({operation.method for operation in fitting})))
        if not offered or any(operation.method == method for operation in offered):
            raise UnknownPath
        raise MethodNotAllowed(tuple(sorted({operation.method for operation in offered})))

    def depth(self, operation: Operation, keys: tuple[str, ...]) -> int:
        """How deep below the object a path points: 0 the object, 1 its part, 2 the part of the part."""
        return len(keys) - (len(operation.path) - operation.optional) if self.parts else 0

    def object_at(self, depth: int) -> type[OcpiObject]:
        """The class of what stands at a depth."""
        found = self.parts[depth - 1].object if depth else self.object
        assert found is not None, f"{self.id} keeps no objects"
        return found

    def id_field_at(self, depth: int) -> str:
        """The field that names what stands at a depth."""
        return self.parts[depth - 1].id_field if depth else self.key

    def variant_of(self, query: Mapping[str, str], content: Any) -> str:
        """The second half of the key: the query's, else the body's, else the default (X-48); "" where the module has none."""
        if self.variant is None:
            return ""
        in_body = content.get(self.variant.parameter) if isinstance(content, dict) else None
        named = query.get(self.variant.parameter) or (in_body if isinstance(in_body, str) else None)
        return fold(named or self.variant.default)


def listing() -> Operation:
    """The paginated GET of a sender interface."""
    return Operation(method="GET", purpose=Purpose.LIST)


def owned(id_name: str, *parts: str) -> tuple[str, ...]:
    """The path of a client owned object and its parts (transport_and_format, "Client Owned Object Push")."""
    return ("country_code", "party_id", id_name, *parts)
