"""The DHCP service: who is answered, where replies go, what they hold, what is stored before them."""

from __future__ import annotations

import pytest

from play import (
    DAY,
    LAN,
    MCLT,
    OTHER_SERVER,
    SERVER,
    Client,
    Got,
    Play,
    Saved,
    four,
    interrupted,
    ip,
    lease,
    lone,
    normal_backup,
    normal_main,
    scope,
    silence,
    silent,
)
from tandem.base.io import Datagram, Reply
from tandem.base.units import FOREVER
from tandem.dhcp.journal import LINES_A_SECOND
from tandem.lease.binding import ABANDONED, ACTIVE, BACKUP, BOOTP_FLAG, FREE, RELEASED, RESET
from tandem.wire import dhcp
from tandem.wire.dhcp import Message, encode

ANNA, BERT = Client(1), Client(2)
RELAY = ip(254)


class TestWhoIsAnswered:
    def test_a_server_that_was_away_for_long_does_not_refuse_what_its_partner_may_have_given(self) -> None:
        for away, answer in ((True, silence), (False, Got("NAK"))):
            powers = interrupted(FREE)
            powers.own_from = float("inf") if away else powers.own_from
            play = Play(powers=powers)
            play.record(10, ACTIVE, ANNA, 60)
            play >> BERT.renew(10) << answer

    def test_nor_what_a_client_remembers_before_it_has_heard_all_from_its_partner(self) -> None:
        for away, answer in ((True, silence), (False, Got("NAK"))):
            powers = interrupted(FREE)
            powers.connected = True
            powers.own_from = float("inf") if away else powers.own_from
            play = Play(powers=powers)
            play.record(10, ACTIVE, ANNA, 60)
            play >> ANNA.reboot(11) << answer

    def test_a_lease_that_is_over_is_none_on_a_server_that_was_away_for_long(self) -> None:
        for away, answer in ((True, silence), (False, Got("OFFER"))):
            powers = interrupted(FREE)
            powers.own_from = float("inf") if away else powers.own_from
            play = Play(powers=powers)
            play.record(10, ACTIVE, ANNA, 60)
            play >> ANNA.discover() << Got("OFFER")
            play.now += 61
            play >> ANNA.discover() << answer

    def test_the_backup_in_normal_answers_renewals_and_leaves_the_rest(self) -> None:
        play = Play(powers=normal_backup())
        play.record(10, ACTIVE, ANNA, 100)
        for message in (BERT.discover(), BERT.select(11), ANNA.reboot(10), ANNA.inform(10), BERT.says(0)):
            play >> message << silence
        assert play.counters["dropped-failover"] == 5
        play >> ANNA.renew(10) << Saved(10, granted_by=1) << Got("ACK", yiaddr=10)
        play >> BERT.renew(10) << silence  # the main may know better: no NAK
        play >> ANNA.release(10, OTHER_SERVER) << silence
        play >> ANNA.release(10) << Saved(10, status=RELEASED)
        assert play.counters["received-discover"] == 1 and play.counters["received-request"] == 4

    def test_a_server_that_only_extends_gives_nothing_even_from_its_own_share(self) -> None:
        play = Play(powers=normal_backup())
        play.book.assign_unused(ip(15), ip(20), BACKUP)
        play.record(16, BACKUP, ANNA)
        play >> BERT.renew(15) >> ANNA.renew(16) << silence
        assert play.counters["dropped-unknown"] == 2

    def test_it_says_so_and_why(self) -> None:
        play = Play(powers=normal_backup())
        for _ in range(50):
            play >> ANNA.discover()
        assert [note.text for note in play.notes] == [
            "Dropped 1 requests: failover is in NORMAL state, in which the main answers"
        ]
        play >> 10 >> ANNA.discover()
        assert play.notes[-1].text.startswith("Dropped 50 requests: failover is in NORMAL state")

    def test_it_says_each_with_failover_detail(self) -> None:
        play = Play(powers=normal_backup(), log_settings=frozenset({"failover-detail"}))
        play >> ANNA.discover() >> ANNA.says(dhcp.INFORM, ciaddr=ip(10))
        said = [note.text.split(":")[0] for note in play.notes]
        assert said == ["Dropped DISCOVER of 1,6,02", "Dropped INFORM of 1,6,02"]
        assert all(note.ident == 6201 and note.flag == "failover-detail" for note in play.notes)

    def test_a_recovering_server_answers_nobody(self) -> None:
        play = Play(powers=silent())
        play.record(10, ACTIVE, ANNA, 100)
        for message in (ANNA.discover(), ANNA.renew(10), ANNA.release(10), ANNA.decline(10), ANNA.inform(10)):
            play >> message << silence
        assert play.counters["dropped-failover"] == 5

    def test_two_relationships_with_different_powers(self) -> None:
        """Back office: a DISCOVER from a network without partner is answered beside one that is left to the main."""
        other = scope("192.168.51.10", "192.168.51.20", name="other", subnet="192.168.51.0")
        play = Play(scope(endpoint=1), other)
        play.power(normal_backup())
        play >> ANNA.discover() << silence
        play >> Client(1, via=ip("192.168.51.1")).discover() << Got("OFFER", yiaddr="192.168.51.10")

    def test_no_network(self) -> None:
        play = Play() >> Client(1, via=ip("10.0.0.1")).discover() << silence
        assert play.counters["dropped-no-network"] == 1 and "10.0.0.1" in play.notes[-1].text

    def test_servers_messages(self) -> None:
        play = Play()
        play >> ANNA.says(dhcp.OFFER) >> ANNA.says(dhcp.ACK) << silence
        reply = ANNA.discover()
        reply.op = 2
        play >> reply << silence
        assert play.counters["dropped-server-message"] == 3

    @pytest.mark.parametrize("kind", [dhcp.LEASEQUERY, 200])
    def test_other_types(self, kind: int) -> None:
        play = Play() >> ANNA.says(kind) << silence
        assert play.counters["dropped-not-served"] == 1 and play.counters["received-other"] == 1


class TestInvalid:
    def test_rubbish_is_counted_and_said_but_not_each_time(self) -> None:
        play = Play()
        for _ in range(100):
            play >> b"rubbish" << silence
        assert play.counters["dropped-invalid"] == 100
        assert len(play.notes) == LINES_A_SECOND
        assert all(note.flag == "no-invalid-packets" for note in play.notes)
        play >> 1 >> b"rubbish"
        assert "80 lines" in play.notes[-2].text

    def test_not_said_when_the_operator_does_not_want_it(self) -> None:
        play = Play(log_settings=frozenset({"no-invalid-packets"})) >> b"rubbish"
        assert not play.notes

    def test_every_line_when_the_operator_wants_them(self) -> None:
        play = Play(log_settings=frozenset({"no-reduce-logging-when-busy"}))
        for _ in range(100):
            play >> b"rubbish"
        assert len(play.notes) == 100

    @pytest.mark.parametrize(
        "message",
        [
            ANNA.says(dhcp.REQUEST),
            ANNA.says(dhcp.REQUEST, o54=four(SERVER)),
            ANNA.says(dhcp.DECLINE, o50=four(ip(10))),
            ANNA.says(dhcp.DECLINE, o54=four(SERVER)),
            ANNA.says(dhcp.INFORM),
            Client(1, client_id=bytes(256)).discover(),
            Message(options={53: b"\x01"}),
            Client(1, via=RELAY).discover(o82=bytes([1, 255]) * 600),
        ],
    )
    def test_messages_that_lack_what_they_need(self, message: Message) -> None:
        play = Play() >> message << silence
        assert play.counters["dropped-invalid"] == 1

    def test_option_82_that_cannot_be_read_is_returned_all_the_same(self) -> None:
        info = bytes([5, 40, 1])
        Play() >> Client(1, via=RELAY).discover(o82=info) << Got("OFFER", option82=info)


class TestNetworks:
    def two(self) -> Play:
        return Play(scope(), scope("192.168.51.10", "192.168.51.20", name="other", subnet="192.168.51.0"))

    def test_the_relays_address(self) -> None:
        self.two() >> Client(1, via=ip("192.168.51.1")).discover() << Got("OFFER", yiaddr="192.168.51.10")

    def test_link_selection_goes_before_all(self) -> None:
        info = bytes([5, 4]) + four(ip("192.168.51.0"))
        client = Client(1, via=RELAY)
        self.two() >> client.discover(o82=info, o118=four(ip(0))) << Got("OFFER", yiaddr="192.168.51.10", giaddr=254)

    def test_link_selection_of_an_unknown_network(self) -> None:
        self.two() >> Client(1, via=RELAY).discover(o82=bytes([5, 4]) + four(ip("10.0.0.0"))) << silence

    def test_subnet_selection_is_followed_and_returned(self) -> None:
        subnet = four(ip("192.168.51.0"))
        self.two() >> ANNA.discover(o118=subnet) << Got("OFFER", yiaddr="192.168.51.10", option118=subnet)

    def test_a_renewal_from_a_routed_network(self) -> None:
        play = self.two()
        play.record("192.168.51.12", ACTIVE, ANNA, 100)
        play >> ANNA.renew("192.168.51.12") << Saved("192.168.51.12") << Got("ACK", to="192.168.51.12")


class TestServerIdentifier:
    override = bytes([11, 4]) + four(RELAY)

    def test_our_address(self) -> None:
        Play() >> ANNA.discover() << Got("OFFER", option54=four(SERVER))

    def test_the_relays_choice(self) -> None:
        play, client = Play(), Client(1, via=RELAY)
        play >> client.discover(o82=self.override) << Got("OFFER", option54=four(RELAY))
        play >> client.select(10, RELAY, o82=self.override) << Saved(10) << Got("ACK", option54=four(RELAY))

    def test_with_the_relays_choice_only_the_server_that_offered_answers(self) -> None:
        play, client = Play(powers=interrupted(BACKUP)), Client(1, via=RELAY)
        play >> client.select(10, RELAY, o82=self.override) << silence
        assert play.counters["dropped-not-for-us"] == 1

    def test_an_address_of_ours_on_another_interface(self) -> None:
        play = Play()
        play.server.addresses[ip("192.168.60.2")] = None
        play >> ANNA.select(10, ip("192.168.60.2")) << Saved(10) << Got("ACK")


class TestDestinations:
    def test_hardware_address(self) -> None:
        Play() >> ANNA.discover() << Got("OFFER", to="192.168.50.10", port=68, hardware=ANNA.hardware)

    def test_broadcast_flag(self) -> None:
        Play() >> Client(1, flags=0x8000).discover() << Got("OFFER", to="255.255.255.255", hardware=b"", flags=0x8000)

    def test_no_hardware_address(self) -> None:
        message = Message(options={53: b"\x01", 61: b"\x00name"})
        Play() >> message << Got("OFFER", to="255.255.255.255")

    def test_relay(self) -> None:
        Play() >> Client(1, via=RELAY, flags=0x8000).discover() << Got("OFFER", to="192.168.50.254", port=67)

    def test_relay_with_its_own_port(self) -> None:
        play, info = Play(), bytes([19, 0])
        said = encode(Client(1, via=RELAY).discover(o82=info))
        play >> Datagram(said, RELAY, 50067, LAN) << Got("OFFER", port=50067, option82=info)
        play >> Datagram(encode(Client(1, via=RELAY).discover()), RELAY, 50067, LAN) << Got("OFFER", port=67)

    def test_its_own_address_and_a_port_without_privileges(self) -> None:
        play = Play()
        play.record(10, ACTIVE, ANNA, 100)
        play >> Datagram(encode(ANNA.inform(10)), ip(10), 50068, LAN) << Got("ACK", to="192.168.50.10", port=50068)
        play >> Datagram(encode(ANNA.inform(10)), ip(99), 50068, LAN) << Got("ACK", to="192.168.50.10", port=68)

    def test_refusals(self) -> None:
        play = Play()
        play >> ANNA.reboot("10.1.1.1") << Got("NAK", to="255.255.255.255", port=68, flags=0, yiaddr=0, ciaddr=0)
        relayed = Client(1, via=RELAY, client_id=b"\x01a")
        play >> relayed.reboot("10.1.1.1", o82=bytes([1, 1, 7]))
        play << Got("NAK", to="192.168.50.254", port=67, flags=0x8000, option82=bytes([1, 1, 7]), option61=b"\x01a")
        assert play.last is not None and b"not on this network" in play.last.options[56]


class TestOptions:
    def test_in_the_order_of_the_list_after_the_mask(self) -> None:
        play = Play() >> ANNA.discover(o55=bytes([15, 6, 3, 99])) << Got("OFFER", option1=four(0xFFFFFF00))
        assert play.last is not None
        assert list(play.last.options) == [53, 54, 51, 58, 59, 1, 15, 6, 3]

    def test_times(self) -> None:
        half, most = four(3 * DAY // 2), four(3 * DAY * 7 // 8)
        Play() >> ANNA.discover() << Got("OFFER", option51=four(3 * DAY), option58=half, option59=most)

    def test_always_sent(self) -> None:
        policy = lone(reply_options=(15, 6))
        play = Play(scope(policy=policy)) >> ANNA.discover(o55=b"\x06") << Got("OFFER", option15=b"example.org")
        assert play.last is not None and list(play.last.options)[-2:] == [6, 15]

    def test_without_a_list_the_basics(self) -> None:
        play = Play(scope(policy=lone(options={3: b"1111", 77: b"x"})))
        play >> ANNA.discover() << Got("OFFER", option3=b"1111")
        assert play.last is not None and 77 not in play.last.options

    def test_the_policys_mask_wins(self) -> None:
        mask = four(0xFFFF0000)
        Play(scope(policy=lone(options={1: mask}))) >> ANNA.discover() << Got("OFFER", option1=mask)

    def test_fields(self) -> None:
        policy = lone(siaddr=ip(77), server_name=b"boot", file_name=b"/pxe")
        Play(scope(policy=policy)) >> ANNA.discover() << Got("OFFER", siaddr=77, sname=b"boot", file=b"/pxe")

    def test_the_client_identifier_comes_back(self) -> None:
        Play() >> Client(1, client_id=b"\xffsome").discover() << Got("OFFER", option61=b"\xffsome")

    def test_changed_options_are_sent_after_a_reload(self) -> None:
        play = Play() >> ANNA.discover(o55=b"\x0f") << Got("OFFER", option15=b"example.org")
        play.config.scopes[0].policy.options[15] = b"new"
        play.server.configure(play.config)
        play >> ANNA.discover(o55=b"\x0f") << Got("OFFER", option15=b"new")

    def test_option_82_is_the_last(self) -> None:
        info = bytes([1, 3]) + b"ge1"
        play, out = Play(), []
        message = Client(1, via=RELAY, client_id=b"\x01a").discover(o82=info, o55=bytes([3, 6, 15]), o118=four(ip(0)))
        play.server.handle(play.now, Datagram(encode(message), RELAY, 67, LAN), out)
        (reply,) = [effect for effect in out if isinstance(effect, Reply)]
        assert reply.data.rstrip(b"\0").endswith(bytes([82, 5]) + info + b"\xff")

    def test_missing_options_are_said_once(self) -> None:
        play = Play()
        for _ in range(3):
            play >> ANNA.discover(o55=bytes([3, 42, 99]))
        said = [note.text for note in play.notes if note.flag == "missing-options"]
        assert len(said) == 1 and "42, 99" in said[0] and "lan" in said[0]

    def test_remembered_lists_are_bounded(self) -> None:
        play = Play()
        for n in range(2000):
            play >> ANNA.discover(o55=bytes([3, n & 255, n >> 8]))
        assert len(play.config.scopes[0].policy.tails) <= 256


class TestSize:
    big = bytes(range(200))

    def play(self, count: int = 3) -> Play:
        return Play(scope(policy=lone(options={3: four(ip(1)), **{200 + n: self.big for n in range(count)}})))

    wanted = bytes([3, *range(200, 220)])

    def raw(self, play: Play, message: Message) -> bytes:
        out: list[object] = []
        play.server.handle(play.now, Datagram(encode(message, max_size=4000), message.giaddr, 67, LAN), out)  # type: ignore[arg-type]
        (reply,) = [effect for effect in out if isinstance(effect, Reply)]
        return reply.data

    def sizes(self, play: Play, message: Message) -> tuple[int, Message]:
        data = self.raw(play, message)
        return len(data), dhcp.decode(data)

    def test_576_when_the_client_says_nothing_and_fields_are_used_first(self) -> None:
        size, reply = self.sizes(self.play(2), ANNA.discover(o55=self.wanted))
        assert size <= 548
        assert reply.options[200] == self.big and reply.options[201] == self.big

    def test_what_does_not_fit_is_left_out_from_the_end(self) -> None:
        size, reply = self.sizes(self.play(5), ANNA.discover(o55=self.wanted))
        assert size <= 548 and reply.options[200] == self.big and 204 not in reply.options
        assert reply.options[51] == four(3 * DAY)

    def test_a_small_option_behind_one_that_does_not_fit_is_sent_and_the_other_is_said(self) -> None:
        play = Play(scope(policy=lone(options={3: four(ip(1)), 6: bytes(600), 15: b"example.org"})))
        play >> ANNA.discover(o55=bytes((1, 3, 6, 15))) << Got("OFFER", option6=None, option15=b"example.org")
        assert play.counters["replies-too-small"] == 1
        assert "do not fit into the 548 bytes that it takes: 6" in play.notes[-1].text
        play >> ANNA.discover(o55=bytes((1, 3, 6, 15)), o57=b"\x05\xdc") << Got("OFFER", option6=bytes(600))
        assert play.counters["replies-too-small"] == 1

    def test_what_the_client_can_take_but_no_fragments(self) -> None:
        size, reply = self.sizes(self.play(3), ANNA.discover(o55=self.wanted, o57=b"\x05\xdc"))
        assert 548 < size <= 1472 and reply.options[202] == self.big
        size, reply = self.sizes(self.play(10), ANNA.discover(o55=self.wanted, o57=b"\xff\xff"))
        assert size <= 1472

    def test_the_relays_information_is_not_counted_and_stays_last(self) -> None:
        info = bytes([1, 200]) + self.big
        message = Client(1, via=RELAY, client_id=b"x" * 255).discover(o82=info, o55=self.wanted)
        data = self.raw(self.play(5), message)
        assert len(data) <= 548 + len(info) + 2
        assert data.rstrip(b"\0").endswith(bytes([82, len(info)]) + info + b"\xff")
        reply = dhcp.decode(data)
        assert reply.options[82] == info and reply.options[61] == b"x" * 255 and reply.options[54] == four(SERVER)


class TestGranting:
    def test_saved_before_it_is_acknowledged(self) -> None:
        play = Play()
        start = int(play.now)
        play >> ANNA.discover() << Got("OFFER") << silence
        play >> ANNA.select(10, o12=b"anna", o60=b"class", o81=b"\0\0\0a")
        play << Saved(
            10, status=ACTIVE, hardware=ANNA.hardware, client_id=b"", expires=start + 3 * DAY, last_transaction=start,
            granted_by=1, options=b"\x0c\x04anna\x3c\x05class\x51\x04\0\0\0a", flags=0, up_to_date=1,
        )  # fmt: skip
        play << Got("ACK") << silence

    def test_no_lease_outlives_its_record(self) -> None:
        """Within a second the record's end is rounded up."""
        play = Play()
        play.now += 0.4
        play >> ANNA.discover() << Got("OFFER")
        play >> ANNA.select(10) << Saved(10, expires=1_800_000_000 + 1 + 3 * DAY) << Got("ACK", lease=3 * DAY)

    def test_only_512_bytes_of_options_are_kept(self) -> None:
        play = Play()
        play >> ANNA.discover() << Got("OFFER")
        play >> ANNA.select(10, o12=b"anna", o60=b"x" * 400, o77=b"y" * 300) << Saved(10)
        kept = dhcp.unpack_options(play.book.by_address[ip(10)].options)
        assert kept == {12: b"anna", 77: b"y" * 300}

    def test_what_was_agreed_of_an_ended_lease_lengthens_nothing(self) -> None:
        play = Play(powers=normal_main())
        binding = play.record(10, ACTIVE, ANNA, 10)
        binding.sent_potential = binding.acked_potential = int(play.now) + 9 * DAY
        play >> ANNA.release(10) << Saved(10, status=RELEASED)
        play >> ANNA.discover() << Got("OFFER", yiaddr=10, lease=MCLT)
        play >> ANNA.select(10) << Saved(10, acked_potential=0, sent_potential=int(play.now) + 9 * DAY)
        play << Got("ACK", lease=MCLT)

    def test_a_grant_is_said_in_one_line(self) -> None:
        play = Play(powers=normal_main())
        play >> ANNA.discover() >> ANNA.select(10)
        (note,) = [note for note in play.notes if note.ident == 5001]
        assert "192.168.50.10" in note.text and "1h of 3d" in note.text and "maximum client lead time" in note.text


class TestDeferring:
    """defer-lease-extensions: an early renewal gets the rest of its lease, and costs nothing."""

    def test_before_half(self) -> None:
        play = Play()
        lease(play, ANNA, 10)
        play >> DAY >> ANNA.renew(10) << Got("ACK", yiaddr=10, lease=2 * DAY) << silence
        play >> ANNA.reboot(10) << Got("ACK", yiaddr=10, lease=2 * DAY) << silence
        assert play.counters["extensions-deferred"] == 2
        play >> DAY // 2 >> ANNA.renew(10) << Saved(10) << Got("ACK", lease=3 * DAY)

    def test_not_when_it_is_off(self) -> None:
        play = Play(defer_lease_extensions=False)
        lease(play, ANNA, 10)
        play >> 10 >> ANNA.renew(10) << Saved(10) << Got("ACK", lease=3 * DAY)

    def test_not_a_lease_that_the_mclt_made_short(self) -> None:
        play = Play(powers=normal_main())
        lease(play, ANNA, 10)
        play >> 10 >> ANNA.renew(10) << Got("ACK", lease=MCLT - 10) << silence
        play.book.by_address[ip(10)].acked_potential = int(play.now) + 4 * DAY
        play >> 10 >> ANNA.renew(10) << Saved(10) << Got("ACK", lease=3 * DAY)

    def test_not_beyond_a_policy_that_became_shorter(self) -> None:
        play = Play()
        lease(play, ANNA, 10)
        play.config.scopes[0].policy.lease_s = 3600
        play >> ANNA.renew(10) << Saved(10) << Got("ACK", lease=3600)

    def test_the_end_of_a_lease_never_comes_nearer_while_the_client_may_not_have_the_shorter_one(self) -> None:
        play = Play()
        lease(play, ANNA, 10)
        promised = int(play.now) + 3 * DAY
        play.config.scopes[0].policy.lease_s = 3600
        for ask in (ANNA.renew(10), ANNA.renew(10), ANNA.reboot(10)):
            play >> 60 >> ask << Saved(10, expires=promised) << Got("ACK", lease=3600)
        play >> 60 >> ANNA.discover() << Got("OFFER")  # it has no lease any more
        play >> ANNA.select(10) << Saved(10, expires=int(play.now) + 3600) << Got("ACK", lease=3600)

    def test_a_lease_without_end_gets_one_when_its_client_extends_it(self) -> None:
        play = Play()
        play.config.scopes[0].policy.permanent = True
        lease(play, ANNA, 10)
        play.config.scopes[0].policy.permanent = False
        play >> ANNA.reboot(10) << Saved(10, expires=FOREVER) << Got("ACK")
        play >> ANNA.renew(10) << Saved(10, expires=int(play.now) + 3 * DAY) << Got("ACK", lease=3 * DAY)


class TestEnding:
    def test_a_release_of_anothers_lease(self) -> None:
        play = Play()
        play.record(10, ACTIVE, ANNA, 100)
        play >> BERT.release(10) >> BERT.release(11) << silence
        assert play.counters["dropped-unknown"] == 2

    def test_a_decline_makes_the_address_unavailable_for_a_while(self) -> None:
        play = Play(scope(10, 10))
        lease(play, ANNA, 10)
        start = int(play.now)
        play >> BERT.decline(10) << silence
        play >> ANNA.decline(10, OTHER_SERVER) << silence
        play >> ANNA.decline(10)
        play << Saved(10, status=ABANDONED, hardware=b"", client_id=b"", expires=start + DAY, options=b"") << silence
        assert play.notes[-1].ident == 5140 and "192.168.50.10" in play.notes[-1].text
        play >> ANNA.discover() << silence
        play >> DAY - 1 << silence
        play >> 1 << Saved(10, status=FREE) << silence
        play >> ANNA.discover() << Got("OFFER", yiaddr=10)

    def test_a_decline_that_is_to_be_ignored_changes_nothing(self) -> None:
        play = Play(scope(ignore_declines=True))
        lease(play, ANNA, 10)
        play >> ANNA.decline(10) << silence
        assert play.counters["declines-ignored"] == 1 and play.counters["addresses-declined"] == 0
        play >> ANNA.renew(10) << Got("ACK")

    def test_a_decline_of_an_offer(self) -> None:
        play = Play(scope(10, 10))
        play >> ANNA.discover() << Got("OFFER")
        play >> ANNA.decline(10) << Saved(10, status=ABANDONED) << silence
        assert not play.book.offered and play.book.pools[0].counts[ABANDONED] == 1

    def test_with_a_partner_it_waits_for_its_word(self) -> None:
        play = Play(powers=normal_main())
        play.record(10, ABANDONED, expires_in=100)
        play >> 100 << Saved(10, status=RESET)

    def test_a_decline_after_a_long_lease_is_over_in_time(self) -> None:
        play = Play(scope(policy=lone(unavailable_s=60)))
        lease(play, ANNA, 10)
        play >> ANNA.decline(10) << Saved(10)
        play >> 60 << Saved(10, status=FREE)

    def test_no_lines_about_time_when_not_wanted(self) -> None:
        play = Play()
        lease(play, ANNA, 10)
        play >> 4 * DAY << Saved(10, status=FREE)
        assert play.notes[-1].flag == "no-timeouts"


class TestInform:
    def test_options_without_a_lease(self) -> None:
        play = Play() >> ANNA.inform(77, o55=bytes([3])) << Got("ACK", to="192.168.50.77", port=68, yiaddr=0, ciaddr=77)
        assert play.last is not None
        assert list(play.last.options) == [53, 54, 1, 3]
        play << silence

    def test_a_client_that_forgot_to_say_its_address(self) -> None:
        said = encode(ANNA.says(dhcp.INFORM))
        Play() >> Datagram(said, ip(77), 68, LAN) << Got("ACK", to="192.168.50.77") << silence


class TestBootp:
    def play(self) -> Play:
        return Play(scope(reserve={ip(9): ANNA.key}))

    def test_a_reserved_address_for_good(self) -> None:
        play = self.play() >> ANNA.says(0) << Saved(9, status=ACTIVE, expires=FOREVER, flags=BOOTP_FLAG | 1)
        play << Got("BOOTP", yiaddr=9, to="192.168.50.9", hardware=ANNA.hardware, lease=None, option54=None)
        play << silence
        play >> ANNA.says(0) << Got("BOOTP", yiaddr=9) << silence
        play >> 9999 * DAY << silence

    def test_without_a_reservation(self) -> None:
        play = self.play() >> BERT.says(0) << silence
        assert play.counters["dropped-no-bootp-address"] == 1
        assert play.notes[-1].flag == "no-dropped-bootp-packets"

    def test_it_turns_to_dhcp(self) -> None:
        play = self.play() >> ANNA.says(0) << Saved(9) << Got("BOOTP")
        play >> ANNA.discover() << Got("OFFER", yiaddr=9)
        play >> ANNA.select(9) << Saved(9, flags=1, expires=int(play.now) + 3 * DAY) << Got("ACK", lease=3 * DAY)
