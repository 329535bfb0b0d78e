"""Calls as they stand in a stream, and the names by which lanes go there: pure, and the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from functools import lru_cache

import msgspec

from hub.partners.client import Call, Place, join_url
from hub.partners.delivery import Parcel, partner_lane
from hub.partners.directory import Directory, Partner
from ocpi_modules.catalog import MODULES
from ocpi_modules.module import Interface

SUPERSEDES_CHARACTERS = 20
TOKENS_KEPT_MAX = 20_000


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """A call as it stands in the stream: everything but the address and the token of its receiver."""

    name: str
    partner_id: int
    method: str
    module_id: str
    interface: str
    suffix: str
    query: str
    headers: dict[str, str]
    body: bytes | None
    is_superseding: bool


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Packed)


def lanes_of(directory: Directory) -> dict[str, str]:
    """The lanes of everybody who has joined: names by the tokens that stand for them in NATS."""
    partners = [partner for partner in directory.partners.values() if partner.is_joined]
    parties = {str(party) for partner in partners for party in directory.parties_of(partner)}
    names = {*parties, *(partner_lane(partner) for partner in partners)}
    return {token_of(name): name for name in names}


def pack(parcel: Parcel) -> bytes:
    """A call as it stands in the stream. Raises ValueError for one that does not say where it goes."""
    call = parcel.call
    if call.place is None:
        raise ValueError("a call in a lane has to name its place")
    packed = Packed(
        name=parcel.name,
        partner_id=parcel.partner.id,
        method=call.method,
        module_id=call.place.module_id,
        interface=call.place.interface.value,
        suffix=call.place.suffix,
        query=call.place.query,
        headers={name: value for name, value in call.headers.items() if name.lower() != "authorization"},
        body=call.body,
        is_superseding=parcel.supersedes is not None,
    )
    return _encoder.encode(packed)


def read_packed(data: bytes) -> Packed:
    """What `pack` wrote. Raises msgspec's error for anything else."""
    return _decoder.decode(data)


def unpack(packed: Packed, partner: Partner) -> Call | None:
    """The call with the address and token that its partner has now; None when the partner does not offer the endpoint any more."""
    place = Place(packed.module_id, Interface(packed.interface), packed.suffix, packed.query)
    base = partner.endpoint(MODULES[place.module_id], place.interface)
    if base is None:
        return None
    return Call(
        method=packed.method,
        url=join_url(base, place.suffix, place.query),
        headers={"Authorization": partner.authorization, **packed.headers},
        body=packed.body,
        place=place,
        partner_id=partner.id,
        module_id=place.module_id,
    )


@lru_cache(maxsize=TOKENS_KEPT_MAX)
def token_of(name: str) -> str:
    """A name as one token of a subject and as the name of a consumer: letters and digits stay, everything else is its number."""
    return "".join(sign if sign.isascii() and sign.isalnum() else f"_{ord(sign):x}_" for sign in name)


def supersedes_token(key: Hashable | None) -> str:
    """The last token of a subject: equal for calls of which the newest makes the others pointless, in every process."""
    return "-" if key is None else hashlib.sha256(stable_text(key).encode()).hexdigest()[:SUPERSEDES_CHARACTERS]


def stable_text(key: Hashable) -> str:
    """A key as text that does not depend on the process: sets have no order of their own."""
    if isinstance(key, frozenset):
        return "{" + ",".join(sorted(map(stable_text, key))) + "}"
    if isinstance(key, tuple):
        return "(" + ",".join(map(stable_text, key)) + ")"
    return repr(key)
