"""Keys and certificates for tests, made once per process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from tandem.cluster import certificates


@functools.cache
def _made(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "x.pem")
        certificates.make(path, name, ["localhost"], [0x7F000001])
        return path.read_bytes()


def put(path: Path, name: str = "test") -> bytes:
    """Write key and certificate ``name`` to ``path``; return the certificate (DER)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_made(name))
    return certificates.read(path)
