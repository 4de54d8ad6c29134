"""nrcmd and the certificates of clusters: first contact, a changed one, pinned ones, authorities, none at all."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import made_certificates
import pytest

from tandem.cluster.certificates import fingerprint
from tandem.cluster.trust import Trust, Untrusted
from tandem.control import nrcmd
from tandem.control.nrcmd import Client


class Handler(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        Handler.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        pass


class Quiet(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away because it does not trust us is what is tested."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Quiet]:
    Handler.asked = 0
    made = Quiet(("127.0.0.1", 0), Handler)
    show(made, tmp_path, "api")
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def show(server: Quiet, directory: Path, name: str) -> str:
    """Have the server show certificate ``name``; return its fingerprint."""
    certificate = made_certificates.put(directory / "api.pem", name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "api.pem")
    raw = server.socket.dup() if isinstance(server.socket, ssl.SSLSocket) else server.socket
    server.socket = context.wrap_socket(raw, server_side=True)
    return fingerprint(certificate)


def ask(trust: Trust, server: Quiet, host: str = "127.0.0.1") -> bytes:
    connection = trust.connection(host, server.server_port, 10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_first_contact_is_said_and_remembered(
    server: Quiet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "new" / "known-clusters"
    trust = Trust(known=known)
    for _ in range(2):
        assert ask(trust, server) == b"ok"
    shown = fingerprint(made_certificates.put(tmp_path / "x.pem", "api"))
    assert known.read_text() == f"127.0.0.1:{server.server_port} {shown}\n"
    assert known.stat().st_mode & 0o777 == 0o600
    said = capsys.readouterr().err
    assert said.count("first contact") == 1 and shown in said and str(known) in said


def test_a_changed_certificate_is_refused_before_anything_is_sent(server: Quiet, tmp_path: Path) -> None:
    known = tmp_path / "known-clusters"
    before = ":".join(["AB"] * 32)
    known.write_text(f"# mine\nother:1234 {before}\n127.0.0.1:{server.server_port} {before}\n")
    client = Client("127.0.0.1", server.server_port, "admin", "secret", Trust(known=known))
    reply = client.command("dhcp reload")
    assert reply.status == 501 and Handler.asked == 0
    where = f"127.0.0.1:{server.server_port}"
    assert reply.lines[0].startswith(f"501 Connection Failure - cluster {where}: its certificate has changed: ")
    shown = fingerprint(made_certificates.put(tmp_path / "x.pem", "api"))
    assert before in reply.lines[0] and reply.lines[0].endswith(f"'nrcmd -C {where} --accept {shown}'")


def test_another_certificate_is_accepted_by_its_fingerprint_only(
    server: Quiet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known, where, before = tmp_path / "known-clusters", f"127.0.0.1:{server.server_port}", ":".join(["AB"] * 32)
    known.write_text(f"other:1234 {before}\n{where} {before}\n")
    monkeypatch.setenv("AIC_KNOWN_CLUSTERS", str(known))
    shown = fingerprint(made_certificates.put(tmp_path / "x.pem", "api"))
    assert nrcmd.main(["-C", where, "--accept", before]) == 2
    assert "not the one that was given; nothing was changed" in capsys.readouterr().err
    assert nrcmd.main(["-C", where, "--accept", shown]) == 0
    assert sorted(known.read_text().splitlines()) == sorted([f"other:1234 {before}", f"{where} {shown}"])
    assert f"{where} is known by {shown} from now on" in capsys.readouterr().out
    assert ask(Trust(known=known), server) == b"ok"


@pytest.mark.parametrize("form", [str, str.lower, lambda text: text.replace(":", "")])
def test_a_given_fingerprint_is_demanded(form: object, server: Quiet, tmp_path: Path) -> None:
    known = tmp_path / "known-clusters"
    shown = fingerprint(made_certificates.put(tmp_path / "x.pem", "api"))
    assert ask(Trust(fingerprint=form(shown), known=known), server) == b"ok"  # type: ignore[operator]
    with pytest.raises(Untrusted, match="not the one that was given"):
        ask(Trust(fingerprint=":".join(["AB"] * 32), known=known), server)
    assert Handler.asked == 1 and not known.exists()


def test_an_authority_is_demanded_with_the_right_name(server: Quiet, tmp_path: Path) -> None:
    trust = Trust(authority=str(tmp_path / "api.pem"), known=tmp_path / "none")
    assert ask(trust, server) == ask(trust, server, "localhost") == b"ok"
    made_certificates.put(tmp_path / "other.pem", "other")
    with pytest.raises(Untrusted, match="not accepted"):
        ask(Trust(authority=str(tmp_path / "other.pem"), known=tmp_path / "none"), server)
    with pytest.raises(Untrusted, match=r"--ca .* cannot be used: No such file"):
        ask(Trust(authority=str(tmp_path / "missing")), server)


def test_what_speaks_no_tls_is_named_and_can_be_used_on_purpose(tmp_path: Path) -> None:
    with Quiet(("127.0.0.1", 0), Handler) as plain:
        thread = threading.Thread(target=plain.serve_forever)
        thread.start()
        try:
            with pytest.raises(Untrusted, match=f"-C http://127.0.0.1:{plain.server_port}"):
                ask(Trust(known=tmp_path / "known"), plain)
            assert ask(Trust(plain=True), plain) == b"ok"
        finally:
            plain.shutdown()
            thread.join()


@pytest.mark.parametrize("text", [b"\xff\xfe", b"127.0.0.1\n\n:\x00 :\n" * 3])
def test_a_damaged_file_is_an_error_or_knows_nobody(text: bytes, server: Quiet, tmp_path: Path) -> None:
    known = tmp_path / "known-clusters"
    known.write_bytes(text)
    try:
        assert ask(Trust(known=known), server) == b"ok"
    except Untrusted as error:
        assert "--fingerprint" in str(error)


def test_who_hangs_up_is_no_crash(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        connection = Trust(known=tmp_path / "known").connection("127.0.0.1", listener.getsockname()[1], 5)
        with pytest.raises((OSError, http.client.HTTPException)):
            connection.request("GET", "/")
        thread.join()
