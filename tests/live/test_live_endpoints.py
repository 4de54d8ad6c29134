"""Several relationships in one server: symmetrical and back office failover, set per scope, with real processes."""

from __future__ import annotations

import pytest
from tests.live.lab import BACKUP, EXAMPLE, FAR_RELAY, MAIN, MCLT_S, PASSWORD, Lab, Tandem
from tests.live.netns import wait_for
from tests.live.pyclient import LanPort, Ledger, PyClient, RelayPort

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

OTHER = "192.168.50.5"
INTERRUPTED, NORMAL, DOWN = "COMMUNICATIONS-INTERRUPTED", "NORMAL", "PARTNER-DOWN"
_COMMON = EXAMPLE.replace(f"lead-time={MCLT_S}", "lead-time=8").splitlines()
SCOPES = [line for line in _COMMON if line.split()[0] in ("scope", "policy")]
TIMES = [line for line in _COMMON if "poll" in line or "startup" in line or line.startswith("dhcp disable")]


def batch(*lines: str | list[str]) -> str:
    """Return commands as a file for nrcmd."""
    flat = [part for line in lines for part in ([line] if isinstance(line, str) else line)]
    return "\n".join(flat) + "\n"


def scope_pair(scope: str, main: str, backup: str) -> list[str]:
    """The chapter's "Configuring Failover for Scopes"."""
    return [
        f"scope {scope} set failover=scope-enabled",
        f"scope {scope} set failover-main-server={main}",
        f"scope {scope} set failover-backup-server={backup}",
    ]


def wait_states(server: Tandem, *states: str, timeout: float = 30) -> None:
    """Wait until the relationships of ``server`` are in ``states``, in the order of the scopes."""
    wait_for(
        f"{server.space.short} in {states}", lambda: tuple(server.states().values()) == states, timeout
    )  # fmt: skip


def test_symmetrical_failover(lab: Lab) -> None:
    """Each server is main for one scope and backup for the other: two endpoints with one partner, one per role."""
    near, far = f"{MAIN}-{BACKUP}", f"{BACKUP}-{MAIN}"
    mine = [line for line in SCOPES if "far" not in line]
    its = [line for line in SCOPES if "far" in line]
    configurations = (
        batch(mine, TIMES, scope_pair("examplescope", MAIN, BACKUP)),
        batch(its, TIMES, scope_pair("farscope", BACKUP, MAIN), "scope farscope set failover-backup-percentage=50"),
    )
    servers = lab.main, lab.backup
    for server in servers:
        server.launch()
    for server, configuration in zip(servers, configurations, strict=True):
        server.wait_up()
        server.nrcmd(configuration)
    for server, pair in zip(servers, (near, far), strict=True):  # each carries its own scopes to the other
        login = f"failover-pair {pair} set remote-username=admin remote-password={PASSWORD}\n"
        said = server.nrcmd(f"{login}failover-pair {pair} sync exact -reload\ndhcp reload\n")
        assert "The DHCP server of the partner has reloaded." in said
    for server in servers:
        wait_states(server, NORMAL, NORMAL)
        assert set(server.states()) == {near, far}
    shares = [{s["name"]: s["backup-target"] for s in server.ask("scopes")} for server in servers]
    assert shares[0] == shares[1] and shares[0]["farscope"] > 4 * shares[0]["examplescope"]
    lab.shares_settled()

    ledger = Ledger()
    lan = LanPort(lab.client_space("raw"), "eth0")
    relay = RelayPort(lab.relay_space, FAR_RELAY, [MAIN, BACKUP])
    here, there = PyClient(lan, 1, ledger), PyClient(relay, 2, ledger)
    here.lease()
    there.lease()
    assert (here.server, there.server) == (MAIN, BACKUP)
    lab.books_equal()

    lab.cut()
    for server in servers:
        wait_states(server, INTERRUPTED, INTERRUPTED)
    both = [PyClient(port, 10 + n, ledger) for n, port in enumerate((lan, lan, relay, relay))]
    for number, client in enumerate(both):
        client.lease(server=(MAIN, BACKUP)[number % 2])
    lab.mend()
    for server in servers:
        wait_states(server, NORMAL, NORMAL)
    lab.books_equal()

    refused = lab.main.nrcmd(f"dhcp setPartnerDown {BACKUP}\n", check=False)
    assert "316" in refused and "connected and answers" in refused
    lab.backup.kill()
    wait_states(lab.main, INTERRUPTED, INTERRUPTED)
    assert lab.main.nrcmd(f"dhcp setPartnerDown {BACKUP}\n").count("is taken as down") == 2
    wait_states(lab.main, DOWN, DOWN)
    answer = there.rebind()
    assert answer is not None and answer.server == MAIN
    mark = lab.backup.mark()
    lab.backup.start()
    for server in servers:
        wait_states(server, NORMAL, NORMAL)
    for relationship in (near, far):
        lab.backup.went("RECOVER", "RECOVER-WAIT", "RECOVER-DONE", NORMAL, since=mark, relationship=relationship)
    lab.books_equal()
    shown = lab.main.nrcmd("dhcp getRelatedServers\n")
    assert f"{near}:" in shown and f"{far}:" in shown
    ledger.check()


def test_back_office_a_main_is_added_to_a_backup_that_serves_another(lab: Lab) -> None:
    """The chapter's "Adding Main Servers to Existing Backup Servers"; the existing pair is not disturbed; then one
    main's death touches its own scopes only."""
    lab.start_pair(batch([line for line in _COMMON if "far" not in line]))
    other = lab.add_server("other", OTHER)
    other.start()
    far = [line for line in SCOPES if "far" in line]
    other.nrcmd(batch(far, "dhcp disable defer-lease-extensions", "dhcp reload"))
    ledger = Ledger()
    relay = RelayPort(lab.relay_space, FAR_RELAY, [OTHER, BACKUP])
    old = [PyClient(relay, n, ledger) for n in range(1, 4)]
    for client in old:
        client.lease()
    here = PyClient(LanPort(lab.client_space("raw"), "eth0"), 50, ledger)
    here.lease(server=MAIN)

    marks = lab.main.mark(), lab.backup.mark()
    other.nrcmd(batch(  # step 2
        "dhcp enable failover", f"dhcp set failover-main-server={OTHER}",
        f"dhcp set failover-backup-server={BACKUP}", "dhcp set failover-maximum-client-lead-time=8", TIMES,
    ))  # fmt: skip
    pair = f"failover-pair {OTHER}-{BACKUP}"
    said = other.nrcmd(batch(  # steps 1 and 3
        f"{pair} set remote-username=admin remote-password={PASSWORD}", f"{pair} sync complete",
    ))  # fmt: skip
    assert f"failover server-wide with {MAIN}-{BACKUP}: its own attributes stay" in said
    assert f"failover-main-server={OTHER}" in lab.backup.nrcmd("scope farscope get failover-main-server\n")
    other.nrcmd("dhcp reload\n")  # step 4
    wait_states(other, DOWN)
    assert all(client.rebind() is not None for client in old), "service does not pause"
    lab.backup.nrcmd("dhcp reload\n")
    wait_states(other, NORMAL)
    wait_states(lab.backup, NORMAL, NORMAL)
    new, before = f"{OTHER}-{BACKUP}", f"{MAIN}-{BACKUP}"
    other.went(DOWN, NORMAL)
    lab.backup.went("RECOVER", "RECOVER-WAIT", "RECOVER-DONE", NORMAL, since=marks[1], relationship=new)
    lab.backup.went(since=marks[1], relationship=before)
    lab.main.went(since=marks[0])
    wait_for("the backup knows the new main's leases", lambda: set(other.leases()) <= set(lab.backup.leases()), 10)

    other.kill()
    wait_for("it is noticed", lambda: lab.backup.states() == {before: NORMAL, new: INTERRUPTED}, 20)
    for client in old:
        was = client.address
        answer = client.rebind()
        assert answer is not None and (client.address, client.server) == (was, BACKUP)
    lab.backup.nrcmd(f"dhcp setPartnerDown {OTHER}\n")
    assert lab.backup.states() == {before: NORMAL, new: DOWN}
    answer = here.rebind()
    assert answer is not None
    newcomer = PyClient(relay, 60, ledger)
    newcomer.lease()
    assert newcomer.server == BACKUP
    other.start()
    wait_states(other, NORMAL)
    wait_states(lab.backup, NORMAL, NORMAL)
    lab.main.went(since=marks[0])
    wait_for("both hold the newcomer", lambda: newcomer.address in other.leases(), 10)
    ledger.check()


def test_lan_segments_and_their_errors(lab: Lab) -> None:
    """Scopes of one LAN segment have one relationship or none; what contradicts it is refused and nothing changes."""
    lab.main.start()
    second = ["scope second create 10.9.0.0 255.255.255.0 primary-subnet=192.168.50.0/24",
              "scope second addRange 10.9.0.10 10.9.0.20"]  # fmt: skip
    lab.main.nrcmd(batch(_COMMON[:-1], second, "dhcp reload"))
    assert {s["name"]: s["failover"] != "" for s in lab.main.ask("scopes")} == {
        "second": True, "examplescope": True, "farscope": True
    }  # fmt: skip
    lab.main.nrcmd(batch("scope second set failover=scope-disabled", "dhcp reload"))
    assert {s["name"]: s["failover"] != "" for s in lab.main.ask("scopes")} == {
        "second": False, "examplescope": False, "farscope": True
    }, "it speaks for its whole segment, over use-server-settings"  # fmt: skip
    refused = lab.main.nrcmd(batch(scope_pair("examplescope", MAIN, OTHER), "dhcp reload"), check=False)
    assert "on the same LAN segment is scope-enabled" in refused and "the DHCP server goes on" in refused
    refused = lab.main.nrcmd(batch(scope_pair("second", MAIN, BACKUP), "dhcp reload"), check=False)
    assert f"on the same LAN segment has {OTHER}; write the same for both" in refused
    assert set(lab.main.states()) == {f"{MAIN}-{BACKUP}"}
    lab.main.nrcmd(batch("scope second set failover=use-server-settings", "scope second unset failover-main-server",
                         "scope second unset failover-backup-server", "dhcp reload"))  # fmt: skip
    assert {s["name"]: s["failover"] for s in lab.main.ask("scopes")} == {
        "second": f"{MAIN}-{OTHER}", "examplescope": f"{MAIN}-{OTHER}", "farscope": f"{MAIN}-{BACKUP}"
    }  # fmt: skip


def test_hosts_with_several_interfaces_use_the_address_that_is_named(lab: Lab) -> None:
    """"Configuring Failover on Multiple Interface Hosts": each server is known by its LAN address, but failover is set
    to addresses of another interface; it goes over that one, and clients know servers by the LAN's."""
    link = {lab.main: "10.77.0.1", lab.backup: "10.77.0.2"}
    for server, address in link.items():
        server.space.ip(f"addr add {address}/24 dev peer0")
    lab.main.start()
    wrong = batch("dhcp enable failover", "dhcp set failover-main-server=10.78.0.1", "dhcp reload",
                  "dhcp set failover-backup-server=10.77.0.2", "dhcp reload")  # fmt: skip
    refused = lab.main.nrcmd(wrong, check=False)
    assert "failover needs both servers" in refused
    assert f"is this server's own, {MAIN}, 10.77.0.1; write that for the role that this server has" in refused
    lab.main.stop()
    lab.start_pair(
        batch(_COMMON).replace(f"main-server={MAIN}", "main-server=10.77.0.1").replace(
            f"backup-server={BACKUP}", "backup-server=10.77.0.2"
        )
    )  # fmt: skip
    for server in link:
        assert server.states() == {"10.77.0.1-10.77.0.2": NORMAL}
    connections = lab.main.space.run("ss", "-Htn", "state", "established")
    assert any("10.77.0.1:" in line and "10.77.0.2:647" in line for line in connections.splitlines())
    assert f"{BACKUP}:647" not in connections and f"{MAIN}:647" not in connections
    client = PyClient(LanPort(lab.client_space("raw"), "eth0"), 1)
    client.lease(server=MAIN)
    lab.books_equal()
    lab.cut()
    lab.both_interrupted()
    said = lab.main.nrcmd("dhcp setPartnerDown 10.77.0.2 -1s\n")
    assert "partner 10.77.0.2 is taken as down" in said
    lab.mend()
    lab.both_normal()
