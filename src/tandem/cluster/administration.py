"""The commands about who may log in: passwords, locks, tokens, and the log of log-ins.

Administrators themselves are objects (class ``admin``). Source: SYSTEM S7.4; reference "commands and attributes"
section 1.7 (``admin NAME enterPassword``).
"""

from __future__ import annotations

import time

from tandem.base.errors import CommandError
from tandem.base.units import parse_duration
from tandem.cluster.accounts import hash_password
from tandem.cluster.answer import Answer, Item
from tandem.cluster.changes import BEFORE, COUNT, page
from tandem.cluster.guard import LINK_S
from tandem.cluster.manager import Forbidden, Manager
from tandem.cluster.objects import edit, table
from tandem.cluster.registry import NAME, REGISTRY, Argument, Command, Request
from tandem.config import document as config
from tandem.config.access import ADMIN, READ_ONLY, ROLES, SUPERUSER, allows
from tandem.config.attribute import NAME_FORM, is_name
from tandem.config.dates import format_date

_LIFETIME_S, _LIFETIME_S_MAX = 90 * 86400, 366 * 86400


def _set_password(manager: Manager, request: Request, name: str) -> Answer:
    config.read_object(manager.database.document, ADMIN.name, name)
    hashed = hash_password(name, request.values["password"])
    on = Request(request.login, request.session, name)
    edit(manager, on, ADMIN.name, lambda d: config.set_value(d, ADMIN.name, name, "password", hashed))
    return Answer()


async def _enter_password(manager: Manager, request: Request) -> Answer:
    return _set_password(manager, request, request.name)


async def _enter_own_password(manager: Manager, request: Request) -> Answer:
    return _set_password(manager, request, request.login.name)


async def _unlock(manager: Manager, request: Request) -> Answer:
    was = manager.guard.lockout.clear("account", request.name)
    if was:
        manager.log.note("Info", "Security", 60023, f"{request.who} unlocked administrator {request.name!r}.")
    return Answer(lines=[] if was else [f"{request.name} was not locked."])


async def _login_link(manager: Manager, request: Request) -> Answer:
    path = f"/login/link?secret={manager.guard.make_link(request.login)}"
    shown = [path, f"Open it at this cluster's address within {LINK_S / 60:.0f} minutes; it logs you in once."]
    return Answer([Item("link", {"path": path})], shown)


async def _create_token(manager: Manager, request: Request) -> Answer:
    role, lifetime = request.values["role"], request.values["lifetime"]
    if not is_name(request.name):
        raise CommandError(316, f"{request.name!r} cannot name a token: write {NAME_FORM}")
    if not allows(request.login.roles, role):
        raise Forbidden(f"{request.login} cannot make a token for role {role}: it is not theirs")
    lifetime_s = parse_duration(lifetime) if lifetime else _LIFETIME_S
    if not 0 < lifetime_s <= _LIFETIME_S_MAX:
        raise CommandError(316, f"lifetime: {lifetime!r} is not between 1s and 366d")
    secret = manager.guard.make_token(request.name, request.login, role, lifetime_s)
    shown = [f"token = {secret}", "It is shown this once. Send it as: Authorization: Bearer TOKEN"]
    return Answer([Item(request.name, {"token": secret, "role": role})], shown)


async def _delete_token(manager: Manager, request: Request) -> Answer:
    owner = next((token.owner for token in manager.database.tokens() if token.name == request.name), None)
    if owner is None or (owner != request.login.name and not allows(request.login.roles, SUPERUSER)):
        raise CommandError(302, f"there is no token {request.name!r} of yours; 'token list' shows them")
    manager.database.delete_token(request.name)
    manager.log.note("Info", "Security", 60024, f"{request.who} deleted token {request.name} of {owner}.")
    return Answer()


async def _list_tokens(manager: Manager, request: Request) -> Answer:
    clock, everyone = request.session.clock(), allows(request.login.roles, SUPERUSER)
    rows, items = [["Token", "Owner", "Role", "Expires"]], []
    for token in manager.database.tokens():
        if everyone or token.owner == request.login.name:
            expires = format_date(int(token.expires), clock) + (" (over)" if token.expires <= time.time() else "")
            rows.append([token.name, token.owner, token.role, expires])
            items.append(Item(token.name, {"owner": token.owner, "role": token.role, "expires": expires}))
    return Answer(items, table(rows))


async def _list_logins(manager: Manager, request: Request) -> Answer:
    clock = request.session.clock()
    rows, items = [["Number", "When", "Name", "From", "How", "Result"]], []
    for login in manager.database.logins(*page(request)):
        row = [str(login.id), format_date(int(login.at), clock), login.name, login.address, login.how, login.result]
        rows.append(row)
        titles = ("at", "name", "from", "how", "result")
        items.append(Item(row[0], dict(zip(titles, row[1:], strict=True))))
    return Answer(items, table(rows))


_PASSWORD = Argument("password", "the new password; nrcmd asks for it when it is left out", "secret")
_ROLE = Argument("role", f"what it may do: one of {', '.join(ROLES)}", "role", choices=tuple(ROLES))
_LIFETIME = Argument("lifetime", "for how long it is good, e.g. 30d (default 90d, at most 366d)", "duration",
                     optional=True)  # fmt: skip

REGISTRY.add(
    Command(("admin", NAME, "enterPassword"), "Give an administrator another password; ends that one's sessions.",
            "admin example enterPassword correct-horse", _enter_password, (_PASSWORD,), role=SUPERUSER,
            effect="access"),
    Command(("admin", NAME, "unlock"), "Let an administrator log in again who was locked after wrong passwords.",
            "admin example unlock", _unlock, role=SUPERUSER, effect="access"),
    Command(("session", "enterPassword"), "Give yourself another password.",
            "session enterPassword correct-horse", _enter_own_password, (_PASSWORD,), role=READ_ONLY,
            effect="access"),
    Command(("session", "loginLink"), "Make a link that logs you in with a browser, once.", "session loginLink",
            _login_link, role=READ_ONLY, effect="access"),
    Command(("token", NAME, "create"), "Make a token for a program: it does what you may, up to one role.",
            "token monitoring create read-only 30d", _create_token, (_ROLE, _LIFETIME), role=READ_ONLY,
            effect="access"),
    Command(("token", NAME, "delete"), "Delete a token of yours; a superuser may delete any.",
            "token monitoring delete", _delete_token, role=READ_ONLY, effect="access"),
    Command(("token", "list"), "Show your tokens, not their secrets; a superuser sees all.", "token list",
            _list_tokens, role=READ_ONLY),
    Command(("login", "list"), "Show who logged in, or tried to: the newest first, of commands one a minute.",
            "login list 20", _list_logins,
            (COUNT, BEFORE), role=SUPERUSER),
)  # fmt: skip
