"""A furnished pair with every kind of object, and the address of every page of it: what tests of all pages walk.

The pages are those that are declared; a page that is declared without a place here fails the walk.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.live.pyclient import ACK, DISCOVER, OFFER, REQUEST, pack_message, unpack_message
from tests.live.test_local_cluster import BACKUP, MAIN, Cluster, clusters, wait_for

from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.control.web import pages

PAIR = f"{MAIN}-{BACKUP}"
CLIENTS = 70
_MAC = "1,6,00:d0:ba:d3:bd:3b"
_BOTH = f"""dhcp enable failover
dhcp set failover-main-server={MAIN}
dhcp set failover-backup-server={BACKUP}
dhcp set failover-startup-time=2 collect-addr-util-interval=1s
scope office create 192.168.50.0 255.255.255.0
scope office addRange 192.168.50.10 192.168.50.200
scope office addReservation 192.168.50.9 {_MAC}
scope-policy office setOption routers 192.168.50.1
scope guests create 192.168.60.0 255.255.255.0 primary-subnet=192.168.50.0/24 selection-tag-list=guests
scope guests addRange 192.168.60.10 192.168.60.250
policy default setLeaseTime 3d
policy default setOption domain-name-servers 192.168.50.5,192.168.50.6
policy default setOption domain-name example.com
client-class phones create selection-criteria=voip
client-class guests create selection-criteria=guests
client {_MAC} create client-class-name=phones
client default create
option phone-servers create 224 ip repeat=on
option-set acme create vendor-option-string=ACME*
vendor-option ring create acme 1 string
client-class-policy phones setVendorOption ring acme bell
scope-template branch create 'scope-name=(concat "branch-" subnet)' 'ranges-expr=(create-range 10 (- nhosts 4))'
scope-template branch set 'options-expr=(create-option "routers" (create-ipaddr subnet 1))'
dhcp reload
"""
_MAIN_ONLY = """failover-pair {pair} set remote-username=admin remote-password=geheim remote-scp-port={port}
cluster branch-office create {backup} scp-port={port} admin=admin password=geheim
admin night-shift create password=geheim roles=failover-operator full-name="Operators at night"
token monitoring create read-only
policy printers create
policy printers setOption host-name printer
scope office set failover-backup-percentage=20
"""
_OF_OBJECTS = {
    "scope": "office", "scope-template": "branch", "reservation": "192.168.50.9", "policy": "default",
    "client": _MAC, "client-class": "phones", "option": "phone-servers", "option-set": "acme",
    "vendor-option": "ring",
}  # fmt: skip
_NAMES = {f"/dhcp/{cls}": name for cls, name in _OF_OBJECTS.items()}
_NAMES |= {"/dhcp/failover": PAIR, "/clusters": "branch-office", "/administrators": "night-shift"}
_QUERIES = {
    "/dhcp/leases": "state=leased", "/dhcp/leases/lease": "address=192.168.50.10", "/changes/set": "number=1",
    "/dhcp/utilization": "scope=office&back=1h",
    "/dhcp/explain": "client=00:11:22:33:44:55&giaddr=192.168.50.1", "/dhcp/related/partner-down": f"partner={BACKUP}",
    "/dhcp/failover/certificate": f"name={PAIR}", "/clusters/certificate": "name=branch-office",
    "/dhcp/failover/sync": f"name={PAIR}&verb=run", "/dhcp/failover/report": f"name={PAIR}&operation=exact",
}  # fmt: skip
_PARTS = ("/live", "/badge", "/follow", "/status", "/data", "/file", "/partner", "/login", "/login/link", "/preview",
          "/working", "/part", "/result")  # fmt: skip
"""How the addresses of what is no page end: parts of pages, and what is left at once."""


@contextlib.contextmanager
def furnished(data: Path) -> Iterator[list[Cluster]]:
    """Yield main and backup, both NORMAL, with objects of every class, leases, and something to synchronize."""
    with clusters(data, MAIN, BACKUP) as made:
        main, backup = made
        for cluster in made:
            done = cluster.nrcmd("-b", "-", stdin=_BOTH)
            assert done.returncode == 0, done.stdout
        done = main.nrcmd("-b", "-", stdin=_MAIN_ONLY.format(pair=PAIR, backup=BACKUP, port=backup.ports[2]))
        assert done.returncode == 0, done.stdout
        wait_for("both NORMAL", lambda: all(cluster.state() == "NORMAL" for cluster in made))
        lease_out(main, CLIENTS)
        yield made


def lease_out(cluster: Cluster, clients: int) -> None:
    """Have clients behind a relay agent of 192.168.50.0/24 get leases of a server."""
    agent = b"\x01\x05port1" + b"\x05\x04" + socket.inet_aton("192.168.50.0") + b"\x13\x00"
    server = (cluster.address, cluster.ports[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
        relay.bind(("127.0.0.1", 0))
        relay.settimeout(0.5)
        for number in range(clients):
            mac = b"\x02\xda\x00\x00" + number.to_bytes(2, "big")
            more = {12: f"pc-{number}".encode(), 82: agent}
            steps = [(DISCOVER, OFFER, {}), (REQUEST, ACK, {})]
            for kind, wanted, options in steps:
                give_up = time.monotonic() + 10
                answer = None
                while answer is None or answer.kind != wanted or answer.mac != mac:
                    assert time.monotonic() < give_up, f"no answer to client {number}"
                    with contextlib.suppress(TimeoutError):
                        relay.sendto(pack_message(kind, number + 1, mac, options | more, giaddr="127.0.0.1"), server)
                        answer = unpack_message(relay.recv(2000))
                steps[1][2].update({50: socket.inet_aton(answer.yiaddr), 54: answer.options[54]})


def addresses() -> list[str]:
    """Return the address of every page that is declared, with the object that it is to show."""
    found = []
    for module in pkgutil.iter_modules(pages.__path__, pages.__name__ + "."):
        for page in importlib.import_module(module.name).PAGES.pages:
            if page.method != "GET" or page.path.endswith(_PARTS) or page.path == "/":
                continue
            query = _QUERIES.get(page.path, "")
            above, _, last = page.path.rpartition("/")
            if last in ("edit", "policy") and above in _NAMES:
                query = f"name={_NAMES[above]}"
            found.append(page.path + (f"?{query}" if query else ""))
    return found
