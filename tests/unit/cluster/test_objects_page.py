"""The commands on docs/objects.md work, in the order in which they stand there."""

from __future__ import annotations

from pathlib import Path

from managed import open_manager, runner

from tandem.cluster.accounts import set_administrator

PAGE = Path(__file__).parents[3] / "docs" / "objects.md"


def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    set_administrator(manager.database, "admin", "geheim", ["superuser"])
    run = runner(manager)
    lines = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    ")]
    assert len(lines) > 40
    for line in lines:
        assert run(line)[0].startswith("10"), (line, run(line))
    assert run("scope listnames 'name=branch* | selection-tag-list=*voip*'") == ["100 Ok", "branch-10.7.0.0/24", "voip"]
