"""Whether a connection becomes TLS, and with whom: the backup's answer to TLS-request, and the partner's certificate.

Each server has a certificate of its own; its partner knows that by its fingerprint (SHA-256 of the certificate), which
an operator gave it. CONNECT and CONNECTACK bring the certificates themselves, in a vendor sub-option of ours, so that
a wrong one is named before anything is encrypted; the handshake then proves that the partner has its key. Dates in
certificates count for nothing. Does not know sockets nor how TLS works (``runtime.link``).

Deviation: TLS 1.2 and later with their own cipher suites, not the 3DES that section 11.2 demands, and only with
partners that send their certificate as we do.

Source: draft-ietf-dhc-failover-12 sections 7.8.2 step 3, 7.9.2 step 4, 8.2, 11.2, 12.26, 12.27.
"""

from __future__ import annotations

import hashlib

from tandem.config.compiled import DESIRED, OFF, REQUIRED, EndpointConfig
from tandem.wire.failover import RejectReason

VENDOR_CERTIFICATE = 4
"""Our vendor sub-option: the sender's certificate (DER)."""
REQUESTS = {OFF: 0, DESIRED: 1, REQUIRED: 2}
"""TLS-request by what is configured (section 12.27)."""
_NOT_SET_UP = (
    "the main demands TLS, which is off here; set failover-tls and failover-tls-partner-fingerprint on the backup, or"
    " failover-tls=off on the main"
)
_DEMANDED = "TLS is required here (failover-tls), and the main does not ask for it; set failover-tls on the main too"
_REPLIES: dict[tuple[int, str], tuple[int, str]] = {
    (0, OFF): (0, ""),
    (0, DESIRED): (0, ""),
    (0, REQUIRED): (1, _DEMANDED),
    (1, OFF): (0, ""),
    (1, DESIRED): (1, ""),
    (1, REQUIRED): (1, ""),
    (2, OFF): (0, _NOT_SET_UP),
    (2, DESIRED): (1, ""),
    (2, REQUIRED): (1, ""),
}
"""The table of section 7.8.2 step 3: (TLS-request, what is configured here) -> (TLS-reply, why it is refused)."""


def reply(config: EndpointConfig, request: int | None) -> tuple[int, tuple[int, str] | None]:
    """Return the TLS-reply to a CONNECT's TLS-request on a plain connection, and why it is refused, or None.

    A CONNECT without the option, or with a value that the draft does not know, asks for no TLS.
    """
    answer, why = _REPLIES.get((request or 0, config.tls), _REPLIES[0, config.tls])
    if not why:
        return answer, None
    if answer:
        return answer, (RejectReason.TLS_REQUIRED, why)
    return answer, (RejectReason.TLS_NOT_CONFIGURED if config.certificate else RejectReason.TLS_NOT_SUPPORTED, why)


def stranger(config: EndpointConfig, certificate: bytes) -> tuple[int, str] | None:
    """Return why the holder of ``certificate`` is not the partner, or None when it is."""
    if not config.certificate:
        cure = "the reason is in this server's log where it started"
        return RejectReason.TLS_NOT_CONFIGURED, f"TLS is wanted here, but this server has no certificate; {cure}"
    if not certificate:
        return RejectReason.INVALID_PARTNER, "it asks for TLS and sends no certificate, as only a Tandem server does"
    if hashlib.sha256(certificate).digest() in config.partner_fingerprints:
        return None
    return RejectReason.INVALID_PARTNER, (
        f"its certificate has the fingerprint {fingerprint(certificate)}, which is not in this server's"
        " failover-tls-partner-fingerprint; compare it with 'dhcp getFailoverCertificate' on the partner"
    )


def fingerprint(certificate: bytes) -> str:
    """Return a certificate's SHA-256 fingerprint, as browsers and openssl show it."""
    return hashlib.sha256(certificate).digest().hex(":").upper()
