"""Credentials tokens at rest: inbound ones are kept as SHA-256, outbound ones sealed with a key that is not in the database."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_LENGTH_BYTES = 32
NONCE_LENGTH_BYTES = 12
TOKEN_RANDOM_BYTES = 32


def new_token() -> str:
    """A fresh credentials token: 256 random bits in 43 printable characters (C-04, T-06)."""
    return secrets.token_urlsafe(TOKEN_RANDOM_BYTES)


def token_hash(token: str) -> bytes:
    """What is kept of an inbound token; looking it up reveals nothing about other tokens."""
    return hashlib.sha256(token.encode()).digest()


class Safe:
    """Seals and opens outbound tokens (AES-256-GCM, a fresh nonce for each)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hashlib.sha256(key).digest())

    def seal(self, token: str) -> bytes:
        """The token as it may stand in the database."""
        nonce = os.urandom(NONCE_LENGTH_BYTES)
        return nonce + self._cipher.encrypt(nonce, token.encode(), None)

    def open(self, sealed: bytes) -> str:
        """The token again. Raises cryptography's InvalidTag when the key is another one."""
        return self._cipher.decrypt(sealed[:NONCE_LENGTH_BYTES], sealed[NONCE_LENGTH_BYTES:], None).decode()


class SealKey:
    """Signs seals of settlement periods (Ed25519); the same key bytes always give the same pair of keys."""

    def __init__(self, key: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"ocpi-hub seal\0" + key).digest())

    @property
    def public_key(self) -> str:
        """What partners check signatures with: 32 bytes in hexadecimal digits."""
        return self._private.public_key().public_bytes_raw().hex()

    def sign(self, content: bytes) -> bytes:
        """The signature of some bytes."""
        return self._private.sign(content)


def load_or_make_key(file: Path) -> bytes:
    """The key in a file that only its owner may read; made on first use. Raises ValueError for a file without a key."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, secrets.token_hex(KEY_LENGTH_BYTES).encode())
    key = file.read_bytes().strip()
    if not key:
        raise ValueError(f"{file} holds no key; without the old one, outbound tokens cannot be opened")
    return key


def write_whole(file: Path, content: bytes) -> None:
    """Under another name first: half a key must never be taken for a whole one."""
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    unfinished.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
