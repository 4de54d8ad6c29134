"""Whether what answers at a cluster's address is that cluster: by its certificate, before anything secret is sent.

In one of four ways: a fingerprint that is given, an authority that has signed it, what was there the first time (kept
in a file, one line ``HOST:PORT FINGERPRINT`` a cluster; a new one is accepted, a changed one refused), or, where the
operator says so with http://, not at all. Does not know commands. Nothing but the standard library, for a fast start.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tandem.cluster.certificates import fingerprint


class Untrusted(ssl.SSLError):
    """What answers is not known to be the cluster; the text says why and what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


COMPARE = "compare the fingerprint with the one that 'tandem local' prints there when it starts"


class Changed(Untrusted):
    """What answers has another certificate than at first contact."""

    def __init__(self, cluster: str, shown: str, first: str) -> None:
        self.shown = shown
        self.what = (
            f"its certificate has changed: the fingerprint is {shown}, and was {first}. Either somebody is between you"
            " and the cluster, or it was installed anew; in that case"
        )
        super().__init__(f"{self.what} {COMPARE}, and write 'nrcmd -C {cluster} --accept {shown}'")


def known_clusters() -> Path:
    """Return the file with the clusters that this user has met."""
    given = os.environ.get("AIC_KNOWN_CLUSTERS")
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(given) if given else Path(config) / "tandem" / "known-clusters"


@dataclass(slots=True)
class Trust:
    """How a cluster's certificate is judged. Of ``fingerprint`` and ``authority`` at most one is given."""

    fingerprint: str = ""
    authority: str = ""
    """A file with the certificates of those who may have signed it (PEM)."""
    plain: bool = False
    """Whether there is no TLS at all."""
    known: Path = field(default_factory=known_clusters)
    note: Callable[[str], None] = lambda text: print(f"nrcmd: {text}", file=sys.stderr)
    """Takes what is to be said of a first contact."""

    def connection(self, host: str, port: int, timeout_s: float) -> http.client.HTTPConnection:
        """Return a connection that opens when it is used. It raises Untrusted, OSError then."""
        if self.plain:
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        return _Connection(self, host, port, timeout_s)

    def context(self) -> ssl.SSLContext:
        """Return what connections are made with. Raises Untrusted when the authority's file cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.authority:
            try:
                context.load_verify_locations(self.authority)
            except OSError as error:
                raise Untrusted(f"--ca {self.authority} cannot be used: {error.strerror or error}") from None
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # it is compared with the fingerprint instead
        return context

    def judging_context(self, cluster: str) -> ssl.SSLContext:
        """Return what ``cluster`` is judged with during the handshake, in asynchronous connections."""
        trust = self

        class Judged(ssl.SSLObject):
            def do_handshake(self) -> None:
                super().do_handshake()
                trust.judge(cluster, self.getpeercert(binary_form=True) or b"")

        context = self.context()
        context.sslobject_class = Judged
        return context

    def judge(self, cluster: str, certificate: bytes) -> None:
        """Return when ``certificate`` (DER) is that of ``cluster`` (HOST:PORT). Raises Untrusted."""
        if self.authority:
            return
        shown = fingerprint(certificate)
        if self.fingerprint:
            if not same(shown, self.fingerprint):
                raise Untrusted(f"its certificate has the fingerprint {shown}, not the one that was given")
            return
        first = self.remembered(cluster)
        if first is None:
            where = self.remember(cluster, shown)
            self.note(f"first contact with {cluster}, certificate {shown}, {where}")
        elif not same(first, shown):
            raise Changed(cluster, shown, first)

    def remembered(self, cluster: str) -> str | None:
        """Return the fingerprint of ``cluster`` (HOST:PORT) at first contact. Raises Untrusted."""
        return self._all().get(cluster)

    def _all(self) -> dict[str, str]:
        try:
            lines = self.known.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Untrusted(f"{self.known} cannot be read: {error}; mend it, or give --fingerprint") from None
        return {words[0]: words[1] for words in reversed([line.split() for line in lines]) if len(words) == 2}

    def remember(self, cluster: str, shown: str) -> str:
        """Keep a fingerprint in the place of what was known of ``cluster``; return where, or why not."""
        kept, new = self._all(), self.known.with_name(f"{self.known.name}.{os.getpid()}")
        try:
            self.known.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if cluster not in kept:  # others may be adding theirs
                self._write(self.known, os.O_APPEND, {cluster: shown})
            else:
                self._write(new, os.O_TRUNC, kept | {cluster: shown})
                new.replace(self.known)
        except OSError as error:
            return f"which cannot be remembered in {self.known} ({error.strerror})"
        return f"remembered in {self.known}"

    def _write(self, path: Path, how: int, clusters: dict[str, str]) -> None:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "w", encoding="utf-8") as file:
            file.writelines(f"{cluster} {shown}\n" for cluster, shown in clusters.items())


def same(one: str, other: str) -> bool:
    """Whether two fingerprints are the same, with or without colons, in small letters or capitals."""
    return _digits(one) == _digits(other)


def _digits(text: str) -> str:
    return text.replace(":", "").lower()


class _Connection(http.client.HTTPSConnection):
    def __init__(self, trust: Trust, host: str, port: int, timeout_s: float) -> None:
        self._trust = trust
        super().__init__(host, port, timeout=timeout_s, context=trust.context())

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(f"its certificate is not accepted: {error.verify_message}") from None
        except ssl.SSLError as error:
            if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
                raise Untrusted(
                    "what answers there does not speak TLS; if it is a cluster that was started with --no-tls, write"
                    f" -C http://{self.host}:{self.port}"
                ) from None
            raise
        certificate = self.sock.getpeercert(binary_form=True)
        try:
            self._trust.judge(f"{self.host}:{self.port}", certificate or b"")
        except Untrusted:
            self.close()
            raise
