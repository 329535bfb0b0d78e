"""Certificates for localhost, from an authority that a test trusts or does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.partners import pool


@contextmanager
def trusting(folder: Path) -> Iterator[Path]:
    """A certificate for localhost that this process trusts for as long."""
    authority, file = make_certificate(folder)
    known = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(authority)
    pool.trusted.cache_clear()
    try:
        yield file
    finally:
        os.environ.pop("SSL_CERT_FILE") if known is None else os.environ.update(SSL_CERT_FILE=known)
        pool.trusted.cache_clear()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """The file of a new certification authority, and the file of a certificate and key for localhost that it signed."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority for tests")])
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate(name, name, root_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    leaf = _certificate(subject, name, key.public_key()).add_extension(
        x509.SubjectAlternativeName(alternatives), critical=False
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority, file = folder / "authority.pem", folder / "localhost.pem"
    authority.write_bytes(root.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    file.write_bytes(private + leaf.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return authority, file


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
