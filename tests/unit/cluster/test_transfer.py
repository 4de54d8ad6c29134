"""The configuration as one file: what is exported comes back through import, and nothing wrong does."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from managed import Run, open_manager, runner

from tandem.cluster.accounts import set_administrator
from tandem.cluster.manager import Manager
from tandem.cluster.transfer import MOVED
from tandem.config.schema import SECTIONS

LINES = """\
option phone-servers create 224 ip repeat=on
option-set acme create vendor-option-string=ACME*
vendor-option ring create acme 1 string
policy gold create grace-period=10m
policy gold setOption phone-servers 10.0.0.1
policy gold setVendorOption ring acme bell
client-class phones create policy-name=gold selection-criteria=voip
client 1,6,00:d0:ba:d3:bd:3b create client-class-name=phones
scope lan create 192.168.50.0 255.255.255.0 policy=gold
scope lan addRange 192.168.50.10 192.168.50.20
scope lan addReservation 192.168.50.9 1,6,00:d0:ba:d3:bd:3b
scope-policy lan setOption routers 192.168.50.1
reservation-policy 192.168.50.9 setLeaseTime 2h
scope-template t create 'ranges-expr=(create-range 2 9)'
dhcp set failover-shared-secret=geheim max-dhcp-requests=600
cluster other create 192.168.60.2 password=pw
"""


@pytest.fixture
def run(manager: Manager) -> Run:
    made = runner(manager)
    for line in LINES.splitlines():
        assert made(line)[0] == "100 Ok", made(line)
    return made


def export(run: Run) -> str:
    return "\n".join(run("export configuration")[1:])


def test_every_class_but_administrators_is_moved() -> None:
    assert set(MOVED) == set(SECTIONS) - {"admin"}


def test_what_is_exported_comes_back_the_same_and_secrets_stay(run: Run, manager: Manager) -> None:
    before, text = copy.deepcopy(manager.database.document), export(run)
    assert "geheim" not in text and '"********"' in text and text.count("\n") > 50
    assert run("import configuration file=x check=yes", file=text) == ["100 Ok", "The file changes nothing."]
    for line in ("scope lan delete", "dhcp set failover-shared-secret=anders", "policy p2 create"):
        assert run(line)[0] == "100 Ok"
    changed = run("import configuration file=x check=yes", file=text)
    assert any("p2" in line for line in changed) and "scope" in manager.database.document
    assert "p2" in manager.database.document["policy"]
    assert run("import configuration file=x", file=text)[0] == "100 Ok"
    before["dhcp"]["failover-shared-secret"] = "anders"  # a file knows no secrets: the present one stays
    assert {k: v for k, v in manager.database.document.items() if v} == {k: v for k, v in before.items() if v}
    number = manager.database.changes(1)[0].set
    assert {change.name for change in manager.database.change_set(number)} == {"lan", "p2"}, "one change set"
    assert run(f"change {number} undo")[0].startswith("10") and "p2" in manager.database.document["policy"]


def test_an_empty_cluster_takes_all_of_it(run: Run, manager: Manager, tmp_path: Path) -> None:
    text = export(run)
    other = open_manager(tmp_path / "other")
    set_administrator(other.database, "admin", "geheim", ["superuser"])
    assert runner(other)("import configuration file=x", file=text)[0] == "100 Ok"
    lost = json.loads(text)
    assert export(runner(other)) == export(run).replace(',\n    "failover-shared-secret": "********"', "").replace(
        '"failover-shared-secret": "********",\n    ', "").replace(',\n      "password": "********"', "")  # fmt: skip
    assert lost["dhcp"]["failover-shared-secret"] == "********"
    assert "admin" in other.database.document


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "310 Too few arguments - name the file"), ("x", "316 Invalid - the file is not JSON"),
        ("{}", "316 Invalid - the file is no exported configuration"),
        ('{"tandem-configuration": 1, "vpns": {}}', "316 Invalid - the file has the unknown class 'vpns'"),
        ('{"tandem-configuration": 1, "scope": 5}', "316 Invalid - scope: this is not a JSON object"),
        ('{"tandem-configuration": 1, "scope": {"a": {"addr": "10.0.0.1"}}}', "310 Too few arguments - scope a needs"),
        ('{"tandem-configuration": 1, "policy": {"a": {"grace-period": "x"}}}', "316 Invalid - policy a: grace-period"),
        ('{"tandem-configuration": 1, "admin": {}}', "316 Invalid - the file has the unknown class 'admin'"),
        ('{"tandem-configuration": 1, "dhcp": {"failover": true}}', "316 Invalid - the configuration in the file"),
    ],
)  # fmt: skip
def test_a_wrong_file_changes_nothing(run: Run, manager: Manager, text: str, said: str) -> None:
    before = copy.deepcopy(manager.database.document)
    assert run("import configuration file=x", file=text)[0].startswith(said)
    assert manager.database.document == before
