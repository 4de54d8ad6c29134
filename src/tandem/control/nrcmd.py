"""nrcmd: the command line of a cluster, for one command, for a file of them, or interactive.

It knows no command: each line goes to the cluster, which knows the grammar (``cluster.registry``). Two things
belong here because only this process knows them: the session's settings, and the local time in which the
operator writes dates. Starts fast: nothing but the standard library is imported unless the use is interactive.

Source: reference "commands and attributes" sections 1.1 to 1.5; SYSTEM S4.9, S7.1.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import http.client
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TextIO

from tandem.cluster.trust import Trust, Untrusted

DEFAULT_PORT = 1234
_TIMEOUT_S = 120.0
_IDLE_S_MAX = 2.0
"""A connection idle for longer is not used again: the cluster may be about to close it."""
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DATE = re.compile(r"([A-Za-z]{3,9})\s+(\d{1,2})\s+(\d{1,2})(?::(\d\d))?(?::(\d\d))?\s+(\d{4})")
_FATAL = (401, 501)
"""After these statuses no later line of a batch can do better."""


@dataclass(slots=True)
class Reply:
    """The cluster's answer to one command."""

    status: int
    lines: list[str]

    @property
    def ok(self) -> bool:
        """Whether the command did what it was told."""
        return self.status < 300


class Client:
    """A login on one cluster."""

    def __init__(self, host: str, port: int, user: str, password: str, trust: Trust) -> None:
        """Raises Untrusted when ``trust`` cannot be applied."""
        self.cluster = f"{host}:{port}"
        self._plain = trust.plain
        self._connection = trust.connection(host, port, _TIMEOUT_S)
        self._used = 0.0
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(),
            "Content-Type": "application/json",
        }
        self._session: dict[str, str] = {}

    def command(self, line: str) -> Reply:
        """Run one command line. Failures to reach the cluster are replies with status 501.

        Files are this process's: ``import ... file=F`` sends what F holds, ``export ... file=F`` writes to F.
        """
        verb, path = file_of(line)
        if path is None:
            return self._ask(line, self._session)
        try:
            if verb == "import":
                with open(path, encoding="utf-8") as source:
                    return self._ask(line, self._session, source.read())
            reply = self._ask(line, {**self._session, "default-format": "user"})
            if reply.ok:
                with open(path, "w", encoding="utf-8", opener=_private) as out:
                    out.write("\n".join(reply.lines[1:]) + "\n")
                reply.lines[1:] = [f"written to {path}"]
            return reply
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else f"it is no text in UTF-8 ({error})"
            return Reply(302, [f"302 Not Found - {path}: {why}; write another file=, or mend that one"])

    def _ask(self, line: str, session: dict[str, str], file: str = "") -> Reply:
        body = {
            "line": with_absolute_dates(line),
            "session": session,
            "file": file,
            "utc_offset_s": time.localtime().tm_gmtoff,
        }
        try:
            answer = self.request("POST", "/api/v1/command", body)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Reply(501, [self._unreachable(error)])
        if not isinstance(answer, dict) or "lines" not in answer:
            return Reply(501, [f"501 Connection Failure - what answers at {self.cluster} is not a cluster"])
        if session is self._session:
            self._session = answer.get("session", self._session)
        return Reply(answer["status"], answer["lines"])

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Return the decoded JSON answer, or None when it is not JSON. Raises OSError, HTTPException."""
        if time.monotonic() - self._used > _IDLE_S_MAX:
            self._connection.close()
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        data = self._connection.getresponse().read()
        self._used = time.monotonic()
        try:
            return json.loads(data)
        except ValueError:
            return None

    def close(self) -> None:
        """Close the connection; a later command opens a new one."""
        self._connection.close()

    def _unreachable(self, error: Exception) -> str:
        if isinstance(error, Untrusted):
            what = str(error)
        elif isinstance(error, ConnectionError | http.client.HTTPException) and self._used:
            what = "the connection was lost; whether the command was carried out is not known"
        elif isinstance(error, TimeoutError):
            what = f"no answer within {_TIMEOUT_S:g} s; whether the command was carried out is not known"
        else:
            why = (isinstance(error, OSError) and error.strerror) or error
            what = f"{why}; is 'tandem local' running there, and is the port right?"
        if self._plain:
            what += f" If it serves TLS, write -C {self.cluster}"
        return f"501 Connection Failure - cluster {self.cluster}: {what}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def file_of(line: str) -> tuple[str, str | None]:
    """Return the first word of a line, and the file that it names with ``file=`` if it exports, imports or reports."""
    try:
        words = shlex.split(line)
    except ValueError:
        return "", None  # the cluster says what is wrong with it
    verb = words[0].lower() if words else ""
    found = [word[5:] for word in words if word.startswith("file=") and len(word) > 5]
    if [word.lower() for word in words[:2]] == ["export", "leases"] and len(words) == 4:
        found = found or words[3:]
    return verb, found[0] if found and verb in ("export", "import", "report") else None


def with_absolute_dates(line: str) -> str:
    """Return ``line`` with the dates that it may hold, written in local time, as seconds since 1970.

    Only in ``setPartnerDown`` and for attributes named ``...-recover``; all else is left as it is.
    """
    lowered = line.lower()
    if "setpartnerdown" not in lowered and "-recover" not in lowered:
        return line

    def convert(match: re.Match[str]) -> str:
        month = match[1][:3].lower()
        if month not in _MONTHS:
            return match[0]
        day, hour, minute, second, year = (int(match[i] or 0) for i in (2, 3, 4, 5, 6))
        epoch = int(time.mktime((year, _MONTHS.index(month) + 1, day, hour, minute, second, 0, 1, -1)))
        back = time.localtime(epoch)
        if (back.tm_mon, back.tm_mday) != (_MONTHS.index(month) + 1, day):
            return match[0]  # 31 February: the cluster says that it is no date
        return str(epoch)

    return _DATE.sub(convert, line)


def run_batch(client: Client, source: Iterable[str], out: TextIO, err: TextIO, prompt: str = "nrcmd> ") -> int:
    """Run each line of ``source``; return 0, or 1 if a command failed, after saying on ``err`` which."""
    failed: list[str] = []
    count = 0
    for number, raw in enumerate(source, 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.lower() in ("exit", "quit"):
            break
        count += 1
        reply = client.command(line)
        print(prompt, *reply.lines, sep="\n", file=out, flush=True)
        if not reply.ok:
            failed.append(f"nrcmd: line {number}: {line}: {reply.lines[0]}")
            if reply.status in _FATAL:
                failed.append("nrcmd: the rest was not tried")
                break
    if failed:
        print(*failed, sep="\n", file=err)
        print(f"nrcmd: {sum(': line' in f for f in failed)} of {count} commands failed", file=err)
    return 1 if failed else 0


def run_line(client: Client, line: str) -> Reply:
    """Run one line; the password that ``enterPassword`` lacks is asked for at the terminal."""
    if line.split()[-1:] and line.split()[-1].lower() == "enterpassword" and sys.stdin.isatty():
        try:
            password, again = getpass.getpass("password: "), getpass.getpass("verify password: ")
        except (EOFError, KeyboardInterrupt):
            return Reply(310, ["310 Too few arguments - no password was given; nothing was changed"])
        if password != again:
            return Reply(316, ["316 Invalid - the two passwords differ; nothing was changed"])
        line = f"{line} {shlex.quote(password)}"
    return client.command(line)


def run_one(client: Client, words: list[str], out: TextIO) -> int:
    """Run the command that the shell handed over as ``words`` (or as one quoted word)."""
    reply = run_line(client, words[0] if len(words) == 1 else shlex.join(words))
    print(*reply.lines, sep="\n", file=out)
    return 0 if reply.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nrcmd",
        description="The command line of a cluster. Interactive without COMMAND and -b; 'help' lists the commands.",
        epilog="Environment: AIC_CLUSTER, AIC_NAME, AIC_PASSWORD stand for -C, -N, -P. Prefer AIC_PASSWORD to -P, "
        "which other users of this machine can see. What is missing is asked for. "
        "A cluster's certificate is remembered the first time (~/.config/tandem/known-clusters, or AIC_KNOWN_CLUSTERS) "
        "and must be the same from then on, unless --accept says otherwise; "
        "AIC_FINGERPRINT and AIC_CA stand for --fingerprint and --ca. "
        "Exit status: 0, or 1 when a command failed.",
    )
    parser.add_argument(
        "-C",
        metavar="HOST[:PORT]",
        help="the cluster (default localhost, port 1234); http://HOST[:PORT] where it was started with --no-tls",
    )
    parser.add_argument("--fingerprint", metavar="F", help="SHA-256 fingerprint that its certificate must have")
    parser.add_argument(
        "--accept",
        metavar="F",
        help="remember the cluster by its new certificate, whose fingerprint is F; nothing else is done",
    )
    parser.add_argument("--ca", metavar="FILE", help="certificates (PEM) of those who may have signed its certificate")
    parser.add_argument("-N", metavar="USER", help="administrator's name")
    parser.add_argument(
        "-P",
        metavar="PASSWORD",
        help="administrator's password; one that begins with - is written next to it: -P-secret",
    )
    parser.add_argument("-b", metavar="FILE", help="run the commands in FILE, one a line (- for standard input)")
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="run this one command")
    return parser


class _Wrong(Exception):
    """What is wrong with how nrcmd was called."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the cluster is."""

    host: str
    port: int
    plain: bool
    """Whether it does not speak TLS."""


def _place(args: argparse.Namespace) -> _Place:
    """Return where the cluster is. Raises _Wrong."""
    cluster = args.C or os.environ.get("AIC_CLUSTER") or "localhost"
    host, colon, port = cluster.removeprefix("http://").removeprefix("https://").rstrip("/").partition(":")
    if not host or (colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise _Wrong(f"{cluster!r} is not a cluster: write HOST or HOST:PORT")
    return _Place(host, int(port) if colon else DEFAULT_PORT, cluster.startswith("http://"))


def accept(args: argparse.Namespace, out: TextIO) -> int:
    """Remember the cluster by the certificate that it shows now, if that has the fingerprint that is given.

    Raises _Wrong, OSError.
    """
    if args.b or args.command:
        raise _Wrong("--accept runs no command; give the command alone, next")
    place = _place(args)
    cluster = f"{place.host}:{place.port}"
    connection = Trust(args.accept).connection(place.host, place.port, _TIMEOUT_S)
    try:
        connection.connect()
    except OSError as error:
        raise _Wrong(f"cluster {cluster}: {error}; nothing was changed") from None
    connection.close()
    print(f"{cluster} is known by {args.accept} from now on, {Trust().remember(cluster, args.accept)}", file=out)
    return 0


def _login(args: argparse.Namespace) -> Client:
    """Return the client. Raises _Wrong with what is missing."""
    place = _place(args)
    user = args.N or os.environ.get("AIC_NAME")
    password = args.P or os.environ.get("AIC_PASSWORD")
    if (user is None or password is None) and not sys.stdin.isatty():
        raise _Wrong("name and password are needed: give -N and -P, or set AIC_NAME and AIC_PASSWORD")
    if user is None:
        user = input("username: ")
    if password is None:
        password = getpass.getpass("password: ")
    pinned = args.fingerprint or os.environ.get("AIC_FINGERPRINT") or ""
    authority = args.ca or ("" if pinned else os.environ.get("AIC_CA")) or ""
    if pinned and authority:
        raise _Wrong("give either --fingerprint or --ca, not both")
    try:
        return Client(place.host, place.port, user, password, Trust(pinned, authority, place.plain))
    except Untrusted as error:
        raise _Wrong(str(error)) from None


def main(argv: list[str] | None = None) -> int:
    """Run nrcmd; return its exit status."""
    args = _parser().parse_args(argv)
    try:
        if args.accept:
            return accept(args, sys.stdout)
        if args.b and args.command:
            raise _Wrong("give either -b FILE or a command, not both")
        client = _login(args)
        if args.command:
            return run_one(client, args.command, sys.stdout)
        if args.b and args.b != "-":
            with open(args.b, encoding="utf-8") as source:
                return run_batch(client, source, sys.stdout, sys.stderr)
        if args.b or not sys.stdin.isatty():
            return run_batch(client, sys.stdin, sys.stdout, sys.stderr)
        from tandem.control.interactive import run_interactive

        return run_interactive(client)
    except _Wrong as error:
        print(f"nrcmd: {error}", file=sys.stderr)
        return 2
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"no text in UTF-8: {error}"
        print(f"nrcmd: {args.b or 'standard output'}: {why}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
