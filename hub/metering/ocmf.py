"""OCMF, the Open Charge Metering Format: `OCMF|payload|signature`, both JSON; the signature is over the bytes of the payload.

Records are read here and not by pyocmf, which warns of every deviation with what the record says (the uid of a token among it), and
fails in many ways on odd ones; signatures, keys and registers are its business. It is loaded when it is needed: a hub without
registered keys never does. Source: SAFE-eV OCMF 1.0 to 1.3.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ocpi_modules.types import NotJsonText, decode_json

TEXT_MAX_CHARACTERS = 20_000
READINGS_MAX = 1_000

_HEADER = "OCMF|"
_SIGNATURE_BEGINS = "|{"
_INHERITED = ("TM", "TX", "RI", "RU", "RT", "EF", "ST")
_HASHES = ("SHA256", "SHA512")
_DEFAULT_ALGORITHM = "ECDSA-secp256r1-SHA256"


class NotAKey(ValueError):
    """A text that is no public key that a meter could sign with; the message goes on after "the key"."""


class NotVerifiable(ValueError):
    """A signature that cannot be checked here, whether it is right or wrong."""


@dataclass(frozen=True, slots=True)
class Record:
    """One signed record: its payload as it was signed and as it reads, the readings in it, and the signature section."""

    text: str
    content: Mapping[str, Any]
    readings: tuple[Mapping[str, Any], ...]
    signature: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """What tells this payload from others; the signature is left out, for one payload has many valid ones."""
        return sha256(self.text.encode()).hexdigest()


def read_record(text: str) -> Record | None:
    """A record out of a text, which may be encoded in hex or base64; None where it holds none."""
    plain = _decoded(text)
    if plain is None:
        return None
    payload, _, rest = plain.removeprefix(_HEADER).rpartition(_SIGNATURE_BEGINS)
    content, signature = _object(payload), _object("{" + rest[: rest.rfind("}") + 1])  # a key may stand behind it
    if content is None or signature is None:
        return None
    return Record(payload, content, tuple(_with_inherited(content.get("RD"))), signature)


def verifies(record: Record, public_key: str) -> bool:
    """Whether a record was signed with the private half of a key (base64 of DER).

    The curve is that of the key, whatever the record says. Raises NotVerifiable where hash algorithm or key are none that are known here.
    """
    from pyocmf import PublicKey, PyOCMFError, SignatureMethod  # 17 MB and a fifth of a second
    from pyocmf.crypto.verification import verify_signature
    from pyocmf.enums.crypto import HashAlgorithm

    signature, hash_name = _signature_bytes(record.signature), _hash_name(record.signature)
    if hash_name is None:
        raise NotVerifiable("it is signed by an algorithm that is not known here")
    try:
        method = SignatureMethod.from_parts(PublicKey.from_string(public_key).curve, HashAlgorithm(hash_name))
        return signature is not None and verify_signature(record.text, signature.hex(), method, None, public_key)
    except PyOCMFError as refused:
        raise NotVerifiable("its key cannot be used") from refused


def der_of(text: str) -> str:
    """A public key, DER as base64 or hex, as base64. Raises NotAKey."""
    from pyocmf import PublicKey, PyOCMFError

    try:
        return PublicKey.from_string("".join(text.split())).to_string(base64_encode=True)
    except PyOCMFError as refused:
        raise NotAKey("is no public key of an elliptic curve that OCMF signs with (PEM, or DER as base64)") from refused


def is_import(register: str) -> bool:
    """Whether a register (an OBIS code) counts energy that was taken from the grid and may be billed."""
    from pyocmf.registries.obis import OBISCategory, get_obis_info, is_law_relevant

    info = get_obis_info(register)
    return is_law_relevant(register) and (info is None or info.category is not OBISCategory.EXPORT)


def is_loss_compensated(register: str) -> bool:
    """Whether a register counts what reached the car, without the losses in the cable."""
    from pyocmf.registries import obis

    return obis.is_loss_compensated(register)


def counts_one_charge(register: str) -> bool:
    """Whether a register begins anew with every charge."""
    from pyocmf.registries.obis import is_transaction_register

    return is_transaction_register(register)


def _decoded(text: str) -> str | None:
    if len(text) > TEXT_MAX_CHARACTERS:
        return None
    forms = (form(text) for form in (_plainly, _from_hex, _from_base64))
    return next((found for found in forms if found is not None and found.startswith(_HEADER)), None)


def _plainly(text: str) -> str | None:
    return text.strip()


def _from_hex(text: str) -> str | None:
    try:
        return bytes.fromhex(text).decode().strip()
    except ValueError:
        return None


def _from_base64(text: str) -> str | None:
    letters = "".join(text.split()).rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return urlsafe_b64decode(letters + "=" * (-len(letters) % 4)).decode().strip()
    except (binascii.Error, ValueError):
        return None


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        value = decode_json(text.encode())
    except (NotJsonText, UnicodeEncodeError):
        return None
    return value if isinstance(value, dict) else None


def _with_inherited(readings: object) -> Iterable[Mapping[str, Any]]:
    """Readings with what they take over from the one before: some fields are left out where they are the same."""
    before: dict[str, Any] = {}
    for reading in (readings if isinstance(readings, list) else [])[:READINGS_MAX]:
        if isinstance(reading, dict):
            before |= {name: reading[name] for name in _INHERITED if name in reading}
            yield {**before, **reading}


def _hash_name(signature: Mapping[str, Any]) -> str | None:
    algorithm = signature.get("SA") or _DEFAULT_ALGORITHM
    return next((name for name in _HASHES if isinstance(algorithm, str) and algorithm.upper().endswith(name)), None)


def _signature_bytes(signature: Mapping[str, Any]) -> bytes | None:
    """The signature; hex unless it says or shows that it is base64. None where it is neither, and so no signature."""
    data = signature.get("SD")
    if not isinstance(data, str):
        return None
    try:
        return bytes.fromhex(data)
    except ValueError:
        return _base64_bytes(data)


def _base64_bytes(text: str) -> bytes | None:
    try:
        found = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if b64encode(found).decode() == text else None
