"""The file of a demo platform: who it is, its port, its control token, and its connection to the hub once it has joined.

Beside the files of the platforms lies one of the demo itself. All of them hold secrets and are readable by their owner only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hub.demo.connection import Connection
from hub.demo.shelf import Object
from ocpi_modules.types import decode_json, encode_json


@dataclass(frozen=True, slots=True)
class Registration:
    """What a platform needs to start again as the same one."""

    name: str
    roles: tuple[Object, ...]
    port: int
    control_token: str
    connection: Connection | None = None

    def connected(self, connection: Connection | None) -> Registration:
        """The same platform after a handshake."""
        return replace(self, connection=connection)


def read_registration(path: Path) -> Registration:
    """The registration in a file. Raises OSError, ValueError, LookupError for one that is not there or broken."""
    kept = read_json(path)
    connection = Connection.from_json(kept["connection"]) if kept["connection"] else None
    return Registration(kept["name"], tuple(kept["roles"]), kept["port"], kept["control_token"], connection)


def write_registration(path: Path, registration: Registration) -> None:
    """Write it, at once or not at all."""
    connection = registration.connection
    content = {
        "name": registration.name,
        "roles": list(registration.roles),
        "port": registration.port,
        "control_token": registration.control_token,
        "connection": connection.as_json() if connection else None,
    }
    write_json(path, content)


def read_json(path: Path) -> Any:
    """The JSON value in a file."""
    return decode_json(path.read_bytes())


def write_json(path: Path, content: Any) -> None:
    """A JSON value as a file of mode 0600, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(encode_json(content))
    beside.replace(path)
