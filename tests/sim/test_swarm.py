"""A fixed set of stories in which every verdict holds, and the promise that one seed is one story."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tandem.sim import run
from tandem.sim.profiles import PROFILES
from tandem.sim.run import Scenario, tell
from tandem.sim.wires import Pipe, Wires

SEEDS = range(1, 4)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_short_story_of_each_profile(profile: str) -> None:
    scenario = Scenario(4, profile, 1.5, 30)
    outcome = tell(scenario)
    assert not outcome.verdict, f"{outcome.text}\nreplay: {scenario.command()}"
    assert outcome.promises > 50, "hardly anything happened, so nothing was proved"


@pytest.mark.slow
@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("seed", SEEDS)
def test_all_verdicts_hold(profile: str, seed: int) -> None:
    scenario = Scenario(seed, profile, 3.0, 50)
    outcome = tell(scenario)
    assert not outcome.verdict, f"{outcome.text}\nreplay: {scenario.command()}"
    assert outcome.promises > 100, "hardly anything happened, so nothing was proved"


PINNED = (
    ("mixed", 17, "an update refused as outdated was refused for good, and the books stayed different"),
    ("mixed", 20, "a lease on an address that the partner held for abandoned was refused for good"),
    ("mixed", 31, "a deferred renewal was undone by a release that the partner had heard before"),
    ("databases", 1, "leases relied on what a server with a restored database had told before"),
    ("databases", 17, "after a restored copy RECOVER-WAIT was over before it began, and a held address freed"),
    ("databases", 8, "failover-recover of an earlier copy was taken for the time of a later loss"),
    ("operator", 21, "a main that was alone promised by an MCLT that its backup did not know yet"),
    ("declines", 201, "a quarantine that ended on one server took the address from the other's new client"),
    ("crashes", 206, "the end of an old quarantine, made known late, ended a lease"),
    ("ambush", 310, "a range that the main took back, and of which the backup told just then, had two owners"),
    ("declines", 315, "a server away for long gave back a lease that was over, and its partner had given the address"),
    ("declines", 425, "a quarantine from before the lease, told late, took it, and then the address was free"),
    ("declines", 391, "the end of a quarantine that the partner had told of ended a lease"),
    ("clocks", 1795534655, "a clock that was set put an earlier release after a renewal"),
    ("databases", 83, "two servers without their data waited for each other, and neither was started"),
    ("databases", 33, "a main with an old database refused its backup's newer leases"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "seed", "was"), PINNED)
def test_what_was_found_once(profile: str, seed: int, was: str) -> None:
    outcome = tell(Scenario(seed, profile))
    assert not outcome.verdict, f"{outcome.text} (once: {was})"


def test_a_clone_that_ignores_refusals_of_a_lease_given_up_by_the_other_holds_nothing() -> None:
    outcome = tell(Scenario(1795545334, "safe-period", 1.75))
    assert not outcome.verdict and outcome.tolerated == 1, outcome.text


def test_one_seed_is_one_story_whatever_the_hash_seed() -> None:
    code = (
        "from tandem.sim.run import Scenario, tell\n"
        "for profile in ('mixed', 'bootp', 'ambush'):\n"
        "    o = tell(Scenario(7, profile, 0.4, 30))\n    print(o.digest, o.events, o.promises, o.verdict)"
    )
    lines = set()
    for hash_seed in ("1", "77"):
        ran = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        lines.add(ran.stdout)
    assert len(lines) == 1, lines


def test_another_seed_is_another_story() -> None:
    assert tell(Scenario(1, "mixed", 0.5, 20)).digest != tell(Scenario(2, "mixed", 0.5, 20)).digest


@pytest.mark.parametrize("profile", ["mixed", "network"])
def test_a_short_story_over_tls(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection that came to carry a STATE went through a handshake first, whatever cut or reset it."""
    handshakes = 0
    drawn, greeted = run.draw_settings, Wires._greeted

    def counted(self: Wires, pipe: Pipe, chunk: bytes) -> None:
        nonlocal handshakes
        handshakes += 1
        greeted(self, pipe, chunk)

    monkeypatch.setattr(run, "draw_settings", lambda *args: replace(drawn(*args), tls="required"))
    monkeypatch.setattr(Wires, "_greeted", counted)
    outcome = tell(Scenario(5, profile, 1.5, 30))
    assert not outcome.verdict, outcome.text
    assert outcome.promises > 50 and handshakes >= 4
