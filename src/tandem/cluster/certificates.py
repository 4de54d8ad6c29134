"""Keys and certificates that a cluster makes for itself, and their fingerprints.

One file holds a key and its certificate, in PEM, readable by its owner only. Those who connect know a certificate by
its fingerprint; nobody issues it, so it is good for long, and is replaced on purpose. Does not know what it is for.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

LIFE = datetime.timedelta(days=3650)


def make(path: Path, name: str, hosts: Collection[str] = (), addresses: Collection[int] = ()) -> None:
    """Write a new key (EC P-256) and a certificate for it, durably, in the place of what is there. Raises OSError.

    ``name`` tells people whose it is; ``hosts`` and ``addresses`` are where its server can be reached by TLS clients.
    """
    from ipaddress import IPv4Address

    from cryptography import x509  # a tenth of a second, needed once in a cluster's life
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in dict.fromkeys(hosts)]
    names += [x509.IPAddress(IPv4Address(address)) for address in dict.fromkeys(addresses)]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    _write(path, text)


def _write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def fingerprint(certificate: bytes) -> str:
    """Return a certificate's (DER) SHA-256 fingerprint, as browsers and openssl show it."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def read(path: Path) -> bytes:
    """Return the first certificate in a PEM file (DER). Raises OSError, ValueError."""
    text = path.read_text("latin-1")
    head, tail = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start, end = text.find(head), text.find(tail)
    if not 0 <= start < end:
        raise ValueError(f"{path} holds no certificate in PEM")
    return ssl.PEM_cert_to_DER_cert(text[start : end + len(tail)])


def expires(path: Path) -> float:
    """Return when the first certificate in a PEM file ends, seconds since 1970. Raises OSError, ValueError."""
    from cryptography import x509

    return x509.load_der_x509_certificate(read(path)).not_valid_after_utc.timestamp()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a server's certificate (with those that signed it) and its key are; one file may hold both."""

    certificate: Path
    key: Path

    def load(self, context: ssl.SSLContext) -> str | None:
        """Have ``context`` show them; return why that cannot be, or None."""
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        return None

    def stamp(self) -> tuple[int, ...]:
        """Return what changes when the files do; nothing when they cannot be read."""
        try:
            return tuple(path.stat().st_mtime_ns for path in (self.certificate, self.key))
        except OSError:
            return ()


def _no_password() -> str:
    raise ValueError("the key is encrypted; remove its passphrase")
