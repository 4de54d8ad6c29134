"""Two running clusters, main and backup: synchronization as their operators do it, and what goes wrong on the way."""

from __future__ import annotations

import contextlib
import http.server
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import made_certificates
import pytest
from tests.unit.config.test_sync import NOT_YET, ROWS, TABLE_16_2, VALUES, other_value

from tandem.config.schema import DHCP
from tandem.config.synctables import OPERATIONS

HERE = Path(__file__).parent
MAIN, BACKUP, OTHER = "127.0.0.11", "127.0.0.12", "127.0.0.13"
PAIR = f"{MAIN}-{BACKUP}"
SCOPE = {"addr": "10.1.0.0", "mask": "255.255.255.0", "ranges": [["10.1.0.10", "10.1.0.200"]]}
THEIRS = {
    "addr": "10.9.0.0", "mask": "255.255.255.0", "failover": "scope-enabled", "failover-main-server": OTHER,
    "failover-backup-server": BACKUP,
}  # fmt: skip


def wait_for(condition: Callable[[], object], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        select.select([], [], [], 0.05)


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass
class Cluster:
    data: Path
    address: str
    port: int
    process: subprocess.Popen[str]
    client: httpx2.Client

    def call(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return self.client.request(method, f"/api/v1{path}", json=body, headers={"If-Match": "*"})

    def get(self, path: str) -> Any:
        return self.call("GET", path).json()

    def line(self, line: str) -> Any:
        """Run one nrcmd line; return the answer, refused or not."""
        return self.call("POST", "/command", {"line": line}).json()

    def do(self, *lines: str) -> None:
        for line in lines:
            answer = self.line(line)
            assert answer["status"] < 200, answer

    def put(self, path: str, body: Any) -> None:
        answer = self.call("PUT", path, body)
        assert answer.status_code == 200, answer.text

    def sync(self, operation: str = "update", direction: str = "", switches: str = "") -> Any:
        """Synchronize as a program does; return the whole answer."""
        body = {"operation": operation, "direction": direction, "switches": switches}
        return self.call("POST", f"/failover-pair/{PAIR}/sync", body).json()

    def everything(self) -> Any:
        return {cls: self.get(f"/{cls}") for cls in ("dhcp", "scope", "policy", "failover-pair")}

    def log(self) -> str:
        return (self.data / "logs" / f"{self.data.name}_ccm_1_log").read_text()


def start(data: Path, address: str, port: int) -> Cluster:
    """Start a cluster; ``wait_ready`` waits until it serves."""
    words = [sys.executable, str(HERE / "fake_cluster.py"), "--data", str(data), "--address", address]
    words += ["--api-port", str(port), "--name", data.name]
    env = os.environ | {"TANDEM_ADMIN_PASSWORD": "geheim"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)
    base = f"https://{address}:{port}"
    client = httpx2.Client(base_url=base, auth=("admin", "geheim"), timeout=60, trust_env=False, verify=False)
    return Cluster(data, address, port, process, client)


def wait_ready(cluster: Cluster) -> None:
    assert cluster.process.stdout is not None and "ready" in cluster.process.stdout.readline()


def end(cluster: Cluster) -> None:
    cluster.client.close()
    cluster.process.terminate()
    cluster.process.wait(30)
    assert cluster.process.stdout is not None
    cluster.process.stdout.close()


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Cluster]]:
    data = tmp_path_factory.mktemp("clusters")
    main = start(data / "main", MAIN, free_port(MAIN))
    backup = start(data / "backup", BACKUP, free_port(BACKUP))
    try:
        wait_ready(main)
        wait_ready(backup)
        yield main, backup
    finally:
        end(main)
        end(backup)


@pytest.fixture
def pair(clusters: tuple[Cluster, Cluster]) -> tuple[Cluster, Cluster]:
    """A main with failover on and its pair, and a backup that knows of nothing."""
    main, backup = clusters
    for cluster in clusters:
        for cls in ("scope", "client", "client-class", "policy", "option", "failover-pair"):
            for name in cluster.get(f"/{cls}"):
                assert cluster.call("DELETE", f"/{cls}/{name}").status_code == 200
        settings = {name: None for name in cluster.get("/dhcp")}
        assert cluster.call("PATCH", "/dhcp", settings).status_code == 200
    main.do(f"dhcp set failover-main-server={MAIN}", f"dhcp set failover-backup-server={BACKUP}",
            "dhcp enable failover", f"failover-pair {PAIR} set remote-username=admin remote-password=geheim"
            f" remote-scp-port={backup.port} drift-check-interval=0")  # fmt: skip
    return main, backup


def test_a_report_changes_nothing_and_a_run_all_of_it_and_undo_takes_it_back(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.put("/scope/s", SCOPE)
    before = backup.everything()
    report = main.sync("exact", switches="-report")["data"]
    assert not report["ran"] and report["change_set"] is None and backup.everything() == before
    assert {(e["class"], e["object"], e["attribute"]): e["after"] for e in report["entries"]} == {
        ("dhcp", "", "failover"): "on", ("dhcp", "", "failover-main-server"): MAIN,
        ("dhcp", "", "failover-backup-server"): BACKUP, ("scope", "s", ""): "", ("scope", "s", "addr"): "10.1.0.0",
        ("scope", "s", "mask"): "255.255.255.0", ("scope", "s", "ranges"): "10.1.0.10 10.1.0.200",
    }  # fmt: skip
    ran = main.sync("exact", switches=f"-match={report['version']} -reload")
    assert ran["status"] == 100 and ran["data"]["entries"] == report["entries"]
    assert ran["data"]["reload"] == {"ok": True, "text": ""}
    assert backup.get("/scope/s") == SCOPE and PAIR in backup.get("/failover-pair")
    assert main.sync("exact", switches="-report")["data"]["entries"] == []
    number = ran["data"]["change_set"]
    rows = backup.get(f"/change/{number}")["items"]
    assert {row["attributes"]["who"] for row in rows} == {"admin"}
    why = f"synchronization exact of failover-pair {PAIR}, main-to-backup, by admin on main"
    assert {row["attributes"]["why"] for row in rows} == {why}
    assert main.line(f"failover-pair {PAIR} undoSync {number}")["status"] == 100
    assert backup.everything() == before
    assert backup.line(f"change {number} undo")["status"] == 320, "it is taken back once"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_rows_of_table_16_1(pair: tuple[Cluster, Cluster], operation: str) -> None:
    """Of each kind of data one object that both servers have, one of the main's and one of the backup's."""
    main, backup = pair
    main.do("dhcp set failover-poll-interval=7 max-dhcp-requests=700", "dhcp disable defer-lease-extensions")
    main.put("/scope/s", SCOPE)
    backup.do("dhcp set failover-poll-interval=8", "dhcp set max-dhcp-requests=800")
    backup.put("/policy/theirs", {})
    backup.put("/scope/theirs", THEIRS | {"policy": "theirs"})
    backup.put("/scope/s", SCOPE | {"renew-only": True})
    for cluster, grace, domain, tag, code in ((main, 60, "main", "red", 224), (backup, 90, "backup", "blue", 225)):
        own = "mains" if cluster is main else "backups"
        kind = "string" if cluster is main else "ip"
        cluster.do(f"option {own} create {code} string", f"option both create 226 {kind}")
        cluster.do(f"option {own}-unused create {code + 10} string")
        cluster.put("/policy/both", {"grace-period": grace, "options": {own: "x", "domain-name": domain}})
        cluster.put(f"/policy/{own}", {})
        for name, client in (("both", "1,6,00:00:00:00:00:01"), (own, f"1,6,00:00:00:00:00:{code % 100}")):
            cluster.put(f"/client-class/{name}", {"selection-criteria": [tag]})
            cluster.put(f"/client/{client}", {"client-class-name": name, "host-name": tag})
    answer = main.sync(operation)
    assert answer["status"] == 100, answer
    function = {row: functions[OPERATIONS.index(operation)] for row, functions in ROWS.items()}
    dhcp, scopes = backup.get("/dhcp"), backup.get("/scope")
    assert (dhcp["failover-poll-interval"], dhcp["defer-lease-extensions"]) == (7, False)
    assert dhcp["max-dhcp-requests"] == {"no change": 800, "replace": 700}[function["other"]]
    assert scopes == {"s": SCOPE, "theirs": THEIRS | {"policy": "theirs"}}
    for cls in ("policy", "client-class", "client"):
        mine, theirs = main.get(f"/{cls}"), backup.get(f"/{cls}")
        assert theirs.keys() >= mine.keys() and all(theirs[name] == mine[name] for name in mine if name != "both"), cls
        only = {"backups", "1,6,00:00:00:00:00:25"} & theirs.keys()
        assert bool(only) == (function[cls] == "replace"), "what only the backup has goes under exact"
    assert backup.get("/client-class/both")["selection-criteria"] == ["red"], "replaced by all three"
    assert "theirs" in backup.get("/policy"), "a scope that stays uses it"
    policy = backup.get("/policy/both")
    assert policy["grace-period"] == 60
    assert policy["options"] == {
        "ensure": {"domain-name": "backup", "backups": "x", "mains": "x"},
        "replace": {"domain-name": "main", "backups": "x", "mains": "x"},
        "exact": {"domain-name": "main", "mains": "x"},
    }[function["policy-options"]]  # fmt: skip
    options = backup.get("/option")
    assert options["both"]["type"] == {"ensure": "ip", "exact": "string"}[function["option"]]
    assert "mains" in options and ("backups-unused" in options) == (function["option"] == "ensure")
    assert ("backups" in options) == ("backups" in policy["options"]), "what only the backup has stays while it is used"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_attributes_of_table_16_2(pair: tuple[Cluster, Cluster], operation: str) -> None:
    """All that are declared, set to another value than the backup has; each is an entry of the run and arrives."""
    main, backup = pair
    names = [name for name in TABLE_16_2 if name not in NOT_YET]
    already = ("failover", "failover-main-server", "failover-backup-server", "failover-recover")
    settings = {
        name: VALUES[name][0] if name in VALUES else other_value(DHCP.by_name[name])
        for name in names if name not in already
    }  # fmt: skip
    assert main.call("PATCH", "/dhcp", settings).status_code == 200
    backup.do("dhcp set failover-recover=-3d")
    answer = main.sync(operation)
    assert answer["status"] == 100, answer
    told = {entry["attribute"]: entry for entry in answer["data"]["entries"] if entry["class"] == "dhcp"}
    assert set(names) <= told.keys() and {told[name]["function"] for name in names} == {"replace"}
    there, here = main.get("/dhcp"), backup.get("/dhcp")
    assert {name: here.get(name) for name in names} == {name: there.get(name) for name in names}
    assert settings.items() <= here.items() and here["failover-main-server"] == MAIN and "failover-recover" not in here


def test_all_kinds_of_objects_reach_a_partner_that_is_a_cluster_object(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.do(
        f"cluster partner create {BACKUP} admin=admin password=geheim scp-port={backup.port}",
        f"failover-pair {PAIR} unset remote-username remote-password remote-scp-port",
        f"failover-pair {PAIR} set backup=partner",
        "option ntp-hint create 224 string", "option-set phones create vendor-option-string=acme*",
        "vendor-option ring create phones 1 string", "policy p create", "policy p setOption ntp-hint near",
        "policy p setVendorOption ring phones loud", "client-class gold create policy-name=p",
        "client 1,6,00:d0:ba:d3:bd:3b create client-class-name=gold",
        "client-class-policy gold setOption routers 10.1.0.9",
        "scope s create 10.1.0.0 255.255.255.0 policy=p", "scope-policy s setOption routers 10.1.0.1",
        "dhcp enable client-class",
    )  # fmt: skip
    assert "is used by failover-pair" in main.line("cluster partner delete")["text"]
    answer = main.sync("update")
    assert answer["status"] == 100, answer
    for cls in ("option", "option-set", "vendor-option", "policy", "client-class", "client", "scope", "dhcp"):
        assert backup.get(f"/{cls}") == main.get(f"/{cls}"), cls
    assert {"option", "option-set", "vendor-option"} <= {entry["class"] for entry in answer["data"]["entries"]}
    main.do(f"failover-pair {PAIR} undoSync {answer['data']['change_set']}", f"failover-pair {PAIR} unset backup",
            "cluster partner delete")  # fmt: skip
    assert backup.get("/client") == {} and "p" not in backup.get("/policy")
    main.do("client 1,6,00:d0:ba:d3:bd:3b delete", "client-class gold delete", "scope s delete", "policy p delete",
            "vendor-option ring delete", "option-set phones delete", "option ntp-hint delete")  # fmt: skip


def test_undo_brings_a_secret_back(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.do("dhcp set failover-shared-secret=new")
    backup.do("dhcp set failover-shared-secret=old")
    before = backup.call("GET", "/dhcp").headers["ETag"]  # of all that is stored, secrets included
    ran = main.sync("complete")["data"]
    secret = next(entry for entry in ran["entries"] if entry["attribute"] == "failover-shared-secret")
    assert (secret["before"], secret["after"]) == ("********", "********")
    assert backup.call("GET", "/dhcp").headers["ETag"] != before
    main.do(f"failover-pair {PAIR} undoSync {ran['change_set']}")
    assert backup.call("GET", "/dhcp").headers["ETag"] == before


def test_the_other_way(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.put("/scope/s", SCOPE)
    main.sync("exact")
    backup.do("scope s addRange 10.1.0.220 10.1.0.230", "policy default setLeaseTime 1d")
    answer = main.sync("update", "backup-to-main")
    assert answer["status"] == 100 and answer["data"]["changes"] == "here"
    assert main.get("/scope/s") == backup.get("/scope/s")
    assert main.get("/policy/default") == {"options": {"dhcp-lease-time": "86400"}}
    main.do(f"change {answer['data']['change_set']} undo")
    assert main.get("/scope/s") == SCOPE


def test_symmetrical_failover_and_a_third_main_each_pair_carries_its_own_scopes(pair: tuple[Cluster, Cluster]) -> None:
    """Each of the two is main for one scope and backup for the other's; the second is backup of a third main, too."""
    one, two = pair
    reverse = f"{BACKUP}-{MAIN}"
    one.do(f"failover-pair {PAIR} unset remote-username remote-password remote-scp-port", "dhcp disable failover",
           "dhcp unset failover-main-server failover-backup-server", "failover-pair listnames",
           "policy ones create")  # fmt: skip
    enabled = "failover=scope-enabled failover-main-server={} failover-backup-server={}"
    one.do(f"scope first create 10.1.0.0 255.255.255.0 policy=ones {enabled.format(MAIN, BACKUP)}",
           "scope first addRange 10.1.0.10 10.1.0.200")  # fmt: skip
    two.do("policy twos create", "policy nobodys create",
           f"scope second create 10.2.0.0 255.255.255.0 policy=twos {enabled.format(BACKUP, MAIN)}")  # fmt: skip
    two.put("/scope/theirs", THEIRS)
    login = "set remote-username=admin remote-password=geheim drift-check-interval=0 remote-scp-port="
    one.do(f"failover-pair {PAIR} {login}{two.port}")
    two.do(f"failover-pair {reverse} {login}{one.port}")
    ran = one.line(f"failover-pair {PAIR} sync exact")
    assert ran["status"] == 100, ran
    assert two.get("/scope") == {"first": one.get("/scope/first"), "second": two.get("/scope/second"), "theirs": THEIRS}
    assert {"ones", "twos"} <= two.get("/policy").keys() and "nobodys" not in two.get("/policy")
    assert not {"failover", "failover-main-server"} & two.get("/dhcp").keys(), "the servers' own settings are no pair's"
    ran = two.line(f"failover-pair {reverse} sync complete")
    assert ran["status"] == 100, ran
    assert one.get("/scope") == {name: two.get(f"/scope/{name}") for name in ("first", "second")}
    for cluster, name, scope in ((one, PAIR, "first"), (two, reverse, "second")):
        cluster.do(f"scope {scope} enable renew-only")
        found = cluster.line(f"failover-pair {name} checkDrift")
        assert found["lines"][1:3] == ["1 property differs:", f"scope {scope} renew-only: main on, backup -"], found
    assert one.line(f"failover-pair {PAIR} sync update")["status"] == 100
    assert one.get("/scope/second") != two.get("/scope/second"), "it is the other pair's"


def test_a_scope_that_takes_another_ones_name_and_back(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.put("/scope/s", SCOPE)
    backup.put("/scope/s", {"addr": "10.7.0.0", "mask": "255.255.0.0", "ranges": [["10.7.0.10", "10.7.0.20"]]})
    before = backup.everything()
    number = main.sync("exact")["data"]["change_set"]
    assert backup.get("/scope/s") == SCOPE
    main.do(f"failover-pair {PAIR} undoSync {number}")
    assert backup.everything() == before


def test_another_editor_meanwhile(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.put("/scope/s", SCOPE)
    version = main.sync("exact", switches="-report")["data"]["version"]
    backup.put("/scope/s", SCOPE | {"renew-only": True})
    before = backup.everything()
    refused = main.sync("exact", switches=f"-match={version}")
    assert refused["status"] == 387 and "report again, then run" in refused["text"]
    assert backup.everything() == before
    assert main.sync("exact")["data"]["entries"][-1]["attribute"] in ("renew-only", "ranges")


def test_an_outcome_that_cannot_work_is_refused(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.put("/scope/s", SCOPE)
    backup.put("/scope/theirs", THEIRS | {"addr": "10.1.0.0", "ranges": [["10.1.0.50", "10.1.0.60"]]})
    before = backup.everything()
    report = main.sync("update", switches="-report")
    assert report["status"] == 101 and report["data"]["errors"]
    refused = main.sync("update")
    assert refused["status"] == 316 and "nothing was changed" in refused["text"] and "scope" in refused["text"]
    assert backup.everything() == before


def test_a_reload_that_fails_is_told_and_the_configuration_stays(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.put("/scope/s", SCOPE)
    backup.do("dhcp stop")
    try:
        answer = main.sync("exact", switches="-reload")
        assert answer["status"] == 101 and not answer["data"]["reload"]["ok"]
        assert answer["lines"][-1].startswith("Reload failed, and its DHCP server goes on with what it had: ")
        assert backup.get("/scope/s") == SCOPE
    finally:
        backup.do("dhcp start")


@pytest.mark.parametrize(
    ("setting", "text"),
    [("remote-password=wrong", "refused the log-in of 'admin': check failover-pair"),
     ("remote-scp-port=9", "cannot be reached"), ("remote-username=", "set remote-username and remote-password")],
)  # fmt: skip
def test_a_partner_that_cannot_be_asked(pair: tuple[Cluster, Cluster], setting: str, text: str) -> None:
    main, backup = pair
    before = backup.everything()
    main.do(f"failover-pair {PAIR} set {setting}")
    for command in ("sync", "checkDrift"):
        answer = main.line(f"failover-pair {PAIR} {command}")
        assert answer["status"] in (501, 316) and text in answer["text"], answer
    assert "    drift = not known: " in "\n".join(main.line(f"failover-pair {PAIR} getStatus")["lines"])
    assert backup.everything() == before


def test_a_refused_password_is_not_tried_until_the_account_is_locked(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    backup.do("admin sync create right-one roles=dhcp-admin")

    def tried() -> list[str]:
        logins = [item["attributes"] for item in backup.get("/login/list")["items"]]
        return [login["result"] for login in logins if login["name"] == "sync"]

    main.do(f"failover-pair {PAIR} set remote-username=sync remote-password=wrong drift-check-interval=1")
    wait_for(tried)
    assert tried() == ["failed"]
    main.do(f"failover-pair {PAIR} set remote-password=right-one")
    wait_for(lambda: tried()[0] == "ok")
    assert main.sync("exact")["status"] == 100
    assert main.line(f"failover-pair {PAIR} undoSync 999")["status"] == 302
    backup.do("admin sync delete")


class _OldVersion(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_partner_of_another_version(pair: tuple[Cluster, Cluster], tmp_path: Path) -> None:
    main, backup = pair
    file = tmp_path / "old.pem"
    made_certificates.put(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with http.server.HTTPServer((BACKUP, 0), _OldVersion) as old:
        old.socket = context.wrap_socket(old.socket, server_side=True)
        thread = threading.Thread(target=old.serve_forever)
        thread.start()
        try:
            main.do(f"failover-pair {PAIR} set remote-scp-port={old.server_address[1]}")
            answer = main.sync("exact")
            assert answer["status"] == 312 and "run the same version on both" in answer["text"]
        finally:
            old.shutdown()
            thread.join()
    body = {"format": 99, "main": MAIN, "backup": BACKUP, "operation": "update", "document": {}}
    answer = backup.call("POST", "/synchronization/run", body).json()
    assert answer["status"] == 312 and "format 99" in answer["text"]


@contextlib.contextmanager
def cut_after(backup: Cluster, count: int) -> Iterator[int]:
    """A way to the backup that kills it as soon as ``count`` bytes have gone there. Yields its port."""

    def carry_back(server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)

    with socket.create_server((BACKUP, 0)) as door:

        def carry() -> None:
            with door.accept()[0] as client, socket.create_connection((BACKUP, backup.port)) as server:
                sent = 0
                threading.Thread(target=carry_back, args=(server, client)).start()
                while sent < count:
                    data = client.recv(min(65536, count - sent))
                    if not data:
                        return
                    server.sendall(data)
                    sent += len(data)
                os.kill(backup.process.pid, signal.SIGKILL)

        thread = threading.Thread(target=carry)
        thread.start()
        yield int(door.getsockname()[1])
        thread.join()


@pytest.mark.slow
def test_a_partner_that_dies_half_way_has_all_of_it_or_nothing(pair: tuple[Cluster, Cluster], tmp_path: Path) -> None:
    main, _ = pair
    clients = [f"1,6,00:00:00:00:{i // 256:02x}:{i % 256:02x}" for i in range(500)]
    reservations = [{"address": f"10.4.{i // 250}.{i % 250 + 1}", "key": key} for i, key in enumerate(clients)]
    main.put("/scope/s", {"addr": "10.4.0.0", "mask": "255.255.0.0", "reservations": reservations})
    victim = start(tmp_path / "victim", BACKUP, free_port(BACKUP))
    wait_ready(victim)
    try:
        size = len(httpx2.Request("POST", "http://x", json={"document": {"scope": main.get("/scope")}}).content)
        for count in (size // 2, size):  # in the middle of the order; with all but the end of it
            untouched = victim.everything()
            with cut_after(victim, count) as port:
                main.do(f"failover-pair {PAIR} set remote-scp-port={port}")
                lost = main.sync("exact")
                assert lost["status"] == 501 and "whether it was carried out is not known" in lost["text"], lost
            victim.process.wait(30)
            victim = start(victim.data, BACKUP, victim.port)
            wait_ready(victim)
            assert victim.everything() == untouched
        main.do(f"failover-pair {PAIR} set remote-scp-port={victim.port}")
        assert main.sync("exact")["status"] == 100
        assert victim.get("/scope") == main.get("/scope")
    finally:
        end(victim)


def test_drift_is_found_named_and_an_alarm(pair: tuple[Cluster, Cluster]) -> None:
    main, backup = pair
    main.put("/scope/s", SCOPE)
    main.sync("exact")
    assert main.line(f"failover-pair {PAIR} checkDrift")["status"] == 100
    backup.do("scope s enable renew-only", "policy default setLeaseTime 1d", "dhcp set max-dhcp-requests=900")
    main.do("policy default setLeaseTime 2d")
    found = main.line(f"failover-pair {PAIR} checkDrift")
    assert found["status"] == 101 and found["lines"][1:4] == [
        "2 properties differ:",
        "scope s renew-only: main -, backup on",
        "policy default options.dhcp-lease-time: main 172800, backup 86400",
    ]
    main.do(f"failover-pair {PAIR} set drift-check-interval=1")

    def drift() -> list[str]:
        """The text of the alarm, as long as it is on."""
        alarms = [item["attributes"] for item in main.get("/dhcp/getAlarms")["items"]]
        return [a["text"] for a in alarms if a["kind"] == "configuration-drift" and not a.get("cleared")]

    wait_for(lambda: any("different: scope, policy; scope s renew-only: main -, backup on" in text for text in drift()))
    main.sync("complete")
    wait_for(lambda: not drift())
    assert "Cleared: configuration-drift" in main.log()
    status = main.line(f"failover-pair {PAIR} getStatus")["lines"]
    assert "    drift = none" in status and any("complete, main-to-backup: " in line for line in status)


def test_a_partner_with_another_certificate_is_told_nothing_until_that_is_accepted(
    pair: tuple[Cluster, Cluster],
) -> None:
    main, backup = pair
    assert main.sync()["status"] == 100
    place, known = f"{BACKUP}:{backup.port}", main.data / "ccm" / "known-clusters"
    first = next(line.split()[1] for line in known.read_text().splitlines() if line.startswith(place))
    assert "60018 First contact with" in main.log()
    assert main.line(f"failover-pair {PAIR} getCertificate")["lines"][-1] == "They are the same."
    known.write_text(known.read_text().replace(f"{place} {first}", f"{place} AB{first[2:]}"))
    answer = main.sync()
    accept = f"failover-pair {PAIR} acceptCertificate {first}"
    assert answer["status"] == 501 and f"and was AB{first[2:]}" in answer["text"] and accept in answer["text"], answer
    shown = main.line(f"failover-pair {PAIR} getCertificate")["lines"]
    facts = dict(line.split(": ", 1) for line in shown[1:4])
    assert [fact.strip() for fact in facts.values()] == [place, f"AB{first[2:]}", first]
    refused = main.line(f"failover-pair {PAIR} acceptCertificate AB{first[2:]}")
    assert refused["status"] == 316 and main.sync()["status"] == 501, "not the one that is there"
    main.do(accept)
    assert main.sync()["status"] == 100 and f"before: AB{first[2:]}" in main.log()
