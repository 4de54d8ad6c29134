"""Rehearsals: an operator's own configuration, what happens to it, and who is refused."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tandem.cluster.transfer import imported
from tandem.sim.command import main
from tandem.sim.mishap import parse_mishap
from tandem.sim.rehearsal import Rehearsal, loads_of
from tandem.sim.site import SiteError, make_site

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "examples" / "site.json"
DIES = "main dies at 09:00 for 2 hours"


def site(**dhcp: object) -> dict[str, Any]:
    return {
        "tandem-configuration": 1,
        "dhcp": {
            "failover": True,
            "failover-main-server": "10.0.0.2",
            "failover-backup-server": "10.0.0.3",
            "failover-maximum-client-lead-time": 1200,
            "failover-poll-interval": 30,
            **dhcp,
        },
        "policy": {"default": {"options": {"dhcp-lease-time": "3600"}}},
        "scope": {"lab": {"addr": "10.1.0.0", "mask": "255.255.255.0", "ranges": [["10.1.0.10", "10.1.0.49"]]}},
    }


def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, *words: str) -> tuple[int, str, str]:
    file = tmp_path / "site.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    status = main(["--config", str(file), *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_example_in_the_docs_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "simulator.md").read_text()
    block = text.split("```console\n")[1].split("```")[0]
    command, printed = block.split("\n", 1)
    words = shlex.split(command.removeprefix("$ "))
    assert words[:2] == ["tandem", "sim"]
    main([str(EXAMPLE) if word == "site.json" else word for word in words[2:]])
    assert capsys.readouterr().out == printed


def test_the_example_is_an_exported_configuration() -> None:
    assert imported(EXAMPLE.read_text(), {})["dhcp"]["failover"] is True


class Load:
    def leased_pct(self, scopes: Sequence[str]) -> float:
        return 70.0

    def arrivals(self, scopes: Sequence[str]) -> float | None:
        return None


@pytest.mark.parametrize("lease_s", [300, 3600])
def test_as_many_addresses_are_leased_as_asked_for_also_in_a_small_scope(lease_s: int) -> None:
    document = site()
    document["policy"]["default"]["options"]["dhcp-lease-time"] = str(lease_s)
    document["scope"]["lab"]["ranges"] = [["10.1.0.10", "10.1.0.29"]]
    made = make_site(document, [])
    for seed in (1, 2, 3):
        outcome = Rehearsal(made, [parse_mishap(DIES)], loads_of(made, Load()), seed).run()
        size, leased = outcome.leased["lab"]
        assert (size, outcome.verdict) == (20, "") and abs(leased - 14) <= 1


def test_clients_with_a_reservation_take_part_and_get_their_address() -> None:
    document = site()
    document["scope"]["lab"]["reservations"] = [
        {"address": "10.1.0.15", "key": "1,6,00:11:22:33:44:55"}, {"address": "10.1.0.200", "key": "id:00:aa:bb"},
    ]  # fmt: skip
    made = make_site(document, [])
    rehearsal = Rehearsal(made, [parse_mishap(DIES)], loads_of(made, Load()), 1)
    assert rehearsal.run().verdict == ""
    hosts = {grant.hardware: grant for grant in rehearsal.watch.grants if grant.address in (0x0A01000F, 0x0A0100C8)}
    assert {grant.address for grant in hosts.values()} == {0x0A01000F, 0x0A0100C8}
    renewed = [g for g in rehearsal.watch.grants if g.hardware in hosts and g.when > rehearsal.outcome.first]
    assert renewed and all(grant.renewed for grant in renewed), "the backup extends what the main gave"


def test_a_small_share_refuses_clients_and_says_whom_when_where_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--what", DIES, "--leased", "60", "--arrivals", "lab=8", "--json")
    status, out, _ = told(tmp_path, capsys, site(**{"failover-backup-percentage": 10}), *words)
    data = json.loads(out)
    assert status == 3 and data["safety"] == "held"
    (group,) = data["refused"]
    assert (group["segment"], group["what"]) == ("lab", "got no address")
    assert "09:00" < group["first"] <= group["last"] < "11:01"
    assert group["why"]["main"] == "does not run" and "none of 40 is available" in group["why"]["backup"]
    assert data["refused-clients"] == len({r["client"] for r in data["refusals"]}) == group["clients"] > 2
    (lasted,) = [s for s in data["shares"] if s["server"] == "backup"]
    assert lasted["least"] == 0 and 0 < lasted["lasted-s"] < 7200
    during = next(d for d in data["leases"] if (d["phase"], d["server"]) == ("during", "backup"))
    assert during["renewed"] > 0 and during["shortest-new-s"] == 1200
    other = told(tmp_path, capsys, site(**{"failover-backup-percentage": 10}), *words, "--seed", "2")[1]
    assert json.loads(other)["refusals"] != data["refusals"]


def test_a_generous_share_refuses_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generous = site(**{"failover-backup-percentage": 50})
    status, out, _ = told(tmp_path, capsys, generous, "--what", DIES, "--leased", "30", "--arrivals", "2")
    assert status == 0 and "Nobody was refused." in out and "all lasted" in out


@pytest.mark.parametrize(("mclt_s", "refused"), [(86400, True), (600, False)])
def test_with_the_partner_set_down_the_mclt_decides(
    mclt_s: int, refused: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = told(
        tmp_path, capsys, site(**{"failover-maximum-client-lead-time": mclt_s}), "--what", DIES,
        "--what", "main is set down at 09:01", "--leased", "50", "--arrivals", "8", "--json",
    )  # fmt: skip
    late = [group for group in json.loads(out)["refused"] if group["last"] > "09:20"]
    assert bool(late) is refused
    assert not refused or "PARTNER-DOWN" in late[0]["why"]["backup"]


def test_a_partner_set_down_wrongly_gives_two_holders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(
        tmp_path, capsys, site(**{"failover-maximum-client-lead-time": 300}), "--what", "link is cut at 9:00 for 2h",
        "--what", "main is set down at 09:05", "--arrivals", "12",
    )  # fmt: skip
    assert "addresses had two holders, which no protocol can prevent here (main was set down while it ran)" in out


def test_a_relay_that_reaches_only_the_backup_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(
        tmp_path, capsys, site(), "--what", "main loses its clients at 12:00 for 40 min", "--arrivals", "9"
    )
    assert status == 3 and "main: is not reached by its clients" in out
    assert "backup: Left to the partner: failover is in NORMAL state" in out


def test_several_pairs_secondary_scopes_and_what_has_no_failover() -> None:
    document = site()
    document["scope"] |= {
        "lab2": {"addr": "10.2.0.0", "mask": "255.255.0.0", "primary-subnet": "10.1.0.0/24",
                 "ranges": [["10.2.0.10", "10.2.0.20"]]},
        "branch": {"addr": "10.3.0.0", "mask": "255.255.255.0", "ranges": [["10.3.0.10", "10.3.0.20"]],
                   "failover": "scope-enabled", "failover-main-server": "10.0.0.4",
                   "failover-backup-server": "10.0.0.3"},
        "alone": {"addr": "10.4.0.0", "mask": "255.255.255.0", "failover": "scope-disabled"},
    }  # fmt: skip
    made = make_site(document, [])
    assert [(s.name, s.addresses) for s in made.subnets] == [("lab", 51), ("branch", 11)]
    assert made.pairs() == [(0x0A000002, 0x0A000003), (0x0A000004, 0x0A000003)]
    assert len(made.configs[0x0A000003].endpoints) == 2 and made.name_of(0x0A000003) == "10.0.0.3"
    assert made.net_of(0x0A02000B) == 0x0A010000 and made.net_of(0x0A090000) == 0
    assert made.notes == ["left away, as they have no failover: alone"]
    assert [s.name for s in make_site(document, ["lab2"]).subnets] == ["lab"]


@pytest.mark.parametrize(("text", "verb", "server", "at_s", "lasts_s"), [
    ("main dies at 09:00 for 3 hours", "dies", "main", 32400, 10800),
    ("The backup  shuts down at 9:30 for 1h30m", "shuts down", "backup", 34200, 5400),
    ("10.0.0.3 loses its database at 23:59:30 for 2 days", "loses its database", "10.0.0.3", 86370, 172800),
    ("the link is cut at 00:00 for 1 hour and 5 minutes", "link is cut", "", 0, 3900),
    ("main is set down at 09:10", "is set down", "main", 33000, 0),
])  # fmt: skip
def test_what_can_be_said(text: str, verb: str, server: str, at_s: int, lasts_s: int) -> None:
    mishap = parse_mishap(text)
    assert (mishap.verb, mishap.server, mishap.at_s, mishap.lasts_s) == (verb, server, at_s, lasts_s)


@pytest.mark.parametrize(("words", "says"), [
    (["--what", "oh no"], "is not understood; write SERVER VERB at HH:MM for DURATION"),
    (["--what", "main explodes at 09:00 for 1h"], "write one of: dies, stops"),
    (["--what", "dies at 09:00 for 1h"], "write one of: dies, stops"),
    (["--what", "main dies at 24:00 for 1h"], "24:00 is no time of day"),
    (["--what", "main dies at 09:00"], "say for how long"),
    (["--what", "main dies at 09:00 for a while"], "write e.g. '3 hours'"),
    (["--what", "main dies at 09:00 for 31 days"], "write a second to 30 days"),
    (["--what", "main is set down at 09:00 for 1h"], "leave 'for 1h' out"),
    (["--what", "third dies at 09:00 for 1h"], "there is no server third; write one of: main, 10.0.0.2, backup"),
    (["--what", DIES, "--leased", "101"], "write a number from 0 to 100"),
    (["--what", DIES, "--arrivals", "hall=3"], "there is no scope hall; there are lab"),
    (["--what", DIES, "--scope", "hall"], "has no scope hall; it has lab"),
])  # fmt: skip
def test_what_is_wrong_is_said(words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = told(tmp_path, capsys, site(), *words)
    assert status == 2 and not out and says in err


@pytest.mark.parametrize(("content", "says"), [
    ("{", "is not JSON"), ("[1]", "is no configuration"), ("[" * 99999, "is not JSON"),
    ("{}", "has no scope with failover"),
    ({"dhcp": 3}, "dhcp: this is not a JSON object"), ({"scope": {"a": 3}}, "scope: this is not a JSON object"),
    ({**site(), "scope": {"lab": {"addr": "10.1.0.0", "mask": "255.0.255.0"}}}, "mask"),
    ({**site(), "scope": {"lab": {"addr": 7, "mask": []}}}, "mend this"),
    (site(**{"failover-main-server": "here"}), "mend this"),
    (site(**{"failover-maximum-client-lead-time": -5}), "failover-maximum-client-lead-time"),
])  # fmt: skip
def test_a_bad_file_is_told_what_to_do(
    content: object, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = told(tmp_path, capsys, content, "--what", DIES)
    assert status == 2 and not out and says in err


def test_no_such_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", "/nowhere/site.json", "--what", DIES]) == 2
    assert "write it with 'nrcmd export configuration file=" in capsys.readouterr().err


def test_random_documents_make_a_site_or_a_site_error() -> None:
    for value in (None, 1, "x", [], {}, {"lab": None}, {"lab": {"failover": 1}}, {"lab": {"primary-subnet": {}}}):
        for name in ("dhcp", "scope", "policy", "client"):
            with suppress(SiteError):
                make_site({**site(), name: value}, [])
