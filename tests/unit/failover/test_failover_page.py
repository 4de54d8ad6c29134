"""docs/failover.md shows the decision table that the servers run by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_page_shows_the_table_that_runs() -> None:
    drawn = subprocess.run(
        [sys.executable, ROOT / "scripts" / "state-diagram"], capture_output=True, text=True, check=True
    ).stdout
    page = (ROOT / "docs" / "failover.md").read_text()
    assert page.endswith(drawn), "run: scripts/state-diagram and put its output at the end of docs/failover.md"
