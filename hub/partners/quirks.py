"""How a partner's software departs from the specification: one small typed record, and nothing partner-specific anywhere else.

The probe at registration finds what can be found; an operator sets the rest (`docs/howto/quirks.md`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ocpi_modules.catalog import MODULES
from ocpi_modules.types import encode_json
from ocpi_modules.versions import Endpoint

ENDPOINTS_MAX = 2 * len(MODULES)


class Quirks(BaseModel):
    """The departures of one partner; every default is what the specification says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: Literal["base64", "raw"] = Field("base64", description="How tokens stand in Authorization headers (T-05).")
    nulls: bool = Field(False, description="It wants absent optional fields written as null in what it is sent.")
    slash: bool = Field(False, description="It joins paths without a slash: the URLs that it is told end in one.")
    unwrap: bool = Field(True, description="A single object that it wraps in a list, in an answer, is taken out of it.")
    singles: bool = Field(False, description="It knows one status_schedule and environ_impact, not a list of them.")
    links: Literal["follow", "rebuild"] = Field(
        "follow", description="rebuild: its Link headers lead nowhere; the next page is asked for by offset and limit."
    )
    token_type: bool = Field(False, description="It reads the type of a token from token_type instead of type.")
    lenient: bool = Field(False, description="Its invalid objects are kept and passed on; their defects are counted.")
    collapse: bool = Field(False, description="It gets one copy of a broadcast, however many parties it has (X-15).")
    short_address: bool = Field(False, description="The address in a CDR is cut to 45 characters for it (X-34).")
    endpoints: Annotated[tuple[Endpoint, ...], Field(max_length=ENDPOINTS_MAX)] = Field(
        (), description="Endpoints that its version details leave out."
    )


def write_quirks(quirks: Quirks) -> str:
    """The record as JSON; what is as specified is left out."""
    return encode_json(quirks.model_dump(mode="json", exclude_defaults=True)).decode()


def read_quirks(text: str) -> Quirks:
    """The record that stands in the database."""
    return Quirks.model_validate_json(text)
