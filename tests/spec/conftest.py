"""Makes ``play`` (conversations with the DHCP service) and ``pair`` (two servers in virtual time) importable."""

import sys
from pathlib import Path

TESTS = next(p for p in Path(__file__).parents if p.name == "tests")
sys.path[:0] = [str(TESTS / "play"), str(TESTS / "scripts")]
