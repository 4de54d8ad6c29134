"""The decision table of a failover endpoint: what each state does at each cause.

Rows only; the engine is ``failover.endpoint``. Does not know messages, bindings or time.
Source: draft-ietf-dhc-failover-12 sections 9.3 to 9.14 and figure 9.2-1; SYSTEM S4.1, S4.2.
"""

from __future__ import annotations

from enum import IntEnum

from tandem.base.table import Row, Table
from tandem.wire.failover import ServerState as S


class Cause(IntEnum):
    """What can move an endpoint. The first eleven are 'the partner is in this state (and not starting up)'."""

    PARTNER_NORMAL = 2
    PARTNER_COMMUNICATIONS_INTERRUPTED = 3
    PARTNER_PARTNER_DOWN = 4
    PARTNER_POTENTIAL_CONFLICT = 5
    PARTNER_RECOVER = 6
    PARTNER_PAUSED = 7
    PARTNER_SHUTDOWN = 8
    PARTNER_RECOVER_DONE = 9
    PARTNER_RESOLUTION_INTERRUPTED = 10
    PARTNER_CONFLICT_DONE = 11
    PARTNER_RECOVER_WAIT = 254
    LINK_DOWN = 300
    STARTUP_OVER = 301
    WAIT_OVER = 302
    SAFE_PERIOD_OVER = 303
    UPDATE_DONE = 304
    SET_PARTNER_DOWN = 305


STATES = (
    S.STARTUP, S.NORMAL, S.COMMUNICATIONS_INTERRUPTED, S.PARTNER_DOWN, S.POTENTIAL_CONFLICT, S.RECOVER, S.PAUSED,
    S.SHUTDOWN, S.RECOVER_DONE, S.RESOLUTION_INTERRUPTED, S.CONFLICT_DONE, S.RECOVER_WAIT,
)  # fmt: skip

SERVING = (S.COMMUNICATIONS_INTERRUPTED, S.RESOLUTION_INTERRUPTED, S.CONFLICT_DONE, S.PARTNER_DOWN)
"""The states in which a server answers all clients, whatever its role."""

MAIN, BACKUP = "main", "backup"
"""Guards: the role of this server in the relationship."""



def state_name(state: int) -> str:
    """Return the draft's name of a failover state, e.g. COMMUNICATIONS-INTERRUPTED; a number for an unknown one."""
    try:
        return S(state).name.replace("_", "-")
    except ValueError:
        return f"unknown ({state})" if state else "unknown"


_P = {
    "normal": Cause.PARTNER_NORMAL,
    "interrupted": Cause.PARTNER_COMMUNICATIONS_INTERRUPTED,
    "partner-down": Cause.PARTNER_PARTNER_DOWN,
    "conflict": Cause.PARTNER_POTENTIAL_CONFLICT,
    "recover": Cause.PARTNER_RECOVER,
    "paused": Cause.PARTNER_PAUSED,
    "shutdown": Cause.PARTNER_SHUTDOWN,
    "recover-done": Cause.PARTNER_RECOVER_DONE,
    "resolution-interrupted": Cause.PARTNER_RESOLUTION_INTERRUPTED,
    "conflict-done": Cause.PARTNER_CONFLICT_DONE,
    "recover-wait": Cause.PARTNER_RECOVER_WAIT,
}
_EVENTS = {
    "link-down": Cause.LINK_DOWN,
    "startup-over": Cause.STARTUP_OVER,
    "wait-over": Cause.WAIT_OVER,
    "safe-period-over": Cause.SAFE_PERIOD_OVER,
    "update-done": Cause.UPDATE_DONE,
    "set-partner-down": Cause.SET_PARTNER_DOWN,
}
_CAUSES = _P | _EVENTS


_NO_SUCH_THING = ("Nothing of that kind runs", "A backup is never in")
_FIRST_STATE = (
    "A partner is never in this state when a connection begins, and what it announces before has moved this server."
)
_JOINS = "Who recovers from a server that resolves conflicts joins it in that before it has all data, not after."
_CLOSES = "A server that stops closes its connections and takes no new one, so PAUSED is not the first that it says."
_RESTARTS_FIRST = "A partner comes to recover by a restart, and with that the connection is lost first."
_STOPPING = "A server that stops closes its connections, writes what it has decided and ends, before it hears anything."


def _rows(
    state: S,
    section: str,
    go: dict[str, tuple[S, str]],
    stay: dict[str, str],
    do: dict[str, tuple[tuple[str, ...], str]] | None = None,
    refuse: dict[str, str] | None = None,
    never: dict[str, str] | None = None,
) -> list[Row]:
    """Make the rows of one state. Keys are causes, several joined by a space, a guard after a slash.

    ``never``: why the simulator's stories cannot come to a row. Of a row that says itself that there is no such thing,
    that is the reason.
    """
    rows: list[Row] = []
    unreached = {key: why for keys, why in (never or {}).items() for key in keys.split()}

    def add(keys: str, target: S | None, steps: tuple[str, ...], refused: bool, why: str) -> None:
        for key in keys.split():
            name, _, guard = key.partition("/")
            label = f"{state.name.replace('_', '-')}/{'partner-is-' if name in _P else ''}{key.replace('/', '-')}"
            reason = unreached.pop(key, why if why.startswith(_NO_SUCH_THING) else "")
            rows.append(Row(label, state, _CAUSES[name], guard, target, steps, refused, section, why, reason))

    for keys, (target, why) in go.items():
        add(keys, target, (), False, why)
    for keys, (steps, why) in (do or {}).items():
        add(keys, None, steps, False, why)
    for keys, why in (refuse or {}).items():
        add(keys, None, (), True, why)
    for keys, why in stay.items():
        add(keys, None, (), False, why)
    assert not unreached, (state, unreached)
    return rows


_ROWS: list[Row] = [
    *_rows(
        S.STARTUP, "9.3.2",
        never={"normal conflict": _FIRST_STATE, "paused": _CLOSES},
        go={},
        do={
            " ".join(name for name in _P if name not in ("paused", "shutdown")): (
                ("leave-startup",), "The partner answered, so this server knows enough to leave STARTUP.",
            ),
            "startup-over": (
                ("leave-startup-alone",),
                "The partner could not be reached in the startup time, so this server goes on where it was.",
            ),
        },
        refuse={"set-partner-down": "This server is still starting and looks for its partner; wait a few seconds."},
        stay={
            "link-down": "The connection went away before the partner's state was known.",
            "paused shutdown": "The partner is stopping and does not say what it was doing before.",
            "wait-over safe-period-over update-done": "Nothing of that kind runs in STARTUP.",
        },
    ),
    *_rows(
        S.NORMAL, "9.8.4",
        never={
            "recover recover-wait": _RESTARTS_FIRST,
            "resolution-interrupted": "A partner goes there when the connection is lost, which ends NORMAL here first.",
            "conflict": "A partner comes there by a PARTNER-DOWN, its own or this one's, which has ended NORMAL here.",
        },
        go={
            "link-down": (S.COMMUNICATIONS_INTERRUPTED, "The connection to the partner is lost."),
            "paused": (S.COMMUNICATIONS_INTERRUPTED, "The partner said that it pauses for a short time."),
            "recover recover-wait": (
                S.COMMUNICATIONS_INTERRUPTED, "The partner is refreshing its lease database and serves no clients.",
            ),
            "shutdown": (S.PARTNER_DOWN, "The partner said that it shuts down for a long time."),
            "partner-down conflict resolution-interrupted": (
                S.POTENTIAL_CONFLICT, "The partner has been serving as if this server were down.",
            ),
            "set-partner-down": (S.PARTNER_DOWN, "The operator said that the partner is down."),
        },
        stay={
            "normal interrupted recover-done": "Both servers agree that all is normal.",
            "conflict-done": "The main has resolved its conflicts and follows into NORMAL.",
            "update-done": "The partner has sent all that it knows; what is whose is known again.",
            "startup-over wait-over safe-period-over": "Nothing of that kind runs in NORMAL.",
        },
    ),
    *_rows(
        S.COMMUNICATIONS_INTERRUPTED, "9.9.3",
        never={"normal conflict": _FIRST_STATE},
        go={
            "normal interrupted recover-done": (S.NORMAL, "The connection to the partner is back."),
            "partner-down conflict resolution-interrupted conflict-done": (
                S.POTENTIAL_CONFLICT, "The partner has been serving as if this server were down.",
            ),
            "shutdown": (S.PARTNER_DOWN, "The partner said that it shuts down for a long time."),
            "safe-period-over": (S.PARTNER_DOWN, "The safe period is over and the partner has not come back."),
            "set-partner-down": (S.PARTNER_DOWN, "The operator said that the partner is down."),
        },
        stay={
            "recover recover-wait": "The partner is refreshing its lease database; this server serves meanwhile.",
            "paused": "The partner said that it pauses for a short time.",
            "link-down": "The connection to the partner is lost.",
            "startup-over wait-over update-done": "Nothing of that kind runs in COMMUNICATIONS-INTERRUPTED.",
        },
    ),
    *_rows(
        S.PARTNER_DOWN, "9.4.3",
        go={
            "normal interrupted partner-down conflict resolution-interrupted conflict-done": (
                S.POTENTIAL_CONFLICT, "The partner was serving clients while this server thought it down.",
            ),
            "recover-done": (S.NORMAL, "The partner has refreshed its lease database from this server."),
        },
        stay={
            "recover recover-wait": "The partner is refreshing its lease database; this server serves meanwhile.",
            "paused shutdown": "The partner serves no clients.",
            "link-down": "The partner is down or cannot be reached; this server serves all clients.",
            "set-partner-down": "This server already serves as if its partner were down.",
            "update-done": "The partner, back again, has sent all that it knows.",
            "startup-over wait-over safe-period-over": "Nothing of that kind runs in PARTNER-DOWN.",
        },
    ),
    *_rows(
        S.POTENTIAL_CONFLICT, "9.10.3",
        never={"recover-wait recover-done": _JOINS},
        go={
            "link-down": (S.RESOLUTION_INTERRUPTED, "The connection was lost while conflicts were being resolved."),
            "update-done/main": (S.CONFLICT_DONE, "The main has received all of the backup's changes."),
            "update-done/backup": (S.NORMAL, "The backup has received all of the main's changes."),
            "shutdown": (S.PARTNER_DOWN, "The partner said that it shuts down for a long time."),
        },
        do={
            "conflict-done/backup": (("ask",), "The main has received all changes; now the backup asks for its."),
            "conflict/backup": (
                ("ask-later",), "The main resolves first; what the backup asked for before, it asks for afterwards.",
            ),
        },
        refuse={"set-partner-down": "The two servers are connected and resolving conflicts; that ends in seconds."},
        stay={
            "conflict-done/main": "A backup is never in CONFLICT-DONE; the resolution goes on.",
            "normal interrupted partner-down conflict/main resolution-interrupted recover recover-wait recover-done": (
                "The partner will follow into POTENTIAL-CONFLICT; the resolution goes on."
            ),
            "paused": "The partner pauses; the resolution goes on when it is back.",
            "startup-over wait-over safe-period-over": "Nothing of that kind runs in POTENTIAL-CONFLICT.",
        },
    ),
    *_rows(
        S.RESOLUTION_INTERRUPTED, "9.11.3",
        never={"normal conflict": _FIRST_STATE, "paused": _CLOSES, "recover-wait recover-done": _JOINS},
        go={
            "normal interrupted partner-down conflict resolution-interrupted conflict-done recover recover-wait "
            "recover-done": (S.POTENTIAL_CONFLICT, "The connection is back, so resolving conflicts starts again."),
            "shutdown": (S.PARTNER_DOWN, "The partner said that it shuts down for a long time."),
            "set-partner-down": (S.PARTNER_DOWN, "The operator said that the partner is down."),
        },
        stay={
            "paused": "The partner pauses; the resolution starts again when it is back.",
            "link-down": "The connection to the partner is lost.",
            "startup-over wait-over safe-period-over update-done": "Nothing of that kind runs while interrupted.",
        },
    ),
    *_rows(
        S.CONFLICT_DONE, "9.12.3",
        never={"conflict-done": "A backup is never in CONFLICT-DONE.", "recover-wait recover-done": _JOINS},
        go={
            "normal": (S.NORMAL, "The backup has received all of the main's changes."),
            "partner-down": (S.POTENTIAL_CONFLICT, "The backup served alone since; the resolution starts again."),
            "shutdown": (S.PARTNER_DOWN, "The partner said that it shuts down for a long time."),
            "set-partner-down": (S.PARTNER_DOWN, "The operator said that the partner is down."),
        },
        stay={
            "interrupted conflict resolution-interrupted conflict-done recover recover-wait recover-done paused": (
                "The main waits until the backup has received its changes; it serves all clients."
            ),
            "link-down": "The main stays until the backup has received its changes.",
            "startup-over wait-over safe-period-over update-done": "Nothing of that kind runs in CONFLICT-DONE.",
        },
    ),
    *_rows(
        S.RECOVER, "9.5.2",
        never={
            "normal": _FIRST_STATE,
        },
        go={
            "conflict resolution-interrupted conflict-done": (
                S.POTENTIAL_CONFLICT, "The partner is resolving conflicts and waits for this server.",
            ),
            "update-done": (S.RECOVER_WAIT, "The partner has sent everything that was asked for."),
            "set-partner-down": (
                S.PARTNER_DOWN, "The operator said that the partner, which was to send its lease data, is down.",
            ),
        },
        do={
            "normal interrupted partner-down recover recover-wait recover-done": (
                ("ask",), "This server asks its partner for the lease data that it does not have.",
            ),
        },
        stay={
            "paused shutdown": "The partner goes away; this server asks again when it is back.",
            "link-down": "The connection to the partner is lost; this server asks again when it is back.",
            "startup-over wait-over safe-period-over": "Nothing of that kind runs in RECOVER.",
        },
    ),
    *_rows(
        S.RECOVER_WAIT, "9.6.2",
        never={"normal conflict": _FIRST_STATE, "resolution-interrupted conflict-done": _JOINS},
        go={
            "wait-over": (
                S.RECOVER_DONE, "Leases that this server gave before it lost data have run out or are known.",
            ),
            "set-partner-down": (S.PARTNER_DOWN, "The operator said that the partner is down."),
        },
        stay={
            " ".join(_P): "The wait goes on whatever the partner does.",
            "link-down": "The wait goes on without the connection.",
            "startup-over safe-period-over update-done": "Nothing of that kind runs in RECOVER-WAIT.",
        },
    ),
    *_rows(
        S.RECOVER_DONE, "9.7.2",
        never={"conflict resolution-interrupted conflict-done": _JOINS},
        go={
            "normal recover-done": (S.NORMAL, "Both servers have each other's lease data."),
            "conflict resolution-interrupted conflict-done": (
                S.POTENTIAL_CONFLICT, "The partner is resolving conflicts and waits for this server.",
            ),
            "shutdown": (S.PARTNER_DOWN, "The partner said that it shuts down for a long time."),
            "set-partner-down": (S.PARTNER_DOWN, "The operator said that the partner is down."),
        },
        stay={
            "interrupted partner-down recover recover-wait paused": "This server waits for its partner's NORMAL.",
            "link-down": "The connection to the partner is lost.",
            "startup-over wait-over safe-period-over update-done": "Nothing of that kind runs in RECOVER-DONE.",
        },
    ),
    *_rows(
        S.PAUSED, "9.13.2",
        never={" ".join(_CAUSES): _STOPPING},
        go={},
        refuse={"set-partner-down": "This server is stopping."},
        stay={
            " ".join(name for name in _CAUSES if name != "set-partner-down"): (
                "This server is stopping; only a restart ends this state."
            ),
        },
    ),
    *_rows(
        S.SHUTDOWN, "9.14.2",
        never={"wait-over safe-period-over": "A server that is shut down ends in moments, too few for a wait to end."},
        go={},
        do={
            "partner-down": (
                ("taken-over",), "The partner has taken over, so this server recovers from it when it starts again.",
            ),
        },
        refuse={"set-partner-down": "This server is stopping."},
        stay={
            " ".join(name for name in _CAUSES if name not in ("set-partner-down", "partner-down")): (
                "This server is stopping; only a restart ends this state."
            ),
        },
    ),
]  # fmt: skip

TABLE = Table(_ROWS, STATES, Cause, [frozenset({MAIN, BACKUP})])
"""All decisions; total over ``STATES`` and ``Cause``."""
