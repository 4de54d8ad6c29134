"""Log files: the last wanted lines, pages backwards that lose and repeat nothing, and what is new."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.errors import CommandError
from tandem.cluster import logs
from tandem.cluster.logs import Filter, read_new, read_page

ALL = Filter()


def write(path: Path, numbers: range, width: int = 60) -> None:
    with open(path, "a") as file:
        for n in numbers:
            level, component = ("Warning", "Failover") if n % 10 == 0 else ("Info", "Protocol")
            file.write(f"11/24/2026 9:00:{n % 60:02} main/dhcp/1 {level} {component} 0 05001 line {n} {'x' * width}\n")


def numbers(lines: list[logs.Line]) -> list[int]:
    return [int(line.text.split()[1]) for line in lines]


@pytest.mark.parametrize(
    "wanted", [ALL, Filter.of("warning", "", ""), Filter.of("", "Failover", ""), Filter("", "", "0 xx")]
)
def test_pages_backwards_give_every_wanted_line_once(tmp_path: Path, wanted: Filter) -> None:
    path = tmp_path / "log"
    write(path, range(3000))
    seen: list[int] = []
    before: int | None = None
    while before != 0:
        page = read_page(path, wanted, 37, before)
        assert len(page.lines) == 37 or page.before == 0
        seen = numbers(page.lines) + seen
        before = page.before
    assert seen == [n for n in range(3000) if wanted == ALL or n % 10 == 0]


def test_a_search_looks_through_a_bounded_part_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SCAN_MAX", 1)
    path = tmp_path / "log"
    write(path, range(2000))
    page = read_page(path, Filter.of("", "", "line 0 "), 5)
    assert page.lines == [] and page.before > 0
    for _ in range(100):
        if not page.before:
            break
        page = read_page(path, Filter.of("", "", "line 0 "), 5, page.before)
    assert numbers(page.lines) == [0]


def test_what_is_new_comes_once_in_whole_lines_and_after_the_file_was_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, range(5))
    end = read_page(path, ALL, 1).end
    assert read_new(path, ALL, end) == ([], end)
    write(path, range(5, 8))
    with open(path, "a") as file:
        file.write("half a li")
    lines, end = read_new(path, ALL, end)
    assert numbers(lines) == [5, 6, 7]
    with open(path, "a") as file:
        file.write("ne\n")
    lines, end = read_new(path, ALL, end)
    assert [line.text for line in lines] == ["half a line"]
    path.rename(tmp_path / "log.1")
    write(path, range(100, 102))
    assert numbers(read_new(path, ALL, end)[0]) == [100, 101]


def test_no_file_and_no_such_level(tmp_path: Path) -> None:
    assert read_page(tmp_path / "none", ALL, 5).lines == [] and read_new(tmp_path / "none", ALL, 99) == ([], 0)
    with pytest.raises(CommandError, match="Error, Warning, Info, Activity"):
        Filter.of("loud", "", "")
