"""The guide's commands, block by block as they stand there, on a real pair: each works, and leads where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.live.lab import BACKUP, MAIN, PASSWORD, Lab
from tests.live.netns import wait_for

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()


def blocks() -> list[tuple[str, str, str]]:
    """Return (heading, on which server, commands) of every block, in order."""
    found = []
    for section in re.split(r"^## ", GUIDE, flags=re.M)[1:]:
        heading = section.partition("\n")[0]
        found += [(heading, *block) for block in re.findall(r"^```nrcmd (\w+)\n(.*?)^```", section, re.M | re.S)]
    return found


def test_the_first_pair_as_the_guide_has_it(lab: Lab) -> None:
    assert (MAIN, BACKUP) == ("192.168.50.2", "192.168.50.3"), "the guide's addresses"
    lab.main.start()
    lab.backup.start()
    done = []
    for heading, where, commands in blocks():
        if heading.startswith("Losing"):
            lab.main.kill()
            wait_for("the backup noticed", lambda: lab.backup.state == "COMMUNICATIONS-INTERRUPTED", 90)
        for server in {"main": [lab.main], "backup": [lab.backup], "both": [lab.main, lab.backup]}[where]:
            if where == "both":
                lab.both_normal()
            server.nrcmd(commands.replace("SECRET", PASSWORD))
        done.append((heading, where))
        if "reload -preview" in commands:
            wait_for("the main serves alone", lambda: lab.main.state == "PARTNER-DOWN", 30)
    assert len(done) == 6 and lab.backup.state == "PARTNER-DOWN"
    lab.main.start()
    lab.both_normal()
    lab.books_equal()
