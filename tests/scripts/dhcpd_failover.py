"""A scripted ISC dhcpd's side of failover: states, updates, leases and the balance of the shares, faults included.

Source: observed behaviour of ISC dhcpd 4.4.3-P1; its server/failover.c and server/mdb.c.
"""

from __future__ import annotations

from dataclasses import dataclass

from dhcpd_wire import (
    BNDACK,
    BNDUPD,
    NEVER,
    POOLREQ,
    POOLRESP,
    STATE,
    UPDDONE,
    UPDREQ,
    UPDREQALL,
    Connections,
    Harmed,
    number,
)
from pair import World

from tandem.base.ipv4 import parse_ipv4

FREE, ACTIVE, EXPIRED, RELEASED, ABANDONED, RESET, BACKUP = range(1, 8)
STARTUP, NORMAL, INTERRUPTED, PARTNER_DOWN, CONFLICT, RECOVER, PAUSED, SHUTDOWN, RECOVER_DONE = range(1, 10)
RESOLUTION_INTERRUPTED, CONFLICT_DONE, RECOVER_WAIT = 10, 11, 254
STATES = {
    0: "UNKNOWN", 1: "STARTUP", 2: "NORMAL", 3: "COMMUNICATIONS-INTERRUPTED", 4: "PARTNER-DOWN",
    5: "POTENTIAL-CONFLICT", 6: "RECOVER", 7: "PAUSED", 8: "SHUTDOWN", 9: "RECOVER-DONE",
    10: "RESOLUTION-INTERRUPTED", 11: "CONFLICT-DONE", 254: "RECOVER-WAIT",
}  # fmt: skip
CONFLICTS = (CONFLICT, RESOLUTION_INTERRUPTED, CONFLICT_DONE)

_FOREVER = 0x7FFFFFFF
_ACK_S, _MIN_BALANCE_S, _MAX_BALANCE_S = 2, 60, 3600
_BALANCE_PCT, _HOLD_PCT = 15, 10


@dataclass(eq=False)
class Lease:
    """What dhcpd keeps of an address. Times by its own clock."""

    address: int
    state: int = FREE
    desired: int = FREE
    """The state that an update in line, or on its way, tells of."""
    rewind: int = FREE
    """The state to which it may go back alone: what the partner knows."""
    starts: int = 0
    ends: int = 0
    tstp: int = 0
    tsfp: int = 0
    atsfp: int = 0
    cltt: int = 0
    hardware: bytes = b""
    client_id: bytes = b""
    xid: int = 0


class Relation(Connections):
    """A failover relationship as dhcpd has it, with its leases. ``main``: it is the primary."""

    def __init__(
        self, world: World, main: bool, window: int, mclt_s: int, first: str, last: str, split: int
    ) -> None:  # fmt: skip
        super().__init__(world, main, window, mclt_s, split)
        self.leases = {a: Lease(a) for a in range(parse_ipv4(first), parse_ipv4(last) + 1)}
        self._me, self.since, self.partner_state = RECOVER, 0, 0
        """``_me``: its state as in its lease file, not STARTUP."""
        self.refused: list[tuple[int, int]] = []
        """(address, reason) of each update that it refused."""
        self.refusals: list[tuple[int, int]] = []
        """(address, reason) of each update of its own that was refused."""
        self.states: list[str] = []
        """The failover states that it has been in."""
        self._timed: dict[int, Lease] = {}
        """Those whose state may change by themselves."""
        self.forget()

    def forget(self) -> None:
        """What does not survive its end."""
        self.no_connection()
        self.starting = True
        self._line: list[Lease] = []
        self._flying: list[Lease] = []
        self._acks: list[tuple[int, int]] = []
        self._acks_at = self._balance_at = self._recovered_at = self._startup_at = NEVER
        self._last_balance = 0
        self._update_done: Lease | None = None
        self._update_xid = 0

    @property
    def state(self) -> str:
        """Its failover state, as operators see it."""
        return STATES[STARTUP if self.starting else self._me]

    def active(self) -> dict[int, tuple[bytes, bytes, int]]:
        """The leases that run, as ``Server.active`` tells them."""
        return {
            lease.address: (lease.hardware, lease.client_id, lease.ends)
            for lease in self._timed.values() if lease.state == ACTIVE
        }  # fmt: skip

    def count(self, state: int) -> int:
        """How many addresses are in a binding state."""
        return sum(lease.state == state for lease in self.leases.values())

    def tell(self, lease: Lease) -> None:
        """Put an update of a lease as it is now in line."""
        lease.desired = lease.state
        self._line.append(lease)

    def _tick(self) -> None:
        now = self.now
        if self._startup_at <= now:
            self.disconnected()
        self._link_tick()
        if self._acks_at <= now:
            self._flush_acks()
        if self._recovered_at <= now:
            self._recovered_at = NEVER
            if self._me == RECOVER_WAIT:
                self._set_state(RECOVER_DONE)
        for lease in [lease for lease in self._timed.values() if self._end_of(lease) <= now]:
            self._end(lease)
        if self._balance_at <= now:
            self._balance_at = NEVER
            if self._balance(ask=True):
                self.send(POOLREQ)

    def message(self, kind: int, xid: int, options: dict[int, bytes]) -> None:
        """Act on a message on the connection that is set up."""
        if kind == STATE:
            self._partner_is(options[24][0], bool(options.get(23, b"\0")[0] & 1))
        elif kind == BNDUPD:
            self._update(xid, options)
        elif kind == BNDACK:
            self._acknowledged(xid, options)
        elif kind in (UPDREQ, UPDREQALL):
            self._asked(kind == UPDREQALL, xid)
        elif kind == UPDDONE:
            self._told_all()
        elif kind == POOLREQ:
            given = self._balance(ask=False, hold_back=True)
            self.send(POOLRESP, (1, number(given)), xid=xid)
            self.flush_updates()

    # --- failover states --------------------------------------------------------------------------------

    def announce(self) -> None:
        """Say STATE."""
        state = bytes((self._me, self.starting, 0))
        self.send(STATE, (24, state[:1]), (23, state[1:2]), (25, number(self.since)))

    def disconnected(self) -> None:
        """The connection is gone."""
        self._acks_at = NEVER
        self._acks.clear()
        self._startup_at = NEVER
        if self._me == CONFLICT_DONE:
            self._rescind()
        if self._me in (NORMAL, CONFLICT):
            self._set_state(INTERRUPTED if self._me == NORMAL else RESOLUTION_INTERRUPTED)
        elif self.starting:
            self._set_state(self._me)

    def _set_state(self, state: int) -> None:
        if state == SHUTDOWN:
            raise Harmed(f"it goes from {self.state} to SHUTDOWN for good; the partner is {STATES[self.partner_state]}")
        if not self.starting:
            if self._me in (NORMAL, CONFLICT, PARTNER_DOWN):
                self._rescind()
            if state != RECOVER_WAIT:
                self.since = self.now
        self.starting = False
        self._startup_at = NEVER
        self._me = state
        self.states.append(self.state)
        if self.link is not None:
            self.announce()
        if state == NORMAL:
            self._balance(ask=False)
            self._queue(everything=False)
            self.flush_updates()
        elif state == CONFLICT and self.link is not None:
            if self.main or self.partner_state == CONFLICT_DONE:
                self.send(UPDREQ)
        elif state == RECOVER and self.link is not None:
            self.send(UPDREQALL)
        elif state == RECOVER_WAIT:
            self._recovered_at = max(self.since + self.mclt_s, self.now)
        elif state == PARTNER_DOWN:
            for lease in self.leases.values():
                if lease.state in (EXPIRED, RELEASED, RESET):
                    lease.tsfp = self.since + self.mclt_s

    def _partner_is(self, theirs: int, startup: bool) -> None:
        before, self.partner_state = self.partner_state, theirs
        if theirs not in STATES:
            raise Harmed(f"an unknown state, {theirs}, sends it to SHUTDOWN")
        if before == theirs:
            if self.starting:
                self._set_state(CONFLICT if self._me == RESOLUTION_INTERRUPTED else self._me)
                return
            if self._me in (NORMAL, CONFLICT, RECOVER_DONE, RECOVER_WAIT, SHUTDOWN, PAUSED):
                return
        target = self._target(theirs, before, startup)
        if target is not None:
            if self._me == INTERRUPTED and target == NORMAL:
                self.flush_updates()
            self._set_state(target)
        if self.starting:
            self._set_state(self._me)

    def _target(self, theirs: int, before: int, startup: bool) -> int | None:
        """The state that the partner's state leads to; None: it stays."""
        state = self._me
        if theirs == SHUTDOWN and state not in (PARTNER_DOWN, RECOVER_WAIT, SHUTDOWN, PAUSED):
            return SHUTDOWN if state == CONFLICT_DONE else PARTNER_DOWN
        if state == NORMAL:
            if theirs == PARTNER_DOWN:
                return RECOVER if self.starting else CONFLICT
            if theirs in CONFLICTS:
                return SHUTDOWN
            return {RECOVER: PARTNER_DOWN, PAUSED: INTERRUPTED}.get(theirs)
        if state == INTERRUPTED:
            if theirs in (*CONFLICTS, PARTNER_DOWN):
                return CONFLICT
            if theirs in (NORMAL, INTERRUPTED, RECOVER_DONE, RECOVER_WAIT):
                return NORMAL
            return PARTNER_DOWN if theirs == RECOVER else None
        if state == PARTNER_DOWN:
            if startup or theirs in (RECOVER, RECOVER_WAIT, PAUSED, SHUTDOWN):
                return None
            return NORMAL if theirs == RECOVER_DONE else CONFLICT
        if state == RECOVER:
            if theirs in (NORMAL, *CONFLICTS):
                return CONFLICT
            if theirs in (RECOVER, INTERRUPTED, PARTNER_DOWN) and not self.starting:
                self.send(UPDREQALL)
            return None
        if state == RECOVER_DONE:
            return NORMAL if theirs in (NORMAL, RECOVER_DONE) else None
        if state == CONFLICT:
            if theirs == CONFLICT_DONE and before == CONFLICT:
                self.send(UPDREQ)
            return {NORMAL: SHUTDOWN, RECOVER: RECOVER}.get(theirs)
        if state == RESOLUTION_INTERRUPTED:
            return None if theirs == PAUSED else CONFLICT
        if state == CONFLICT_DONE and theirs not in (CONFLICT, RESOLUTION_INTERRUPTED):
            if theirs != NORMAL:
                raise Harmed(f"it exits: in CONFLICT-DONE it hears {STATES[theirs]}")
            return NORMAL
        return None

    def _told_all(self) -> None:
        if self._me == CONFLICT:
            if self.partner_state == CONFLICT_DONE:
                self._set_state(SHUTDOWN if self.main else NORMAL)
            elif self.main:
                self._set_state(CONFLICT_DONE)
        elif self._me == RECOVER:
            waits = self.since + self.mclt_s > self.now and self.partner_state not in (RECOVER, RECOVER_DONE)
            self._set_state(RECOVER_WAIT if waits else RECOVER_DONE)

    # --- updates ----------------------------------------------------------------------------------------

    def _queue(self, everything: bool) -> None:
        """Put in line what the partner has not acknowledged, or every address."""
        for state in (FREE, ACTIVE, EXPIRED, RELEASED, RESET, ABANDONED, BACKUP):
            for lease in self.leases.values():
                waits = everything or lease.tstp > lease.atsfp or state in (EXPIRED, RELEASED, RESET)
                if lease.state == state and waits and lease not in self._line and lease not in self._flying:
                    lease.desired = lease.state
                    self._line.append(lease)

    def _rescind(self) -> None:
        self._line = self._flying + self._line
        self._flying = []

    def _asked(self, everything: bool, xid: int) -> None:
        self._queue(everything)
        self._update_xid = xid
        self._update_done = self._line[-1] if self._line else None
        if self._update_done is None:
            self.send(UPDDONE, xid=xid)
        self.flush_updates()

    def flush_updates(self) -> None:
        """Send what is in line, as far as the partner's window allows."""
        if self.link is None:
            return
        self._flush_acks()
        while self._line and len(self._flying) < self.partner_window:
            lease = self._line.pop(0)
            self._flying.append(lease)
            lease.rewind = lease.state
            self._xid = self._xid or 1
            options = [(2, number(lease.address)), (3, bytes((lease.desired,)))]
            options += [(4, lease.client_id)] if lease.client_id else []
            options += [(5, lease.hardware)] if lease.hardware else []
            options += [
                (code, number(value))
                for code, value in ((13, lease.ends), (18, lease.tstp), (25, lease.starts), (6, lease.cltt))
                if value or code != 6
            ]
            lease.xid = self.send(BNDUPD, *options)

    def _flush_acks(self) -> None:
        self._acks_at = NEVER
        for address, xid in self._acks:
            self.send(BNDACK, (2, number(address)), xid=xid)
        self._acks.clear()

    def _acknowledged(self, xid: int, options: dict[int, bytes]) -> None:
        lease = self.leases[int.from_bytes(options[2], "big")]
        if 4 in options and 18 not in options:
            raise Harmed("an acknowledgement with a client identifier makes it forget the time agreed on")
        if 21 in options:
            self.refusals.append((lease.address, options[21][0]))
        elif lease.xid:
            if lease.xid != xid:
                return
            lease.atsfp = lease.tsfp = lease.tstp
            if lease.desired in (EXPIRED, RELEASED, RESET):
                lease.desired = lease.rewind = FREE
                self._become(lease, FREE)
            elif lease.desired != lease.state:
                self._become(lease, lease.desired)
        if lease in self._flying:
            self._flying.remove(lease)
            lease.xid = 0
        if self._update_done is lease:
            self._update_done = None
            self.send(UPDDONE, xid=self._update_xid)
        self.flush_updates()

    def _better(self, lease: Lease, status: int, cltt: int) -> bool:
        """Whether its own update, which is on the way, counts more than the partner's."""
        ours = lease.desired
        if ours == ACTIVE and status == ACTIVE:
            return self.main if cltt == lease.cltt else cltt < lease.cltt
        if (ours == ACTIVE and status == EXPIRED) or status == ACTIVE:
            return False
        return self.main

    def _update(self, xid: int, options: dict[int, bytes]) -> None:
        def value(code: int, otherwise: int = 0) -> int:
            return int.from_bytes(options[code], "big") if code in options else otherwise

        def refuse(reason: int, text: str) -> None:
            self.refused.append((address, reason))
            self.send(BNDACK, (2, options[2]), (21, bytes((reason,))), (16, text.encode()), xid=xid)

        address, status = value(2), value(3)
        lease = self.leases.get(address)
        if not 1 <= status <= 7:
            raise Harmed(f"it exits: binding-status {status}")
        if lease is None:
            refuse(1, "unknown IP address")
            return
        if lease in self._flying:
            if self._better(lease, status, value(6)):
                refuse(16, "incoming update is less critical than outgoing update")
                return
            self._flying.remove(lease)
            lease.xid = 0
        if status == ABANDONED and (4 in options or 5 in options):
            raise Harmed("it refuses an ABANDONED with a client")
        if 5 not in options and status in (ACTIVE, EXPIRED, RELEASED):
            raise Harmed("it refuses a lease without hardware address")
        if int.from_bytes(options.get(12, b"\0"), "big") & 3 and lease.state == (FREE if self.main else BACKUP):
            refuse(19, "Address is not reserved.")
            return
        if not self._allowed(lease, status, value(18)):
            refuse(2, "invalid state transition")
            return
        lease.hardware = options.get(5, b"" if status == ABANDONED else lease.hardware)
        keeps = status in (FREE, BACKUP, RESET)
        lease.client_id = options.get(4, lease.client_id if keeps else b"")
        lease.starts, lease.ends = value(25, lease.starts), value(13, lease.ends)
        if 18 in options:
            lease.tsfp = lease.atsfp = value(18)
        after = FREE if status in (EXPIRED, RELEASED, RESET) else status
        lease.rewind = after
        self._become(lease, after)
        self._acks.append((address, xid))
        if len(self._acks) >= self.partner_window // 2:
            self._flush_acks()
        else:
            self._acks_at = self.now + _ACK_S

    def _allowed(self, lease: Lease, status: int, potential: int) -> bool:
        state, now = lease.state, self.now
        if status == state or state not in (ACTIVE, EXPIRED, RESET):
            return True
        if state == ACTIVE:
            if self._me == NORMAL and self.main:
                return status in (RELEASED, ABANDONED)
            if status == EXPIRED:
                return lease.ends - 65 <= now
            if status in (FREE, BACKUP):
                return self._me == NORMAL and potential <= now
            return True
        return self._me != NORMAL or status not in (FREE, BACKUP) or potential <= now

    # --- leases -----------------------------------------------------------------------------------------

    def _become(self, lease: Lease, state: int, propagate: bool = False) -> None:
        if state in (FREE, BACKUP) and lease.state in (ACTIVE, EXPIRED, RELEASED):
            lease.tstp = lease.ends
        touched = FREE in (state, lease.state) or BACKUP in (state, lease.state)
        lease.state = state
        if state in (FREE, BACKUP):
            self._timed.pop(lease.address, None)
        else:
            self._timed[lease.address] = lease
        if state in (EXPIRED, RELEASED, RESET) and self._me == PARTNER_DOWN:
            lease.tsfp = self.since + self.mclt_s
        if propagate:
            lease.atsfp = 0
            lease.desired = state
            if lease in self._flying:
                self._flying.remove(lease)
                lease.xid = 0
            if lease not in self._line:
                self._line.append(lease)
        if touched and self._me == NORMAL and not self.starting:
            self._look_at_balance()

    def _end_of(self, lease: Lease) -> float:
        """When it changes the state of a lease by itself."""
        if lease.state == ACTIVE and lease.ends < _FOREVER and (self.main or self._me != NORMAL or self.starting):
            return lease.ends
        if lease.state in (EXPIRED, RELEASED, RESET) and self._me == PARTNER_DOWN:
            return max(lease.tsfp, lease.ends)
        return NEVER

    def _end(self, lease: Lease) -> None:
        own = FREE if self.main else BACKUP
        if lease.state != ACTIVE:
            self._become(lease, FREE, propagate=True)
        elif self._me == INTERRUPTED and lease.rewind == own:
            self._become(lease, own, propagate=True)
        else:
            self._become(lease, EXPIRED, propagate=True)
        self.flush_updates()

    def _look_at_balance(self) -> None:
        """When to look after the shares: the sooner, the faster addresses are used."""
        now, estimates = self.now, []
        for state in (FREE, BACKUP):
            ends = min((lease.ends for lease in self.leases.values() if lease.state == state), default=now)
            age = now - ends if ends < now else 0
            twice = 2 if state == (FREE if self.main else BACKUP) else 1
            estimates.append(twice * (age * _BALANCE_PCT + 50) // 100)
        at = now + min(*estimates, _MAX_BALANCE_S)
        if self._last_balance:
            at = max(at, self._last_balance + _MIN_BALANCE_S)
        self._balance_at = min(self._balance_at, at)

    def _balance(self, ask: bool, hold_back: bool = False) -> int:
        """Give the partner what it lacks; return how many addresses, or with ``ask`` whether to send POOLREQ."""
        if self._me != NORMAL:
            return 0
        mine, other = (FREE, BACKUP) if self.main else (BACKUP, FREE)
        self._last_balance, self._balance_at = self.now, NEVER
        total = self.count(FREE) + self.count(BACKUP)
        surplus = int((self.count(mine) - self.count(other)) / 2)
        wanted = ask and surplus < (-2 * ((total * _BALANCE_PCT + 50) // 100) or -1)
        hold = (total * _HOLD_PCT + 50) // 100
        given = 0
        for lease in sorted(self.leases.values(), key=lambda lease: (lease.ends, lease.address)):
            if lease.state != mine:
                continue
            if surplus <= (hold if lease.ends else 0):
                break
            lease.tstp = lease.starts = self.now
            self._become(lease, other, propagate=True)
            surplus -= 1
            given += 1
        self._look_at_balance()
        if not hold_back:
            self.flush_updates()
        return wanted if ask else given
