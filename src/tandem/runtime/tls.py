"""This server's key and certificate for failover, and what TLS with a partner is made of.

The file is made by the local cluster (``cluster.certificates``) and may be replaced by another pair of key and
certificate in PEM. It is read when the server starts and at each reload, so that a new one takes effect then. A partner
proves to have the key of the very certificate that is expected of it; names, issuers and dates count for nothing.
Does not know connections. Source: draft-ietf-dhc-failover-12 section 11.2; RFC 9325 (TLS 1.2 and later).
"""

from __future__ import annotations

import ssl
from pathlib import Path

FILE = "failover.pem"
BYTES_MAX = 1400
"""The longest certificate that fits a CONNECT together with everything else."""
_IGNORE_DATES = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, which Python's ssl has no name for."""


class Unusable(Exception):
    """The key or the certificate cannot be used; the text says why."""


class Identity:
    """A key with its certificate."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises Unusable."""
        try:
            self.certificate = _certificate_in(path.read_text("latin-1"))
            self._contexts = {server: _context(server, path) for server in (False, True)}
        except FileNotFoundError:
            raise Unusable("it is not there; restart 'tandem local', which makes it") from None
        except (ssl.SSLError, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise Unusable(f"it must hold an unencrypted key and its certificate in PEM ({why})") from None
        except OSError as error:
            raise Unusable(f"it cannot be read: {error.strerror}") from None
        if len(self.certificate) > BYTES_MAX:
            raise Unusable(
                f"its certificate has {len(self.certificate)} bytes, and at most {BYTES_MAX} can be sent; use an EC key"
            )

    def context(self, server: bool, partner: bytes) -> ssl.SSLContext:
        """Return what a connection with the holder of the certificate ``partner`` (DER) is made with.

        Certificates of earlier connections are trusted as well: compare the one that was shown. Raises ssl.SSLError.
        """
        context = self._contexts[server]
        context.load_verify_locations(cadata=partner)
        return context


def _certificate_in(text: str) -> bytes:
    head, tail = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start, end = text.find(head), text.find(tail)
    if not 0 <= start < end:
        raise ValueError("no certificate")
    return ssl.PEM_cert_to_DER_cert(text[start : end + len(tail)])


def _context(server: bool, path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _IGNORE_DATES
    if server:
        context.num_tickets = 0
    context.load_cert_chain(path, password=_no_password)
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")
