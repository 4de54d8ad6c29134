"""docs/attributes-left-out.md: each attribute of the reference is declared, or stands there with the reason."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tandem.config.schema import CLASSES

ROOT = Path(__file__).parents[3]
_ROW = re.compile(r"\| ([a-z-]+) \| ([a-z0-9, -]+) \| (.+) \|")


def test_every_attribute_of_the_reference_is_declared_or_left_out_with_a_reason() -> None:
    lines = (ROOT / "tests" / "data" / "reference-attributes.txt").read_text().splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    wanted = {(cls, name) for cls, *names in words for name in names}
    rows = _ROW.findall((ROOT / "docs" / "attributes-left-out.md").read_text())
    left_out = Counter((cls, name) for cls, names, why in rows if cls != "class" for name in names.split(", "))
    declared = {(cls.name, name) for cls in CLASSES.values() for name in cls.by_name}
    assert wanted - declared == set(left_out)
    assert set(left_out.values()) == {1}
