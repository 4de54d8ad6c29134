"""nrcmd by itself: dates in local time, batches, what it says when nothing answers, completion."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from tandem.cluster.trust import Trust
from tandem.control import nrcmd
from tandem.control.interactive import CommandCompleter, _history, explain
from tandem.control.nrcmd import Client, Reply, run_batch, run_line, run_one, with_absolute_dates


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("server dhcp setPartnerDown h Jan 31 00:00:00 2001", "server dhcp setPartnerDown h 980917200"),
        ("dhcp setpartnerdown h July 1 12:30 2001", "dhcp setpartnerdown h 994005000"),
        ("dhcp setPartnerDown h 'Jan 31 00:00:00 2001'", "dhcp setPartnerDown h '980917200'"),
        ('dhcp set failover-recover="Jan 31 00 2001"', 'dhcp set failover-recover="980917200"'),
        ("dhcp setPartnerDown h -5m", "dhcp setPartnerDown h -5m"),
        ("dhcp setPartnerDown h Feb 31 00:00:00 2001", "dhcp setPartnerDown h Feb 31 00:00:00 2001"),
        ("dhcp setPartnerDown h Foo 31 00:00:00 2001", "dhcp setPartnerDown h Foo 31 00:00:00 2001"),
        ("policy p setOption message Jan 31 00:00:00 2001", "policy p setOption message Jan 31 00:00:00 2001"),
    ],
)
def test_dates_are_local_to_nrcmd(line: str, sent: str) -> None:
    assert with_absolute_dates(line) == sent


class FakeClient(Client):
    def __init__(self, answers: dict[str, Reply]) -> None:
        self.answers = answers
        self.lines: list[str] = []

    def command(self, line: str) -> Reply:
        self.lines.append(line)
        return self.answers.get(line, Reply(100, ["100 Ok"]))

    def request(self, method: str, path: str, body: object = None) -> Any:
        return {
            "commands": [
                {"path": ["scope", "NAME", "addRange"], "help": "Add."},
                {"path": ["scope", "listnames"], "help": "Names."},
                {"path": ["dhcp"], "help": "Show."},
                {"path": ["dhcp", "set"], "help": "Set."},
                {"path": ["dhcp", "get"], "help": "Get."},
                {"path": ["scope", "NAME", "set"], "help": "Set."},
                {"path": ["lease", "list"], "help": "List.", "arguments": [
                    argument("state", optional=True, choices=["leased", "expired"]),
                    argument("within", optional=True, names="policy"),
                ]},
                {"path": ["session", "set"], "help": "Set.", "arguments": [
                    argument("assignments", many=True, choices=["default-format=user", "default-format=json"]),
                ]},
                {"path": ["lease", "NAME", "show"], "help": "Show."},
                {"path": ["scope-policy", "NAME", "show"], "help": "Show."},
                {"path": ["policy", "NAME", "setOption"], "help": "Set.", "arguments": [argument("option", "option")]},
            ],
            "attributes": {
                "scope": {"policy": "Its policy."}, "policy": {}, "scope-policy": {}, "option": {},
                "dhcp": {"failover": "On or off.", "failover-recover": "A date.", "log-settings": "What is logged."},
            },
            "values": {"dhcp": {"failover": ["on", "off"], "log-settings": ["default", "failover-detail"]}},
            "references": {"scope": {"policy": "policy"}},
            "options": ["routers", "root-path"],
        }  # fmt: skip


def argument(name: str, kind: str = "text", optional: bool = False, many: bool = False, **more: object) -> Any:
    return {"name": name, "kind": kind, "optional": optional, "many": many, **more}


def test_a_batch_prints_prompts_skips_comments_and_goes_on_after_errors() -> None:
    client = FakeClient({"bad": Reply(306, ["306 Unknown command - 'bad'"])})
    out, err = io.StringIO(), io.StringIO()
    status = run_batch(client, ["# comment\n", "\n", "  good\n", "bad\n", "good 2\n", "quit\n", "never\n"], out, err)
    assert status == 1 and client.lines == ["good", "bad", "good 2"]
    assert out.getvalue() == "nrcmd> \n100 Ok\nnrcmd> \n306 Unknown command - 'bad'\nnrcmd> \n100 Ok\n"
    assert "line 4: bad: 306 Unknown command" in err.getvalue() and "1 of 3 commands failed" in err.getvalue()


def test_a_batch_without_errors_succeeds_silently() -> None:
    out, err = io.StringIO(), io.StringIO()
    assert run_batch(FakeClient({}), ["good\n"], out, err) == 0 and err.getvalue() == ""


@pytest.mark.parametrize("status", [401, 501])
def test_a_batch_ends_when_nothing_can_work(status: int) -> None:
    client = FakeClient({"a": Reply(status, [f"{status} no"])})
    assert run_batch(client, ["a\n", "b\n"], io.StringIO(), io.StringIO()) == 1 and client.lines == ["a"]


def test_one_command_is_taken_word_by_word_or_quoted_whole() -> None:
    client = FakeClient({"fails": Reply(302, ["302 Not Found - x"])})
    assert run_one(client, ["policy", "p", "setOption", "message", "a b"], io.StringIO()) == 0
    assert run_one(client, ["dhcp set failover=on"], io.StringIO()) == 0
    assert run_one(client, ["fails"], io.StringIO()) == 1
    assert client.lines == ["policy p setOption message 'a b'", "dhcp set failover=on", "fails"]


def nrcmd_process(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("AIC_")} | environment
    return subprocess.run(
        [sys.executable, "-m", "tandem.control.nrcmd", *args],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, env=env, check=False,
    )  # fmt: skip


def test_an_unreachable_cluster_is_501() -> None:
    done = nrcmd_process("-C", "127.0.0.1:1", "-N", "admin", "-P", "x", "dhcp", "reload")
    assert done.returncode == 1 and done.stdout.startswith("501 Connection Failure - cluster 127.0.0.1:1: ")
    assert "tandem local" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-C", "127.0.0.1", "dhcp"], "give -N and -P"),
        (["-C", "127.0.0.1:x", "-N", "a", "-P", "b", "dhcp"], "HOST:PORT"),
        (["-N", "a", "-P", "b", "-b", "/nonexistent"], "/nonexistent"),
        (["-N", "a", "-P", "b", "-b", "f", "dhcp"], "not both"),
    ],
)
def test_wrong_use_says_what_to_do(args: list[str], said: str) -> None:
    done = nrcmd_process(*args)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_one_shot_use_imports_nothing_slow() -> None:
    program = "import sys, tandem.control.nrcmd; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    slow = {"prompt_toolkit", "fastapi", "pydantic", "asyncio", "msgspec", "sqlite3", "rich"}
    assert not slow & {name.partition(".")[0] for name in modules}


@pytest.fixture
def strange_server() -> Iterator[str]:
    """A web server that is no cluster."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b"<html>" if self.server.html else json.dumps([1]).encode()  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.server.html = not self.server.html  # type: ignore[attr-defined]

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.html = False  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_no_cluster_is_said_to_be_none(strange_server: str) -> None:
    host, _, port = strange_server.partition(":")
    client = Client(host, int(port), "a", "b", Trust(plain=True))
    for _ in range(2):
        reply = client.command("dhcp")
        assert reply.status == 501 and "is not a cluster" in reply.lines[0]
    client.close()


def complete(text: str) -> list[str]:
    answers = {"scope listnames": ["alpha", "beta"], "policy listnames": ["default", "gold"],
               "option listnames": ["rock"]}  # fmt: skip
    client = FakeClient({line: Reply(100, ["100 Ok", *names]) for line, names in answers.items()})
    completer = CommandCompleter(client)
    return [c.text for c in completer.get_completions(Document(text), CompleteEvent())]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("", ["scope", "dhcp", "lease", "session", "scope-policy", "policy"]),
        ("dhcp set failover=", ["on", "off"]),
        ("server dhcp set failover=of", ["off"]),
        ("dhcp set log-settings=default,fail", ["failover-detail"]),
        ("dhcp set failover-recover=", []),
        ("scope alpha set policy=g", ["gold"]),
        ("scope alpha set po", ["policy="]),
        ("lease list st", ["state="]),
        ("lease list state=", ["leased", "expired"]),
        ("lease list state=E", ["expired"]),
        ("lease list ", ["leased", "expired", "state=", "within="]),
        ("lease list within=", ["default", "gold"]),
        ("session set ", ["default-format=user", "default-format=json"]),
        ("session set default-format=", ["user", "json"]),
        ("session set default-format=json default-format=j", ["json"]),
        ("lease list s", ["state="]),
        ("lease 10.0.0.1 s", ["show"]),
        ("scope-policy al", ["alpha"]),
        ("policy gold setOption ro", ["routers", "root-path", "rock"]),
        ("sc", ["scope", "scope-policy"]),
        ("scope ", ["listnames", "alpha", "beta"]),
        ("scope al", ["alpha"]),
        ("scope alpha ", ["addRange", "set"]),
        ("scope alpha ADD", ["addRange"]),
        ("dhcp set failover-r", ["failover-recover="]),
        ("dhcp get fail", ["failover", "failover-recover"]),
        ("server dhcp se", ["set"]),
        ("help dh", ["dhcp"]),
        ("nonsense ", []),
    ],
)
def test_completion(text: str, offered: list[str]) -> None:
    assert complete(text) == offered


def test_a_question_mark_explains_the_command_that_a_line_begins() -> None:
    refusal = Reply(306, ["306 Unknown command"])
    client = FakeClient({"help dhcp set failover": refusal, "help dhcp set": Reply(100, ["100 Ok", "Set attributes."])})
    assert explain(client, "dhcp set failover ") == ["Set attributes."]
    assert client.lines == ["help dhcp set failover", "help dhcp set"]


def test_files_are_read_and_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def ask(self: Client, line: str, session: dict[str, str], file: str = "") -> Reply:
        asked.append((line, file))
        return Reply(100, ["100 Ok", "{", "}"])

    monkeypatch.setattr(Client, "_ask", ask)
    client = Client("127.0.0.1", 1, "a", "b", Trust(plain=True))
    path = tmp_path / "site.json"
    assert client.command(f"export configuration file={path}").lines == ["100 Ok", f"written to {path}"]
    assert path.read_text() == "{\n}\n" and path.stat().st_mode & 0o77 == 0
    assert client.command(f"import configuration 'file={path}'").ok and asked[-1][1] == "{\n}\n"
    assert client.command("import configuration file=/nowhere/x").lines[0].startswith("302 Not Found - /nowhere/x")
    assert client.command("policy p set packet-file-name=file=x").ok and asked[-1] == (
        "policy p set packet-file-name=file=x", ""
    )  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (["it's", "it's"], ["""admin bob enterPassword 'it'"'"'s'"""]),
        (["one", "two"], ["316 Invalid - the two passwords differ; nothing was changed"]),
        ([], ["310 Too few arguments - no password was given; nothing was changed"]),
    ],
)
def test_a_password_is_asked_for_twice_at_a_terminal(
    typed: list[str], sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(prompt: str) -> str:
        if not typed:
            raise EOFError
        return typed.pop(0)

    client = FakeClient({})
    monkeypatch.setattr("getpass.getpass", ask)
    assert run_line(client, "admin bob enterPassword") is not None and client.lines == ["admin bob enterPassword"]
    client.lines.clear()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    reply = run_line(client, "admin bob enterPassword")
    assert (client.lines or reply.lines) == sent


def test_what_may_be_a_password_is_not_in_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    history = _history()
    for line in ("scope list", "admin bob create geheim", "admin bob enterPassword geheim",
                 "dhcp set failover-shared-secret=geheim", "failover-pair p set remote-password=geheim"):  # fmt: skip
        history.append_string(line)
    written = (tmp_path / "nrcmd-history").read_text()
    assert "scope list" in written and "geheim" not in written


def test_an_idle_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch, strange_server: str) -> None:
    host, _, port = strange_server.partition(":")
    client = Client(host, int(port), "a", "b", Trust(plain=True))
    client.command("a")
    monkeypatch.setattr(nrcmd, "_IDLE_S_MAX", -1.0)
    assert "is not a cluster" in client.command("b").lines[0]
    client.close()
