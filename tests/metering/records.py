"""Meters that really sign: OCMF records of a charge, with a key made for the tests."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Content = dict[str, Any]

IMPORT = "1-0:1.8.0"
BEHIND_THE_CABLE = "01-00:B3.08.00"
AT_THE_METER = "01-00:B2.08.00"
EXPORT = "01-00:C2.08.00"

BEGIN_AT = "2026-10-10T10:00:00,000+0200 S"
END_AT = "2026-10-10T12:00:00,000+0200 S"


def new_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """The private key of a meter."""
    return ec.generate_private_key(curve or ec.SECP256R1())


KEY = new_key()
OTHER_KEY = new_key()


def public(key: ec.EllipticCurvePrivateKey = KEY) -> str:
    """The public key as it is registered."""
    return b64encode(der(key)).decode()


def der(key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """The public key in DER form."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def reading(moment: str, kwh: float | str, **changes: Any) -> Content:
    """One reading: `B` or `E` and what the register shows."""
    at = BEGIN_AT if moment == "B" else END_AT
    return {"TM": at, "TX": moment, "RV": kwh, "RI": IMPORT, "RU": "kWh", "RT": "AC", "EF": "", "ST": "G", **changes}


def payload(*readings: Mapping[str, Any], page: int = 7, **changes: Any) -> Content:
    """What a meter signs."""
    return {
        "FV": "1.0",
        "GI": "Tester",
        "PG": f"T{page}",
        "MV": "Maker",
        "MS": "METER1",
        "IS": True,
        "IL": "VERIFIED",
        "IF": [],
        "IT": "ISO14443",
        "ID": "TOKEN1",
        "RD": list(readings),
        **changes,
    }


def signed(
    content: Mapping[str, Any],
    key: ec.EllipticCurvePrivateKey = KEY,
    algorithm: str | None = None,
    changed: Callable[[str], str] = str,
) -> str:
    """A record; `changed` makes another payload of it after it was signed."""
    text = json.dumps(content, separators=(",", ":"))
    signature = {"SD": key.sign(text.encode(), ec.ECDSA(SHA256())).hex()}
    if algorithm is not None:
        signature["SA"] = algorithm
    return f"OCMF|{changed(text)}|{json.dumps(signature)}"


def value(record: str, nature: str = "End", plain: str = "", encode: Callable[[str], str] | None = None) -> Content:
    """A SignedValue of a CDR, in base64 unless it is encoded otherwise."""
    encoded = (encode or in_base64)(record)
    return {"nature": nature, "plain_data": plain or record, "signed_data": encoded}


def in_base64(record: str) -> str:
    """As OCPI has it."""
    return b64encode(record.encode()).decode()


def in_hex(record: str) -> str:
    """As many charge points have it."""
    return record.encode().hex()


def signed_data(*values: Content, encoding: str = "OCMF", **changes: Any) -> Content:
    """The SignedData of a CDR."""
    return {"encoding_method": encoding, "signed_values": list(values), **changes}


def charge(begin: float = 100, end: float = 120, key: ec.EllipticCurvePrivateKey = KEY, **changes: Any) -> Content:
    """The whole charge of the small world in one record: 20 kWh in two hours."""
    return signed_data(value(signed(payload(reading("B", begin), reading("E", end), **changes), key)))
