"""What the routes of settlement have in common: how amounts are written, and how a refusal is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, StringConstraints

from hub.settlement.bundle import MalformedBundle, decimal_of
from hub.settlement.outputs import amount_text
from hub.settlement.people import SamePerson
from hub.settlement.periods import NotNow
from ocpi_modules.errors import ClientFault, InvalidParameters, UnknownPath

NOTE_MAX_CHARACTERS = 2000

Note = Annotated[str, StringConstraints(max_length=NOTE_MAX_CHARACTERS)]


def _exact(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    number = decimal_of(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if number is None:
        raise ValueError('is no decimal number; write it as a text, like "12.50"')
    return number


Money = Annotated[Decimal, BeforeValidator(_exact), PlainSerializer(amount_text, return_type=str)]
"""An amount as a decimal text, so that it keeps all its digits."""


@contextmanager
def told() -> Iterator[None]:
    """Refusals of the engine as answers: 400 a fault of the content, 404 no such thing, 409 not now or not this person."""
    try:
        yield
    except MalformedBundle as refused:
        raise InvalidParameters("; ".join(map(str, refused.faults))) from refused
    except LookupError as refused:
        if not isinstance(refused, KeyError | IndexError):
            raise UnknownPath(str(refused)) from refused
        raise
    except (NotNow, SamePerson) as refused:
        raise ClientFault(str(refused), http_status=409) from refused
