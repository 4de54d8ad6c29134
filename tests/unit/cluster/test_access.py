"""Who may log in and what they may do; the change log and taking change sets back."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest
from managed import Run, open_manager, runner

from tandem.cluster import commands as _commands  # noqa: F401  fills the registry
from tandem.cluster.accounts import set_administrator
from tandem.cluster.guard import LOCK_S, SESSION_IDLE_S, VERIFIED_S, Guard, LoginError
from tandem.cluster.manager import Manager
from tandem.cluster.registry import REGISTRY, Command, Login
from tandem.config.access import ROLES, allows
from tandem.config.schema import CLASSES, SECTIONS

PREPARE = """\
scope examplescope create 192.168.50.0 255.255.255.0
scope examplescope addRange 192.168.50.10 192.168.50.200
scope examplescope addReservation 192.168.50.9 1,6,00:d0:ba:d3:bd:3b
policy default setLeaseTime 3d
policy default setOption routers 192.168.50.1
client-class exampleclass create selection-criteria=red
client 1,6,00:d0:ba:d3:bd:3b create
scope-policy examplescope setOption routers 192.168.50.1
client-policy 1,6,00:d0:ba:d3:bd:3b setOption routers 192.168.50.1
client-class-policy exampleclass setOption routers 192.168.50.1
reservation-policy 192.168.50.9 setOption routers 192.168.50.1
scope-policy examplescope setLeaseTime 1d
client-policy 1,6,00:d0:ba:d3:bd:3b setLeaseTime 1d
client-class-policy exampleclass setLeaseTime 1d
reservation-policy 192.168.50.9 setLeaseTime 1d
option exampleoption create 224 ip
option-set exampleset create vendor-option-string=examplevendor
vendor-option examplevendoroption create exampleset 1 ip
policy default setVendorOption examplevendoroption exampleset 10.0.0.1
scope-policy examplescope setVendorOption examplevendoroption exampleset 10.0.0.1
client-policy 1,6,00:d0:ba:d3:bd:3b setVendorOption examplevendoroption exampleset 10.0.0.1
client-class-policy exampleclass setVendorOption examplevendoroption exampleset 10.0.0.1
reservation-policy 192.168.50.9 setVendorOption examplevendoroption exampleset 10.0.0.1
scope-template exampletemplate create
scope-template-policy exampletemplate setOption routers 192.168.50.1
scope-template-policy exampletemplate setLeaseTime 1d
scope-template-policy exampletemplate setVendorOption examplevendoroption exampleset 10.0.0.1
admin example create pw roles=read-only
token monitoring create read-only
scope-template pairtemplate create
failover-pair example create 127.0.0.11 127.0.0.12 scope-template=pairtemplate
cluster example create 192.168.60.2
dhcp renewFailoverCertificate
dhcp reload
"""
_MISSING_FIRST = {  # what an example makes must not be there yet
    "scope examplescope create": "scope examplescope delete", "admin example create": "admin example delete",
    "token monitoring create": "token monitoring delete",
    "failover-pair example create": "failover-pair example delete", "cluster example create": "cluster example delete",
    "client 1,6,00:d0:ba:d3:bd:3b create": "client 1,6,00:d0:ba:d3:bd:3b delete",
    "client-class exampleclass create": "client-class exampleclass delete",
    "reservation 192.168.50.9 create": "reservation 192.168.50.9 delete",
    "scope-template exampletemplate create": "scope-template exampletemplate delete",
    "option exampleoption create": "option exampleoption delete",
    "vendor-option examplevendoroption create": "vendor-option examplevendoroption delete",
    "lease 192.168.50.10 reserve": "reservation 192.168.50.9 delete",
    "scope examplescope addRange": "scope examplescope removeRange 192.168.50.10 192.168.50.200",
    "scope examplescope addReservation": "scope examplescope removeReservation 192.168.50.9",
}  # fmt: skip
_FILE = '{"tandem-configuration": 1}'
_NOT_FAKED = {"getFailoverConflicts", "shutdown", "start", "sync", "undoSync", "checkDrift", "getCertificate",
              "acceptCertificate", "reloadPartner", "getPartnerHealth"}  # fmt: skip
"""Commands that need a server process, or a partner's cluster."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the database that examples run on."""
    directory = tmp_path_factory.mktemp("prepared")
    manager = open_manager(directory)
    set_administrator(manager.database, "admin", "geheim", ["superuser"])
    run = runner(manager)
    for line in PREPARE.splitlines():
        assert run(line)[0] == "100 Ok", run(line)
    manager.database.close()
    return directory


@pytest.mark.parametrize(
    "command", [c for c in REGISTRY.commands if c.path[-1] not in _NOT_FAKED], ids=lambda c: " ".join(c.path)
)
def test_every_example_runs(prepared: Path, tmp_path: Path, command: Command) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    manager = open_manager(tmp_path)
    run = runner(manager)
    if command.path[0] in ("option-set", "vendor-option") and command.path[-1] in ("create", "delete"):
        for owner in [line.split(" setVendorOption")[0] for line in PREPARE.splitlines() if "setVendorOption" in line]:
            assert run(f"{owner} unsetVendorOption examplevendoroption exampleset")[0] == "100 Ok"
    for made, undo in _MISSING_FIRST.items():
        if command.example.startswith(made):
            assert run(undo)[0] == "100 Ok"
    if command.path[0] == "option-set" and command.path[-1] in ("create", "delete"):
        run("vendor-option examplevendoroption delete")
        if command.path[-1] == "create":
            run("option-set exampleset delete")
    if command.path == ("policy", "NAME", "delete"):
        run("policy examplepolicy create")
    answer = run(command.example, file=_FILE if command.path[0] == "import" else "")
    manager.database.close()
    assert int(answer[0][:3]) < 300, answer


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_every_command_is_refused_without_its_role(run: Run, role: str) -> None:
    login = Login("somebody", (role,) if role else ())
    for command in REGISTRY.commands:
        if not allows(login.roles, command.role):
            assert run(command.example, login)[0].startswith("320 AX_SCP_PERMISSION_DENIED"), command.path


def test_every_attribute_is_declared_in_full() -> None:
    for cls in CLASSES.values():
        assert cls.sync and all(cls.sync_of(part) for part in cls.parts)
        for attribute in cls.attributes:
            assert attribute.help.endswith(".") and attribute.type.word and cls.sync_of(attribute)
    assert SECTIONS["policy"].sync_of("options") == "policy-options"


def test_the_dhcp_server_is_not_told_of_administrators(run: Run, manager: Manager) -> None:
    assert run("dhcp reload")[0] == "100 Ok"
    assert "admin" in manager.database.document and manager.database.loaded() == {}


def test_a_superuser_is_always_left(run: Run) -> None:
    assert run("admin second create pw roles=dhcp-admin") == [
        "100 Ok", "second:", "    password = ********", "    roles = dhcp-admin"
    ]  # fmt: skip
    for line in ("admin admin delete", "admin admin set roles=dhcp-admin", "admin admin unset password"):
        assert run(line)[0].startswith("320 EX_CONFLICT_EXISTS - no administrator")
    run("admin second set roles=superuser")
    assert run("admin admin delete") == ["100 Ok"]


def test_passwords_are_never_shown(run: Run, manager: Manager) -> None:
    run("admin bob create tief-geheim roles=read-only")
    run("admin bob enterPassword noch-geheimer")
    shown = run("admin bob") + run("admin list") + run("change list") + run("admin bob get password")
    shown.append(manager.log.path.read_text() if manager.log.path.exists() else "")
    assert not any("geheim" in line or "argon2" in line for line in shown)


def test_a_token_does_not_change_who_may_log_in(run: Run, manager: Manager) -> None:
    secret = manager.guard.make_token("ci", manager.login_of("admin"), "superuser", 60)
    login = manager.guard.token(secret, "10.0.0.1")
    assert str(login) == "admin (token ci)" and run("scope s create 10.0.0.0 255.0.0.0", login)[0] == "100 Ok"
    assert manager.database.changes(1)[0].who == "admin (token ci)"
    for line in ("session enterPassword x", "admin b create x", "token t create read-only", "token ci delete"):
        assert run(line, login)[0].startswith("320 AX_SCP_PERMISSION_DENIED"), line
    assert secret not in "".join(run("token list")) and run("token list")[2].startswith("ci")


def test_a_token_is_worth_its_role_and_ends(run: Run, manager: Manager) -> None:
    set_administrator(manager.database, "op", "p", ["failover-operator"])
    op = manager.login_of("op")
    assert run("token up create dhcp-admin", op)[0].startswith("320 AX_")
    secret = manager.guard.make_token("t", op, "failover-operator", 60)
    assert manager.guard.token(secret, "a").roles == ("failover-operator",)
    run("admin op set roles=read-only")
    assert manager.guard.token(secret, "a").roles == ()
    over = manager.guard.make_token("old", op, "read-only", -1)
    for wrong in (over, "tdm_nonsense"):
        with pytest.raises(LoginError, match="unknown or has expired"):
            manager.guard.token(wrong, "a")
    assert run("token t delete", Login("other", ("read-only",)))[0].startswith("302")
    assert run("token t delete") == ["100 Ok"]


def test_wrong_passwords_lock_an_account_for_a_while(run: Run, manager: Manager) -> None:
    now = [1000.0]
    guard = manager.guard = Guard(manager.database, manager.log, lambda: now[0])

    def attempt(password: str, name: str = "admin", address: str = "10.0.0.1") -> str:
        try:
            asyncio.run(guard.password(name, password, address))
            return "ok"
        except LoginError as error:
            return error.text

    for _ in range(5):
        assert "wrong name or password" in attempt("wrong")
    locked = attempt("geheim")
    assert "locked for 300 s" in locked and "admin admin unlock" in locked
    assert run("admin admin unlock") == ["100 Ok"] and attempt("geheim") == "ok"
    for _ in range(5):
        attempt("wrong")
    assert attempt("geheim") == "ok", "who was right within the last minute goes on"
    now[0] += LOCK_S + 1
    assert attempt("geheim") == "ok"
    for n in range(20):
        attempt("x", f"guess{n}", "10.9.9.9")
    assert "address 10.9.9.9 is locked" in attempt("x", "another", "10.9.9.9")
    results = [login.result for login in manager.database.logins(100)]
    assert results.count("ok") == 3 and results.count("failed") == 30


def test_the_log_of_log_ins_has_each_one_but_the_commands_of_a_minute(manager: Manager) -> None:
    now = [0.0]
    guard = Guard(manager.database, manager.log, lambda: now[0])

    def log_in(password: str, address: str, begins: bool = False) -> list[tuple[str, str]]:
        with contextlib.suppress(LoginError):
            asyncio.run(guard.password("admin", password, address, begins=begins))
        return [(login.address, login.result) for login in manager.database.logins(100)]

    one, other = "10.0.0.1", "10.0.0.2"
    log_in("geheim", one)
    assert log_in("geheim", one) == [(one, "ok")]
    assert log_in("geheim", one, begins=True) == [(one, "ok")] * 2, "a browser that logs in within that minute"
    assert log_in("geheim", other) == [(other, "ok"), *[(one, "ok")] * 2], "the same from elsewhere"
    log_in("wrong", one)
    assert log_in("geheim", one)[:2] == [(one, "ok"), (one, "failed")], "the success after a failure"
    now[0] += VERIFIED_S
    assert len(log_in("geheim", one)) == 6


def test_a_session_ends_when_idle_and_with_its_password(manager: Manager) -> None:
    now = [0.0]
    guard = Guard(manager.database, manager.log, lambda: now[0])
    for end in ("idle", "password", "close"):
        secret, _ = guard.open_session(manager.login_of("admin"))
        assert guard.session(secret)[0].name == "admin"
        if end == "idle":
            now[0] += SESSION_IDLE_S + 1
        elif end == "password":
            set_administrator(manager.database, "admin", "anders", ["superuser"])
        else:
            guard.close_session(secret)
        with pytest.raises(LoginError, match="session is over"):
            guard.session(secret)


# --- taking back ------------------------------------------------------------------------------------------


def last_set(manager: Manager) -> int:
    return manager.database.changes(1)[0].set


@pytest.mark.parametrize(
    "line",
    [
        "dhcp set failover-poll-interval=5s max-dhcp-requests=600", "dhcp enable failover",
        "scope s addRange 10.0.0.100 10.0.0.200", "scope s removeRange 10.0.0.12 10.0.0.14",
        "scope s addReservation 10.0.0.7 1,6,00:d0:ba:d3:bd:3c", "scope s removeReservation 10.0.0.5",
        "policy p setOption routers 10.0.0.2", "policy p unsetOption routers", "policy p setLeaseTime 1d",
        "scope-policy s setOption routers 10.0.0.3", "scope-policy s unsetOption domain-name",
        "scope-policy s delete", "scope-policy s set grace-period=1h", "reservation 10.0.0.5 delete",
        "client 1,6,00:d0:ba:d3:bd:3b create host-name=a",
        "reservation 10.0.0.6 create 1,6,00:d0:ba:d3:bd:3c policy=p",
        "reservation-policy 10.0.0.5 setOption routers 10.0.0.3",
        "policy p delete", "scope s delete", "scope t create 11.0.0.0 255.0.0.0", "policy q create grace-period=1m",
        "policy default setOption routers 10.0.0.9", "admin bob create x roles=read-only",
        "dhcp set log-settings=default",
        "policy system_default_policy set grace-period=1h",
    ],
)  # fmt: skip
def test_a_change_set_is_taken_back(run: Run, manager: Manager, line: str) -> None:
    for prepare in (
        "policy p create grace-period=10m", "policy p setOption routers 10.0.0.1",
        "scope s create 10.0.0.0 255.0.0.0 renew-only=on", "scope s addRange 10.0.0.10 10.0.0.20",
        "scope s addReservation 10.0.0.5 1,6,00:d0:ba:d3:bd:3b", "scope-policy s setOption domain-name a.b",
        "scope-policy s set packet-siaddr=10.0.0.1", "scope-policy s setOption ieee802.3-encapsulation true",
    ):  # fmt: skip
        assert run(prepare)[0] == "100 Ok", prepare

    def shown() -> list[str]:
        commands = ("dhcp", "scope list", "policy list", "admin listnames", "policy default listOptions")
        more = ("scope s listRanges", "scope s listReservations", "policy p listOptions", "client list",
                "scope-policy s", "scope-policy s listOptions", "reservation list",
                "reservation-policy 10.0.0.5 listOptions")  # fmt: skip
        return sorted(text for command in (*commands, *more) for text in run(command))

    before = shown()
    assert run(line)[0] == "100 Ok"
    number = last_set(manager)
    assert shown() != before
    assert run(f"change {number} undo") == ["100 Ok"]
    assert shown() == before
    assert manager.database.changes(1)[0].undoes == number
    assert run(f"change {last_set(manager)} undo")[0][:3] in ("100", "101")
    assert shown() != before, "what was taken back can be taken back"


def test_a_change_that_was_changed_since_is_not_taken_back(run: Run, manager: Manager) -> None:
    run("dhcp set failover-poll-interval=5s")
    first = last_set(manager)
    run("dhcp set failover-poll-interval=6s")
    assert "was changed again since" in run(f"change {first} undo")[0]
    assert run(f"change {last_set(manager)} undo") == ["100 Ok"]
    assert run(f"change {first} undo") == ["100 Ok"]
    run("policy p create")
    made = last_set(manager)
    run("policy p set grace-period=1m")
    assert "was set later" in run(f"change {made} undo")[0]
    assert run("change 999 undo")[0].startswith("302") and run("change x undo")[0].startswith("302")


def test_an_old_secret_returns_as_long_as_it_was_the_last_one(run: Run, manager: Manager) -> None:
    run("dhcp set failover-shared-secret=eins")
    first = last_set(manager)
    run("dhcp set failover-shared-secret=zwei failover=on")
    second = last_set(manager)
    assert "was changed again since" in run(f"change {first} undo")[0]
    assert run(f"change {second} undo") == ["100 Ok"]
    assert manager.database.document["dhcp"] == {"failover-shared-secret": "eins"}
    assert run(f"change {last_set(manager)} undo") == ["100 Ok"], "an undo is a change as well"
    assert manager.database.document["dhcp"] == {"failover-shared-secret": "zwei", "failover": True}
    assert not any("eins" in str(change) for change in manager.database.changes())
    run("cluster c create 192.168.60.2 admin=a password=geheim")
    run("cluster c delete")
    assert run(f"change {last_set(manager)} undo") == ["100 Ok"]
    assert manager.database.document["cluster"]["c"]["password"] == "geheim"


def test_administrators_are_taken_back_by_superusers_only(run: Run, manager: Manager) -> None:
    run("admin bob create x roles=read-only")
    number = last_set(manager)
    assert run(f"change {number} undo", Login("d", ("dhcp-admin",)))[0].startswith("320 AX_")
    assert run("change list")[2].split()[0] == str(number)
