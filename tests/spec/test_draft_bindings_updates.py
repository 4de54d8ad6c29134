"""Draft sections 5.11 to 5.13, 5.16, 5.17 and 7.1 to 7.5, rule by rule in our words: binding updates between a pair."""

from __future__ import annotations

import pytest
from pair import Client, Server, World, config, scope

from tandem.base.io import Effect, Send
from tandem.base.ipv4 import parse_ipv4
from tandem.base.units import FOREVER
from tandem.config.compiled import CompiledScope, EffectivePolicy, ServerConfig
from tandem.failover import telling
from tandem.failover.clock import Skew
from tandem.failover.updates import UpdateQueue
from tandem.lease.binding import (
    ABANDONED,
    ACTIVE,
    BACKUP,
    BOOTP_FLAG,
    EXPIRED,
    FREE,
    KEPT_BYTES,
    RELEASED,
    RESERVED_FLAG,
    RESET,
    Binding,
    Status,
)
from tandem.lease.book import Book
from tandem.wire import dhcp
from tandem.wire.failover import BindingAck, BindingUpdate, Frame, Update, UpdateDone, UpdateRequestAll, decode

HARDWARE = b"\x01\x02\0\0\0\0\x07"
FIRST = parse_ipv4("192.168.50.10")
LAST = 1_799_999_000


class Wire:
    """Everything that a server is told by its partner, in order, from now on."""

    def __init__(self, server: Server) -> None:
        self.frames: list[Frame] = []
        handle = server.handle

        def listen(event: object) -> object:
            data = getattr(event, "data", b"") if hasattr(event, "link") else b""
            while data:
                size = int.from_bytes(data[:2], "big")
                self.frames.append(decode(data[:size]))
                data = data[size:]
            return handle(event)

        server.handle = listen  # type: ignore[method-assign,assignment]

    def of(self, kind: type) -> list[Frame]:
        return [frame for frame in self.frames if isinstance(frame.message, kind)]

    def updates(self) -> list[Update]:
        return [u for f in self.of(BindingUpdate) for u in f.message.updates]  # type: ignore[union-attr]


def cut_after(server: Server, kind: type) -> None:
    """Nothing gets through any more once the server has been told something of this kind, and has answered it."""
    handle = server.handle

    def listen(event: object) -> object:
        data = getattr(event, "data", b"") if hasattr(event, "link") else b""
        found = handle(event)
        if data and isinstance(decode(data[: int.from_bytes(data[:2], "big")]).message, kind):
            server.world.cut = True
            server.handle = handle  # type: ignore[method-assign]
        return found

    server.handle = listen  # type: ignore[method-assign,assignment]


def say(server: Server, message: BindingUpdate) -> None:
    """Let a server tell its partner something, whatever it knows itself."""
    link = server.endpoint.link
    assert link is not None
    out: list[Effect] = []
    link.send(message, server.now, out)
    server.perform(out)
    server.world.settle()


def binding(server: Server, address: int) -> Binding:
    assert server.node is not None
    return server.node.book.by_address[address]


def reload(world: World, server: Server, wanted: ServerConfig) -> None:
    out: list[Effect] = []
    assert server.node is not None
    server.node.reload(world.now, wanted, out)
    server.perform(out)
    world.settle()


class TestContents:
    """Section 7.1, table 7.1-1, status by status, as the update of a binding that knows everything."""

    def update(self, status: int, flags: int = 0) -> Update:
        book = Book(ServerConfig(scopes=[scope()], networks=[]))
        one = Binding(FIRST, status)
        one.hardware, one.client_id, one.flags = HARDWARE, b"id", flags
        one.expires, one.start_of_state, one.last_transaction = LAST + 3600, LAST + 1, LAST
        one.sent_potential = LAST + 7200
        one.options, one.reply_options, one.ddns = b"\x0c\x01a", b"\x3a\x04\0\0\7\x08", b"\0\1\1a\0"
        return UpdateQueue(book, True, Skew())._update_of(one, [])

    @pytest.mark.parametrize("status", list(Status))
    def test_times_of_a_lease_go_with_active_alone(self, status: Status) -> None:
        update = self.update(status)
        assert (update.expires is not None) == (update.potential is not None) == (status == ACTIVE)

    def test_the_potential_expiration_is_beyond_the_lease(self) -> None:
        update = self.update(ACTIVE)
        assert update.expires is not None and update.potential is not None and update.potential > update.expires

    @pytest.mark.parametrize("status", list(Status))
    def test_the_client_goes_with_all_but_abandoned(self, status: Status) -> None:
        update = self.update(status)
        known = status != ABANDONED
        assert (update.hardware, update.client_id) == ((HARDWARE, b"id") if known else (b"", b""))
        assert update.last_transaction == (LAST if known else None)

    @pytest.mark.parametrize("status", list(Status))
    def test_start_of_state_always(self, status: Status) -> None:
        assert self.update(status).start_of_state == LAST + 1

    @pytest.mark.parametrize("status", list(Status))
    def test_options_of_the_request_go_with_active_and_released_of_the_reply_with_active(self, status: Status) -> None:
        update = self.update(status)
        assert update.request_options == (b"\x0c\x01a" if status in (ACTIVE, RELEASED) else b"")
        assert update.reply_options == (b"\x3a\x04\0\0\7\x08" if status == ACTIVE else b"")

    def test_flags(self) -> None:
        """R while the address is reserved here, B for a BOOTP client."""
        assert self.update(ACTIVE, BOOTP_FLAG).flags == BOOTP_FLAG
        assert self.update(ACTIVE, RESERVED_FLAG).flags == RESERVED_FLAG
        assert self.update(ACTIVE).flags == 0

    def test_ddns_as_known(self) -> None:
        assert self.update(EXPIRED).ddns == (1, b"\1a\0")


class TestInterestingOptions:
    """Tables 7.1.1-2 and 7.1.1-3; section 7.1.4."""

    def test_renewal_times_travel_and_are_kept(self) -> None:
        world = World().pair()
        wire = Wire(world.backup)
        client = Client(world, 1)
        assert client.lease(world.main)
        world.run(1)
        (update,) = wire.updates()
        assert dhcp.unpack_options(update.reply_options) == {
            58: (1800).to_bytes(4, "big"), 59: (3150).to_bytes(4, "big")
        }  # fmt: skip
        assert binding(world.backup, client.address).reply_options == update.reply_options

    def test_the_options_of_the_request_travel_and_no_others(self) -> None:
        """The six of table 7.1.1-2, with the lease and, remembered, with its release."""
        world = World().pair()
        wire = Wire(world.backup)
        client = Client(world, 1)
        lan = parse_ipv4("192.168.50.0").to_bytes(4, "big")
        wanted = {12: b"anna", 60: b"phone-1", 77: b"\x03lab", 81: b"\0\0\0anna.lan", 82: b"\1\4port", 118: lan}
        client.extra = wanted | {57: b"\x05\xdc", 61: b"\x01me", 93: b"\0\0"}
        assert client.lease(world.main)
        world.run(1)
        client.extra = {61: b"\x01me"}
        client.release()
        world.run(1)
        leased, released = wire.updates()
        assert (leased.status, released.status) == (ACTIVE, RELEASED)
        assert dhcp.unpack_options(leased.request_options) == wanted
        assert released.request_options == leased.request_options
        assert binding(world.backup, leased.address).hardware == b"\x01" + client.chaddr

    @pytest.mark.parametrize("extra", [{}, {61: b"\xffme"}])
    def test_a_client_identifier_goes_with_clients_that_use_one(self, extra: dict[int, bytes]) -> None:
        """And the hardware address with its type with each."""
        world = World().pair()
        wire = Wire(world.backup)
        client = Client(world, 1)
        client.extra = extra
        assert client.lease(world.main)
        world.run(1)
        (update,) = wire.updates()
        assert (update.hardware, update.client_id) == (b"\x01" + client.chaddr, extra.get(61, b""))

    def test_what_is_too_large_is_kept_in_part_and_what_cannot_be_read_not_at_all(self) -> None:
        world = World().pair()
        update = Update(FIRST, ACTIVE, hardware=HARDWARE, expires=int(world.now) + 60, potential=int(world.now) + 90)
        update.request_options = dhcp.pack_option(82, b"r" * 200) + dhcp.pack_option(77, b"u" * 600)
        update.reply_options = b"\x3a\x09short"
        say(world.main, BindingUpdate([update]))
        there = binding(world.backup, FIRST)
        assert dhcp.unpack_options(there.options) == {82: b"r" * 200} and len(there.options) <= KEPT_BYTES
        assert there.reply_options == b""
        client = Client(world, 7)
        client.chaddr, client.address = HARDWARE[1:], FIRST
        assert client.renew(world.backup)

    def test_another_client_inherits_nothing(self) -> None:
        world = World().pair()
        update = Update(FIRST, ACTIVE, hardware=HARDWARE, expires=int(world.now) + 5, potential=int(world.now) + 5)
        update.ddns, update.reply_options = (3, b"\1a\0"), b"\x3a\x04\0\0\7\x08"
        say(world.main, BindingUpdate([update]))
        other = Update(FIRST, ACTIVE, hardware=HARDWARE[:-1] + b"\x08", expires=int(world.now) + 60)
        say(world.main, BindingUpdate([other]))
        there = binding(world.backup, FIRST)
        assert (there.hardware, there.ddns, there.reply_options) == (other.hardware, b"", b"")


class TestDdns:
    """Sections 5.12.2 and 12.9."""

    def told(self) -> World:
        world = World().pair()
        end = int(world.now) + 9000
        update = Update(FIRST, ACTIVE, hardware=HARDWARE, expires=end, potential=end)
        update.ddns = (0xFFF3, b"\1a\3lan\0")
        update.last_transaction = int(world.now)
        say(world.main, BindingUpdate([update]))
        return world

    def test_what_the_partner_says_is_kept_without_undefined_bits(self) -> None:
        assert binding(self.told().backup, FIRST).ddns == b"\0\3\1a\3lan\0"

    def test_a_server_without_dns_updates_warns_once(self) -> None:
        world = self.told()
        again = Update(FIRST + 1, ACTIVE, hardware=HARDWARE, expires=int(world.now) + 60, ddns=(2, b"\1b\0"))
        say(world.main, BindingUpdate([again]))
        assert sum("06168" in line for line in world.backup.notes) == 1

    def test_it_is_given_back_to_a_partner_that_lost_its_database_and_survives_our_restart(self) -> None:
        world = self.told()
        world.backup.crash()
        world.backup.boot()
        world.main.crash(keep_disk=False)
        world.run(1)
        world.main.boot()
        world.run(60)
        assert binding(world.main, FIRST).ddns == b"\0\3\1a\3lan\0"

    def test_without_dns_updates_nothing_is_said_of_them(self) -> None:
        world = World().pair()
        wire = Wire(world.backup)
        assert Client(world, 1).lease(world.main)
        world.run(1)
        assert [u.ddns for u in wire.updates()] == [None]

    def test_what_is_no_name_is_not_kept(self) -> None:
        world = World().pair()
        update = Update(FIRST, ACTIVE, hardware=HARDWARE, expires=int(world.now) + 60, ddns=(1, b"x" * 256))
        say(world.main, BindingUpdate([update]))
        assert binding(world.backup, FIRST).ddns == b""


class TestStatuses:
    """Section 5.11 and figure 5.11-1: the end of a lease needs both servers' word."""

    @pytest.mark.parametrize("status", [EXPIRED, RELEASED, RESET])
    def test_the_receiver_makes_it_free_at_once(self, status: int) -> None:
        world = World().pair()
        client = Client(world, 1)
        assert client.lease(world.main)
        world.run(3600 + 10)  # over, but not yet declared over: there is a grace period below
        update = Update(client.address, status, hardware=b"\x01" + client.chaddr, last_transaction=int(world.now))
        say(world.main, BindingUpdate([update]))
        assert binding(world.backup, client.address).status == FREE

    def test_the_sender_makes_it_free_when_it_is_acknowledged(self) -> None:
        world = World().pair()
        client = Client(world, 1)
        assert client.lease(world.main)
        world.run(1)
        address = client.address
        client.release()
        assert binding(world.main, address).status == RELEASED
        world.run(1)
        assert binding(world.main, address).status == FREE
        assert binding(world.backup, address).status == FREE

    def test_what_the_backup_gave_comes_back_to_the_main(self) -> None:
        """An address is the main's when it is free again, whoever gave it."""
        world = World().pair()
        world.cut = True
        world.run(120)
        client = Client(world, 1)
        assert client.lease(world.backup)
        address = client.address
        world.cut = False
        world.run(60)
        client.release()
        world.run(1)
        assert binding(world.main, address).status == FREE

    def test_nothing_is_freed_while_interrupted(self) -> None:
        world = World().pair()
        client = Client(world, 1)
        assert client.lease(world.main)
        world.run(1)
        world.cut = True
        world.run(86400)
        assert binding(world.main, client.address).status == EXPIRED

    def test_a_lease_that_ran_out_says_when_the_client_was_heard(self) -> None:
        """Not when it ran out (section 7.1.3)."""
        world = World().pair()
        client = Client(world, 1)
        heard = int(world.now)
        assert client.lease(world.main)
        wire = Wire(world.backup)
        world.run(3700)
        assert [u.last_transaction for u in wire.updates() if u.status == EXPIRED] == [heard]

    def test_the_grace_period_is_waited_out_before_the_partner_is_told(self) -> None:
        world = World(lambda: config(True, scope(grace_s=600)), lambda: config(False, scope(grace_s=600))).pair()
        client = Client(world, 1)
        assert client.lease(world.main)
        wire = Wire(world.backup)
        world.run(3600 + 590)
        assert EXPIRED not in [u.status for u in wire.updates()]
        world.run(60)
        assert EXPIRED in [u.status for u in wire.updates()]


class TestTwoAddressesOneClient:
    """Section 7.1.2."""

    def test_both_are_kept_the_later_counts_on_both_and_it_is_said(self) -> None:
        short = scope(lease_s=7200)
        world = World(lambda: config(True, short), lambda: config(False, short)).pair()
        world.cut = True
        world.run(120)
        client = Client(world, 1)
        assert client.lease(world.main)
        first = client.address
        world.run(10)
        assert client.lease(world.backup)
        second = client.address
        assert first != second
        world.cut = False
        world.run(60)
        world.books_agree()
        for server in (world.main, world.backup):
            assert {first, second} == set(server.active())
            assert any("06167" in line for line in server.notes)
        assert client.lease(world.main) and client.address == second
        assert client.renew(world.backup) and client.address == second
        world.run(2 * 7200)
        assert set(world.main.active()) == set()

    def test_in_the_same_second_both_servers_choose_the_same(self) -> None:
        world = World().pair()
        for address in (FIRST + 1, FIRST):
            update = Update(address, ACTIVE, hardware=HARDWARE, expires=int(world.now) + 600, last_transaction=5)
            say(world.main, BindingUpdate([update]))
        node = world.backup.node
        assert node is not None
        found = node.book.clients.find(node.config.networks[0], b"h" + HARDWARE)
        assert found is not None and found.address == FIRST


class TestReservations:
    """Section 5.13."""

    KEY = b"h" + HARDWARE
    ADDRESS = parse_ipv4("192.168.50.77")

    def scope(self, reserved: bool = True) -> CompiledScope:
        return scope(reservations={"192.168.50.77": self.KEY} if reserved else None)

    def world(self) -> World:
        return World(lambda: config(True, self.scope()), lambda: config(False, self.scope())).pair()

    def test_free_on_the_main_backup_with_the_r_bit_to_the_backup(self) -> None:
        world = World(lambda: config(True, self.scope()), lambda: config(False, self.scope()))
        wire = Wire(world.backup)
        world.pair()
        assert (BACKUP, RESERVED_FLAG) in [(u.status, u.flags) for u in wire.updates() if u.address == self.ADDRESS]
        assert binding(world.main, self.ADDRESS).status == FREE
        assert binding(world.backup, self.ADDRESS).status == BACKUP

    def test_only_its_client_gets_it_from_either(self) -> None:
        world = self.world()
        world.cut = True
        world.run(120)
        client = Client(world, 7)
        client.chaddr = HARDWARE[1:]
        assert client.lease(world.backup) and client.address == self.ADDRESS
        other = Client(world, 8)
        assert other.lease(world.backup) and other.address != self.ADDRESS

    def test_a_reservation_on_the_backup_alone_is_refused_with_reason_19(self) -> None:
        world = World(lambda: config(True, self.scope()), lambda: config(False, self.scope(False)))
        wire = Wire(world.main)
        world.pair()
        rejects = [a.reject for f in wire.of(BindingAck) for a in f.message.answers if a.reject]  # type: ignore[union-attr]
        assert set(rejects) == {19}
        assert world.main.state == world.backup.state == "NORMAL"

    def test_cancelled_on_the_main_free_without_the_r_bit_is_told_and_nobody_gets_it_before_that(self) -> None:
        world = self.world()
        wire = Wire(world.backup)
        world.cut = True
        world.run(120)
        reload(world, world.main, config(True, self.scope(False)))
        assert binding(world.main, self.ADDRESS).status == BACKUP, "the backup may give it to the client"
        world.cut = False
        reload(world, world.backup, config(False, self.scope(False)))
        world.run(120)
        assert [(u.status, u.flags) for u in wire.updates() if u.address == self.ADDRESS][-1] == (FREE, 0)
        for server in (world.main, world.backup):
            assert (binding(server, self.ADDRESS).status, binding(server, self.ADDRESS).flags) == (FREE, 0)

    def test_cancelled_on_the_backup_free_without_the_r_bit_is_told(self) -> None:
        world = self.world()
        wire = Wire(world.main)
        reload(world, world.backup, config(False, self.scope(False)))
        world.run(10)
        assert [(u.status, u.flags) for u in wire.updates() if u.address == self.ADDRESS] == [(FREE, 0)]
        assert binding(world.backup, self.ADDRESS).status == FREE

    def test_cancelled_while_leased_the_lease_goes_on_and_ends_as_any(self) -> None:
        world = self.world()
        client = Client(world, 7)
        client.chaddr = HARDWARE[1:]
        assert client.lease(world.main) and client.address == self.ADDRESS
        for server, main in ((world.main, True), (world.backup, False)):
            reload(world, server, config(main, self.scope(False)))
        world.run(10)
        assert binding(world.backup, self.ADDRESS).flags == 0 == binding(world.main, self.ADDRESS).flags
        assert client.renew(world.main)

    def test_made_for_an_address_that_has_a_record(self) -> None:
        world = World(lambda: config(True, self.scope(False)), lambda: config(False, self.scope(False))).pair()
        client = Client(world, 7)
        client.chaddr = HARDWARE[1:]
        update = Update(self.ADDRESS, ACTIVE, hardware=HARDWARE, expires=int(world.now) + 900)
        say(world.backup, BindingUpdate([update]))
        say(world.main, BindingUpdate([update]))
        for server, main in ((world.main, True), (world.backup, False)):
            reload(world, server, config(main, self.scope()))
        world.run(10)
        assert binding(world.main, self.ADDRESS).flags == RESERVED_FLAG == binding(world.backup, self.ADDRESS).flags

    def test_a_host_with_a_new_client_identifier_keeps_its_reserved_address(self) -> None:
        """It renews with the backup, whose update the main takes in."""
        world = self.world()
        now = int(world.now)
        for identifier in (b"rom", b"os"):
            update = Update(self.ADDRESS, ACTIVE, hardware=HARDWARE, client_id=identifier, expires=now + 900)
            say(world.backup, BindingUpdate([update]))
        assert binding(world.main, self.ADDRESS).client_id == b"os"


class TestRequests:
    """Sections 5.16, 5.17, 7.3 to 7.5."""

    def test_an_interrupted_request_for_everything_is_remembered_by_both(self) -> None:
        """Whatever the partner asks for next, it gets everything, until it has been told that it has it."""
        world = World().pair()
        clients = [Client(world, n) for n in range(20)]
        for client in clients:
            assert client.lease(world.main)
        world.run(1)
        world.backup.crash(keep_disk=False)
        world.run(1)
        cut_after(world.main, UpdateRequestAll)
        world.backup.boot()
        world.run(10)
        assert world.main.endpoint.saved.owes_all and world.backup.endpoint.saved.ask_all
        world.main.crash()
        world.backup.crash()
        world.cut = False
        world.main.boot()
        world.backup.boot()
        wire = Wire(world.backup)
        world.run(60)
        assert {u.address for u in wire.updates()} >= {client.address for client in clients}
        assert len(wire.of(UpdateDone)) == 1
        assert not world.main.endpoint.saved.owes_all

    def test_a_refused_update_counts_as_answered_and_is_told_again_later(self) -> None:
        """It neither holds up UPDDONE nor ends the relationship (S10.8)."""
        big, small = lambda: config(True), lambda: config(False, scope(last="192.168.50.20"))
        world = World(big, small).pair()
        clients = [Client(world, n) for n in range(15)]
        for client in clients:
            assert client.lease(world.main)
        world.run(1)
        # The backup's scope is as wide as its subnet, so all fit; a reservation that it lacks does not.
        wire = Wire(world.main)
        key = {"192.168.50.150": b"h" + HARDWARE}
        reload(world, world.main, config(True, scope(reservations=key)))
        world.run(150)
        rejects = [a.reject for f in wire.of(BindingAck) for a in f.message.answers if a.reject]  # type: ignore[union-attr]
        assert 2 <= len(rejects) <= 4 and set(rejects) == {19}
        assert world.main.state == world.backup.state == "NORMAL"

    def test_never_more_unacknowledged_messages_than_the_partner_takes(self) -> None:
        world = World().pair()
        link = world.main.endpoint.link
        assert link is not None and world.main.node is not None
        link.window = 2
        book, out = world.main.node.book, []
        for address in range(FIRST, FIRST + 150):
            one = book.record(address, book.scope_at(address))  # type: ignore[arg-type]
            book.set_client(one, b"\x01" + address.to_bytes(6, "big"), b"i" * 100)
            one.expires = int(world.now) + 600
            book.set_status(one, ACTIVE, int(world.now))
            book.save(one, out)
        world.main.node._tell(world.now, out)
        telling.flush(world.main.endpoint, world.now, out)
        assert sum(isinstance(effect, Send) for effect in out) == 2
        world.main.perform(out)
        world.run(1)
        world.books_agree()


class TestAcknowledgements:
    """Section 7.2."""

    def test_each_update_of_a_message_is_answered_under_its_xid_with_the_address_and_no_more(self) -> None:
        world = World().pair()
        wire = Wire(world.main)
        now = int(world.now)
        good = Update(FIRST, ACTIVE, hardware=HARDWARE, expires=now + 60)
        bad = Update(FIRST + 1, ACTIVE, expires=now + 60)
        away = Update(parse_ipv4("10.0.0.1"), FREE)
        say(world.main, BindingUpdate([good, bad, away]))
        (ack,) = wire.of(BindingAck)
        answers = ack.message.answers  # type: ignore[union-attr]
        assert [(a.address, a.reject) for a in answers] == [(good.address, None), (bad.address, 3), (away.address, 1)]
        assert not answers[0].text and answers[1].text and answers[2].text

    def test_what_is_refused_is_stored_nowhere(self) -> None:
        world = World().pair()
        say(world.main, BindingUpdate([Update(FIRST, ACTIVE, expires=int(world.now) + 60)]))
        assert FIRST not in world.backup.disk.rows

    def test_an_update_that_was_received_causes_none_in_return(self) -> None:
        """Section 5.5."""
        world = World().pair()
        wire = Wire(world.main)
        assert Client(world, 1).lease(world.main)
        world.run(5)
        assert not wire.of(BindingUpdate)

    def test_the_acknowledged_potential_expiration_is_stored(self) -> None:
        world = World().pair()
        client = Client(world, 1)
        assert client.lease(world.main)
        world.run(1)
        world.main.crash()
        world.main.boot()
        one = binding(world.main, client.address)
        assert one.acked_potential == one.sent_potential > one.expires


def test_a_lease_without_end_has_a_potential_expiration_without_end() -> None:
    policy = EffectivePolicy({}, lease_s=FOREVER, permanent=True)
    one = scope()
    one.policy = policy
    other = scope()
    other.policy = policy
    world = World(lambda: config(True, one), lambda: config(False, other)).pair()
    client = Client(world, 1)
    assert client.lease(world.main)
    world.run(1)
    assert binding(world.backup, client.address).received_potential == FOREVER
