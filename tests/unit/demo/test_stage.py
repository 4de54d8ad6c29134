"""What is asked of a demonstration's socket: an order, or a clear word about what is none."""

from __future__ import annotations

import asyncio

import pytest

from tandem.demo.stage import _order


def read(data: bytes) -> tuple[str, str]:
    async def feed() -> tuple[str, str]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await _order(reader)

    return asyncio.run(feed())


def test_an_order_or_only_how_things_are() -> None:
    assert read(b'{"do": "cut"}\n') == ("cut", "")
    assert read(b"") == read(b"{}\n") == ("", "")


NONE = [b"[]\n", b"7\n", b"no json\n", b"\xff\n", b"[" * 60_000 + b"\n", b"x" * 200_000 + b"\n"]


@pytest.mark.parametrize("line", NONE)
def test_anything_else_is_answered(line: bytes) -> None:
    wanted, error = read(line)
    assert wanted == "" and "one JSON object" in error
