"""The control socket: questions and answers, refusals that say what to do, long paths."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tandem.base.errors import CommandError
from tandem.runtime import control as control_module
from tandem.runtime.control import Control


async def _echo(args: dict[str, object]) -> object:
    return args


async def _refuse(args: dict[str, object]) -> object:
    raise CommandError(302, "there is none; make one")


def with_socket(path: Path, play: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
    async def run() -> None:
        control = Control(path, {"echo": _echo, "refuse": _refuse})
        await control.listen()
        directory = os.open(path.parent, os.O_RDONLY)
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/{path.name}")
        await asyncio.wait_for(play(reader, writer), 5)
        writer.close()
        os.close(directory)
        await control.close()
        assert not path.exists()

    asyncio.run(run())


def ask(path: Path, *lines: bytes) -> list[dict[str, object]]:
    answers: list[dict[str, object]] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line + b"\n")
            answers.append(json.loads(await reader.readline()))

    with_socket(path, play)
    return answers


def test_answers_carry_the_number_of_their_question(tmp_path: Path) -> None:
    one = b'{"id": 1, "op": "echo", "args": {"a": [1, "x"]}}'
    two = b'{"op": "refuse", "id": "b"}'
    assert ask(tmp_path / "s", one, two, one) == [
        {"id": 1, "ok": {"a": [1, "x"]}},
        {"id": "b", "error": {"status": 302, "text": "there is none; make one"}},
        {"id": 1, "ok": {"a": [1, "x"]}},
    ]


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        (b"", 316, "not a question"),
        (b"{", 316, "not a question"),
        (b"\xff\xfe", 316, "not a question"),
        (b"[]", 316, "not a question"),
        (b'{"id": 1}', 316, "not a question"),
        (b'{"id": 1, "op": "echo", "args": 5}', 316, "not a question"),
        (b'{"id": 1, "op": "nonsense"}', 310, "there are: echo, refuse"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_the_connection_goes_on(
    tmp_path: Path, line: bytes, status: int, text: str
) -> None:
    first, second = ask(tmp_path / "s", line, b'{"id": 2, "op": "echo"}')
    error = first["error"]
    assert isinstance(error, dict) and error["status"] == status and text in error["text"]
    assert second == {"id": 2, "ok": {}}


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_LINE_BYTES_MAX", 10_000)
    answers = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 30_000)
        answers.append(json.loads(await reader.readline()))
        assert await reader.read() == b""

    with_socket(tmp_path / "s", play)
    assert "longer than 10000 bytes" in answers[0]["error"]["text"]


def test_only_the_user_may_connect_and_a_left_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("left")

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    with_socket(path, play)


def test_a_path_too_long_for_a_socket_works_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    assert ask(deep / "control.sock", b'{"id": 1, "op": "echo"}') == [{"id": 1, "ok": {}}]
