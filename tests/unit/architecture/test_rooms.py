"""The rooms' rules: who may import whom, what pure rooms may not touch, and how large things may grow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[3] / "src" / "tandem"
MAY_SEE = {
    "base": set(),
    "wire": {"base"},
    "config": {"base", "wire"},
    "lease": {"base", "config"},
    "dhcp": {"base", "wire", "config", "lease"},
    "failover": {"base", "wire", "config", "lease"},
    "node": {"base", "wire", "config", "lease", "dhcp", "failover"},
    "runtime": {"base", "wire", "config", "lease", "dhcp", "failover", "node"},
    "sim": {"base", "wire", "config", "lease", "dhcp", "failover", "node"},
    "cluster": {"base", "config", "wire"},
    "control": {"base", "config", "cluster"},
    "demo": {"base", "wire", "control", "cluster"},
}
PURE = ("base", "wire", "config", "lease", "dhcp", "failover", "node")
FORBIDDEN = {
    "time", "random", "secrets", "socket", "os", "asyncio", "logging", "threading", "subprocess", "datetime.now",
    "select", "signal", "sqlite3", "pathlib",
}  # fmt: skip
FILES = sorted(SRC.rglob("*.py"))


def imports_of(tree: ast.AST) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            found.append((node.lineno, node.module or ""))
            if node.module == "tandem":
                found += [(node.lineno, f"tandem.{alias.name}") for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(SRC).parts[0]
    if room.endswith(".py"):
        return  # entry points see everything
    for line, name in imports_of(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "tandem" and len(parts) > 1 and (SRC / parts[1]).is_dir():
            assert parts[1] == room or parts[1] in MAY_SEE[room], f"{path}:{line}: {room} may not look into {parts[1]}"
        elif room in PURE:
            assert parts[0] not in FORBIDDEN, f"{path}:{line}: {room} is pure and may not import {name}"


@pytest.mark.parametrize("path", [p for p in FILES if p.relative_to(SRC).parts[0] in PURE],
                         ids=lambda p: str(p.relative_to(SRC)))  # fmt: skip
def test_pure_rooms_read_no_clock_and_iterate_no_set(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("now", "utcnow", "today") or not (
                isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date")
            ), f"{path}:{node.lineno}: reads the clock"
        iterated = node.iter if isinstance(node, ast.For | ast.comprehension) else None
        if iterated is not None:
            is_set = isinstance(iterated, ast.Set | ast.SetComp) or (
                isinstance(iterated, ast.Call)
                and isinstance(iterated.func, ast.Name)
                and iterated.func.id in ("set", "frozenset")
            )
            assert not is_set, f"{path}:{iterated.lineno}: iterates over a set"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_every_module_says_what_it_is_responsible_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_there_are_no_import_cycles_between_rooms() -> None:
    order = list(MAY_SEE)
    for room, seen in MAY_SEE.items():
        if room in ("sim", "runtime", "cluster", "control", "demo"):
            continue
        assert all(order.index(other) < order.index(room) for other in seen)
