"""Who is at the door: passwords, browser sessions, API tokens, and the lock after too many failures.

Sessions and locks live in memory: a restart ends both. Passwords that were right are remembered for a minute, so
that a script of many commands pays for one check. Everything here is bounded. Does not know HTTP.

Source: SYSTEM S7.4.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tandem.base.errors import CommandError
from tandem.cluster.accounts import check_password, hash_password, password_hash, roles_of
from tandem.cluster.database import Database, Token
from tandem.cluster.log import ClusterLog
from tandem.cluster.registry import Login
from tandem.config.access import allows

K = TypeVar("K")
V = TypeVar("V")
VERIFIED_S = 60.0
FAILURES_OF_ACCOUNT, FAILURES_OF_ADDRESS = 5, 20
"""Failures in a row after which an account, or an address, is locked."""
LOCK_S = 300.0
FORGET_S = 900.0
"""Failures this long ago no longer count."""
SESSION_IDLE_S, SESSION_S = 1800.0, 12 * 3600.0
LINK_S = 600.0
"""How long a log-in link is good."""
TOKEN_PREFIX = "tdm_"
_ENTRIES_MAX = 10_000
_SESSIONS_MAX, _LINKS_MAX = 1000, 100
_CHECKS_AT_ONCE = 2
"""Passwords verified at a time: each costs tens of milliseconds and megabytes on purpose."""


class LoginError(CommandError):
    """Whoever asks did not prove who they are."""

    def __init__(self, text: str = "Login Failure: wrong name or password") -> None:
        super().__init__(401, text)


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    locked_until: float = 0.0


class Lockout:
    """Counts failures under keys (accounts, addresses) and locks those with too many, for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def left_s(self, kind: str, key: str) -> float:
        """Return for how many seconds ``key`` stays locked; 0 when it is not."""
        entry = self._entries.get((kind, key))
        return max(0.0, entry.locked_until - self._clock()) if entry else 0.0

    def failed(self, kind: str, key: str, most: int) -> bool:
        """Count a failure; return whether it locks ``key``."""
        now = self._clock()
        entry = self._entries.setdefault((kind, key), _Failures())
        self._entries.move_to_end((kind, key))
        if now - entry.last > FORGET_S:
            entry.count = 0
        entry.count, entry.last = entry.count + 1, now
        if len(self._entries) > _ENTRIES_MAX:
            self._entries.popitem(last=False)
        if entry.count < most:
            return False
        entry.count, entry.locked_until = 0, now + LOCK_S
        return True

    def clear(self, kind: str, key: str) -> bool:
        """Forget the failures of ``key``; return whether it was locked."""
        locked = self.left_s(kind, key) > 0
        self._entries.pop((kind, key), None)
        return locked


@dataclass(slots=True)
class BrowserSession:
    """A log-in of a browser."""

    name: str
    stored: str
    """The password's hash when it began: another password ends the session."""
    csrf: str
    began: float
    used: float
    notices: list[tuple[str, str]] = field(default_factory=list)
    """What the next page is to say: level and text."""


class Guard:
    """Tells who asks. Used from one event loop."""

    def __init__(self, database: Database, log: ClusterLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._log = log
        self._clock = clock
        self.lockout = Lockout(clock)
        self._salt = secrets.token_bytes(16)
        self._verified: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        """Salted hash of name and password -> (stored hash that it matched, until when)."""
        self._logged: OrderedDict[tuple[str, str], float] = OrderedDict()
        """Name and address -> until when the log of log-ins has it that they came in."""
        self._sessions: OrderedDict[bytes, BrowserSession] = OrderedDict()
        self._links: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        """Hash of a log-in link's secret -> (administrator, until when)."""
        self._token_uses: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._slots = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._nobody = ""
        """Checked for unknown names, so that they take as long as known ones."""

    # --- passwords ------------------------------------------------------------------------------------

    async def password(self, name: str, password: str, address: str, *, begins: bool = False) -> Login:
        """Return who ``name`` is when the password is right; ``begins``: a session does with it. Raises LoginError.

        The log of log-ins has each session, and of commands from one address one a minute, or after a failure.
        """
        key = hashlib.sha256(self._salt + f"{len(name)}:{name}{password}".encode()).digest()
        match, until = self._verified.get(key, ("", 0.0))
        stored = password_hash(self._database, name)
        if stored is None or match != stored or self._clock() >= until:
            async with self._slots:
                self._refuse_locked(name, address)
                self._nobody = self._nobody or hash_password("", secrets.token_hex(16))
                right = await asyncio.to_thread(check_password, stored or self._nobody, password)
            if stored is None or not right:
                raise self._failure(name, address, "password")
            self.lockout.clear("account", name)
            self.lockout.clear("address", address)
            _remember(self._verified, key, (stored, self._clock() + VERIFIED_S))
        if begins or self._clock() >= self._logged.get((name, address), 0.0):
            self._database.add_login(name, address, "password", "ok")
            _remember(self._logged, (name, address), self._clock() + VERIFIED_S)
        return Login(name, roles_of(self._database, name))

    def _refuse_locked(self, name: str, address: str) -> None:
        for kind, key in (("account", name), ("address", address)):
            left_s = self.lockout.left_s(kind, key)
            if left_s > 0:
                undo = f"a superuser can unlock it: 'admin {name[:64]} unlock'"
                if kind == "address":
                    undo = "log in from another one"
                raise LoginError(
                    f"Login Failure: {kind} {key[:64]} is locked for {left_s:.0f} s more after too many "
                    f"failures; {undo}; starting 'tandem local' anew unlocks everything"
                )

    def _failure(self, name: str, address: str, how: str) -> LoginError:
        """Count and record a failure; return what to raise."""
        shown = name[:64]
        self._database.add_login(shown, address, how, "failed")
        self._logged.pop((name, address), None)
        self._log.note("Warning", "Security", 60020, f"Login of {shown!r} from {address} failed.")
        counted = [("address", address, FAILURES_OF_ADDRESS)]
        if how == "password":
            counted.append(("account", name, FAILURES_OF_ACCOUNT))
        for kind, key, most in counted:
            if self.lockout.failed(kind, key, most):
                undo = f"; 'admin {shown} unlock' undoes it" if kind == "account" else ""
                text = f"Locked {kind} {key[:64]!r} for {LOCK_S:.0f} s after {most} failures{undo}."
                self._log.note("Warning", "Security", 60021, text)
        return LoginError() if how == "password" else LoginError(f"Login Failure: this {how} is unknown or has expired")

    # --- sessions -------------------------------------------------------------------------------------

    def open_session(self, login: Login) -> tuple[str, BrowserSession]:
        """Begin a session for one whose password was right; return its secret and the session."""
        secret, now = secrets.token_urlsafe(32), self._clock()
        session = BrowserSession(
            login.name, password_hash(self._database, login.name) or "", secrets.token_urlsafe(24), now, now
        )
        _remember(self._sessions, _hash(secret), session, _SESSIONS_MAX)
        return secret, session

    def session(self, secret: str) -> tuple[Login, BrowserSession]:
        """Return whose session it is. Raises LoginError when it is none, or over."""
        key, now = _hash(secret), self._clock()
        session = self._sessions.get(key)
        if session is None:
            raise LoginError("Login Failure: the session is over; log in again")
        stored = password_hash(self._database, session.name)
        if now - session.used > SESSION_IDLE_S or now - session.began > SESSION_S or session.stored != stored:
            del self._sessions[key]
            raise LoginError("Login Failure: the session is over; log in again")
        session.used = now
        self._sessions.move_to_end(key)
        return Login(session.name, roles_of(self._database, session.name)), session

    def close_session(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(_hash(secret), None)

    def make_link(self, login: Login) -> str:
        """Return the secret of a link that logs ``login`` in with a browser, once, within LINK_S."""
        secret = secrets.token_urlsafe(32)
        _remember(self._links, _hash(secret), (login.name, self._clock() + LINK_S), _LINKS_MAX)
        self._log.note("Info", "Security", 60025, f"{login} made a log-in link, good for {LINK_S:.0f} s.")
        return secret

    def use_link(self, secret: str, address: str) -> Login:
        """Return who a log-in link stands for; it is used up then. Raises LoginError."""
        if self.lockout.left_s("address", address) > 0:
            raise LoginError(f"Login Failure: address {address} is locked after too many failures; wait")
        name, until = self._links.pop(_hash(secret), ("", 0.0))
        if not name or self._clock() >= until or password_hash(self._database, name) is None:
            raise self._failure(name or "link", address, "log-in link")
        self._database.add_login(name, address, "link", "ok")
        return Login(name, roles_of(self._database, name))

    # --- tokens ---------------------------------------------------------------------------------------

    def make_token(self, name: str, login: Login, role: str, lifetime_s: int) -> str:
        """Make a token for ``login``; return it: it is not kept and cannot be shown again. Raises CommandError 320."""
        secret, now = TOKEN_PREFIX + secrets.token_urlsafe(32), time.time()
        self._database.add_token(Token(name, login.name, role, now, now + lifetime_s), _hash(secret))
        self._log.note("Info", "Security", 60022, f"{login} made token {name}, role {role}, for {lifetime_s} s.")
        return secret

    def token(self, secret: str, address: str) -> Login:
        """Return for whom a token stands. Raises LoginError."""
        token = self._database.find_token(_hash(secret))
        if token is None or token.expires <= time.time():
            if self.lockout.left_s("address", address) > 0:
                raise LoginError(f"Login Failure: address {address} is locked after too many failures; wait, or log in")
            raise self._failure(token.name if token else "token", address, "token")
        use = (token.name, address)
        if self._clock() >= self._token_uses.get(use, 0.0):
            _remember(self._token_uses, use, self._clock() + 3600)
            self._database.add_login(token.owner, address, f"token {token.name}", "ok")
        owned = roles_of(self._database, token.owner)
        return Login(token.owner, (token.role,) if allows(owned, token.role) else (), token.name)


def _hash(secret: str) -> bytes:
    """Return what a random secret is kept as. It has too many bits to be guessed: no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def _remember(table: OrderedDict[K, V], key: K, value: V, most: int = 256) -> None:
    """Keep ``value``; the oldest gives way when there are more than ``most``."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
