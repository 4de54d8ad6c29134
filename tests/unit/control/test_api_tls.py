"""What the API's connections are secured with: made, given, refused, renewed, left out."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import made_certificates
import pytest

from tandem.cluster import certificates, local
from tandem.cluster.certificates import TlsFiles
from tandem.cluster.local import NotReady, _api_tls, build, parse
from tandem.cluster.manager import Manager
from tandem.control import rest
from tandem.control.rest import ApiServer


def options(tmp_path: Path, *words: str, address: str = "127.0.0.11") -> local.Options:
    return parse(["--data", str(tmp_path), "--address", address, "--name", "test", *words])


def secured(made: local.Options) -> TlsFiles | None:
    manager = build(made, list)
    try:
        return _api_tls(made, manager)
    finally:
        manager.database.close()


def test_the_first_start_makes_a_certificate_and_later_ones_use_it(tmp_path: Path) -> None:
    made = options(tmp_path, address="192.0.2.11")
    files = secured(made)
    path = tmp_path / "ccm" / "api.pem"
    assert files == TlsFiles(path, path) and path.stat().st_mode & 0o777 == 0o600
    first = path.read_bytes()
    assert secured(made) == files and path.read_bytes() == first
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(certificates.read(path))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.11", "127.0.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost", socket.gethostname()]
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days > 3650


def test_the_operator_s_own_files_are_used(tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    made_certificates.put(own)
    assert secured(options(tmp_path, "--tls-cert", str(own))) == TlsFiles(own, own)
    assert not (tmp_path / "ccm" / "api.pem").exists()


@pytest.mark.parametrize(
    ("certificate", "said"),
    [("missing.pem", "No such file"), ("garbage.pem", "--tls-cert and --tls-key")],
)
def test_files_that_cannot_be_used_are_said_before_anything_starts(certificate: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "garbage.pem").write_text("nothing")
    with pytest.raises(NotReady, match=said):
        secured(options(tmp_path, "--tls-cert", str(tmp_path / certificate)))


def test_a_key_that_belongs_to_another_certificate_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made_certificates.put(tmp_path / f"{name}.pem", name)
    with pytest.raises(NotReady, match=r"KEY_VALUES_MISMATCH"):
        secured(options(tmp_path, "--tls-cert", str(tmp_path / "a.pem"), "--tls-key", str(tmp_path / "b.pem")))


@pytest.mark.parametrize(("address", "loud"), [("127.0.0.11", False), ("192.0.2.11", True)])
def test_plain_http_beyond_this_machine_is_said_loudly(
    address: str, loud: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert secured(options(tmp_path, "--no-tls", address=address)) is None
    assert ("WARNING: --no-tls" in capsys.readouterr().err) == loud


@pytest.mark.parametrize("words", [["--tls-key", "k"], ["--tls-cert", "c", "--no-tls"]])
def test_options_that_contradict_each_other_are_refused(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        options(tmp_path, *words)


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "LOOK_S", 0.01)
    path = tmp_path / "own.pem"
    first = made_certificates.put(path, "a")
    manager = build(options(tmp_path), list)

    async def shown(port: int) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        return certificate

    async def run(manager: Manager) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        api = ApiServer(manager, listener, TlsFiles(path, path))
        api.start()
        assert await shown(port) == first
        path.write_text("half of it")
        await asyncio.sleep(0.05)
        assert await shown(port) == first, "what cannot be used changes nothing"
        second = made_certificates.put(path, "b")
        async with asyncio.timeout(10):
            while await shown(port) != second:
                await asyncio.sleep(0.02)
        await api.stop()

    asyncio.run(run(manager))
    manager.database.close()


@pytest.mark.parametrize(("days", "level"), [(30, ""), (13, "Warning"), (-1, "Error")])
def test_a_certificate_that_ends_soon_is_an_alarm(
    days: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = build(options(tmp_path), list)
    path = tmp_path / "own.pem"
    made_certificates.put(path)
    manager.api_tls = TlsFiles(path, path)
    end = certificates.expires(path)
    found = manager.watch._expiring(end - days * 86400)
    assert [alarm["level"] for alarm in found] == ([level] if level else [])
    path.write_text("half of it")
    assert manager.watch._expiring(end - days * 86400) == []
    manager.database.close()
