"""RFC 2131 section 4.3, rule by rule in our words: what a server does with each message."""

from __future__ import annotations

import pytest

from play import DAY, OTHER_SERVER, SERVER, Client, Got, Play, Saved, four, ip, lease, lone, scope, silence
from tandem.base.units import FOREVER
from tandem.lease.binding import ABANDONED, ACTIVE, FREE
from tandem.wire import dhcp

ANNA, BERT = Client(1), Client(2)
FULL = bytes([1, 3, 6, 15])


class TestDiscover:
    """Section 4.3.1."""

    def test_current_binding_first(self) -> None:
        """The address of the client's current binding is the first choice."""
        play = Play()
        play.record(15, ACTIVE, ANNA, 1000)
        play >> ANNA.discover(o50=four(ip(12))) << Got("OFFER", yiaddr=15)

    def test_previous_address_second(self) -> None:
        """An address from a binding that ended is the second choice, while it is available."""
        play = Play()
        play.record(15, FREE, ANNA)
        play >> ANNA.discover(o50=four(ip(12))) << Got("OFFER", yiaddr=15)
        play = Play()
        play.record(15, FREE, ANNA)
        play >> BERT.discover(o50=four(ip(15))) << Got("OFFER", yiaddr=15)
        play >> ANNA.discover(o50=four(ip(12))) << Got("OFFER", yiaddr=12)

    def test_requested_address_third(self) -> None:
        """The requested address is the third choice, if it is valid and not allocated."""
        play = Play()
        play >> ANNA.discover(o50=four(ip(12))) << Got("OFFER", yiaddr=12)
        play.record(13, ACTIVE, BERT, 100)
        play >> Client(3).discover(o50=four(ip(13))) << Got("OFFER", yiaddr=10)

    def test_pool_last(self) -> None:
        """Else a new address of the pool of the subnet on which the message came, or of the relay's."""
        other = scope("192.168.51.10", "192.168.51.20", name="other", subnet="192.168.51.0")
        play = Play(scope(), other)
        play >> ANNA.discover() << Got("OFFER", yiaddr=10)
        play >> Client(2, via=ip("192.168.51.1")).discover() << Got("OFFER", yiaddr="192.168.51.10")

    def test_an_offer_is_not_stored(self) -> None:
        """A server need not keep the address for the client, and does not record an offer as a binding."""
        play = Play() >> ANNA.discover() << Got("OFFER") << silence
        assert not play.book.by_address

    def test_an_offered_address_is_not_offered_to_another(self) -> None:
        """It should not reuse the address before the client has answered."""
        play = Play(scope(10, 10)) >> ANNA.discover() << Got("OFFER", yiaddr=10)
        play >> BERT.discover() << silence

    def test_no_address_no_answer(self) -> None:
        """Without an available address the operator is told, and nothing is sent."""
        play = Play(scope(10, 10))
        lease(play, ANNA, 10)
        play >> BERT.discover() << silence
        assert play.notes[-1].level == "Warning"

    def test_lease_time_of_an_existing_binding_or_the_configured_one(self) -> None:
        """A client that asks for no time gets the server's; one that may ask gets a shorter one."""
        Play() >> ANNA.discover() << Got("OFFER", lease=3 * DAY)
        play = Play(scope(policy=lone(allow_lease_time_override=True)))
        play >> ANNA.discover(o51=four(60)) << Got("OFFER", lease=60)

    def test_infinite_lease_time_is_a_value_like_others(self) -> None:
        """All ones mean infinity (section 3.3)."""
        Play(scope(policy=lone(permanent=True))) >> ANNA.discover() << Got("OFFER", lease=FOREVER)

    def test_fields_of_the_offer(self) -> None:
        """Table 3: op, hops, secs, ciaddr zero; xid, flags, giaddr, chaddr of the client; yiaddr the offer."""
        client = Client(1, via=ip(254), hops=3, secs=9, flags=0x8000)
        play = Play() >> client.discover() << Got("OFFER", yiaddr=10, ciaddr=0, giaddr=254, flags=0x8000)
        assert play.last is not None
        m = play.last
        assert (m.op, m.htype, m.hlen, m.hops, m.xid, m.secs, m.chaddr) == (2, 1, 6, 0, 0x1234, 0, client.chaddr)

    def test_options_of_the_offer(self) -> None:
        """Table 3: lease time, message type and server identifier must be there; client's own ones must not."""
        play = Play() >> ANNA.discover(o50=four(ip(10)), o55=FULL, o57=b"\x05\xdc", o60=b"x") << Got("OFFER")
        assert play.last is not None
        assert {51, 53, 54} <= set(play.last.options)
        assert not {50, 55, 57, 60} & set(play.last.options)

    def test_parameters_as_asked(self) -> None:
        """What the client lists and the server has is in the reply, and nothing unknown."""
        play = Play() >> ANNA.discover(o55=FULL + b"\x2a") << Got("OFFER", option3=four(ip(1)), option15=b"example.org")
        assert play.last is not None and 42 not in play.last.options


class TestSelecting:
    """Section 4.3.2, DHCPREQUEST generated during SELECTING."""

    def test_with_our_identifier_the_binding_is_stored_and_then_acknowledged(self) -> None:
        """The server identifier is ours: commit to storage, then send DHCPACK (section 3.1 step 4)."""
        play = Play() >> ANNA.discover() << Got("OFFER")
        play >> ANNA.select(10) << Saved(10, status=ACTIVE) << Got("ACK", yiaddr=10, ciaddr=0, option54=four(SERVER))

    def test_the_acknowledgement_does_not_conflict_with_the_offer(self) -> None:
        """The configuration in the DHCPACK is that of the earlier DHCPOFFER."""
        play = Play() >> ANNA.discover(o55=FULL) << Got("OFFER")
        offer = play.last
        play >> ANNA.select(10, o55=FULL) << Saved(10) << Got("ACK")
        assert offer is not None and play.last is not None
        assert offer.options | {53: b"\x05"} == play.last.options

    def test_with_anothers_identifier_the_offer_is_declined(self) -> None:
        """Another server was selected: our address is available for others; nothing is sent."""
        play = Play(scope(10, 10)) >> ANNA.discover() << Got("OFFER")
        play >> ANNA.select(30, OTHER_SERVER) << silence
        play >> BERT.discover() << Got("OFFER", yiaddr=10)

    def test_cannot_be_satisfied(self) -> None:
        """An address that has been allocated meanwhile: DHCPNAK."""
        play = Play() >> ANNA.discover() << Got("OFFER")
        play >> 121
        lease(play, BERT, 10)
        play >> ANNA.select(10) << Got("NAK", to="255.255.255.255") << silence

    def test_asked_again(self) -> None:
        """A retransmitted DHCPREQUEST is acknowledged again, with the same address."""
        play = Play()
        lease(play, ANNA, 10)
        play >> ANNA.select(10) << Saved(10) << Got("ACK", yiaddr=10)


class TestInitReboot:
    """Section 4.3.2, DHCPREQUEST generated during INIT-REBOOT."""

    def test_correct(self) -> None:
        """The client's notion of its address is right: DHCPACK."""
        play = Play()
        play.record(10, ACTIVE, ANNA, 1000)
        play >> ANNA.reboot(10) << Saved(10) << Got("ACK", yiaddr=10)

    def test_wrong_network(self) -> None:
        """The requested address is not of the network of the client: DHCPNAK, record or not."""
        Play() >> ANNA.reboot("10.0.0.1") << Got("NAK", to="255.255.255.255")

    def test_wrong_network_behind_a_relay(self) -> None:
        """With giaddr set the NAK has the broadcast bit, so that the relay broadcasts it."""
        Play() >> Client(1, via=ip(254)).reboot("10.0.0.1") << Got("NAK", to="192.168.50.254", port=67, flags=0x8000)

    def test_wrong_address(self) -> None:
        """The network is right but the record says another address: DHCPNAK."""
        play = Play()
        play.record(10, ACTIVE, ANNA, 1000)
        play >> ANNA.reboot(11) << Got("NAK")

    def test_no_record(self) -> None:
        """A server without a record of the client must be silent."""
        play = Play() >> ANNA.reboot(10) << silence
        play.record(11, ACTIVE, BERT, 1000)
        play >> ANNA.reboot(11) << silence


class TestRenewing:
    """Section 4.3.2, DHCPREQUEST generated during RENEWING and REBINDING."""

    def test_extended(self) -> None:
        """ciaddr is trusted, and the answer goes there."""
        play = Play()
        play.record(10, ACTIVE, ANNA, 1000)
        play >> ANNA.renew(10) << Saved(10, status=ACTIVE)
        play << Got("ACK", to="192.168.50.10", port=68, ciaddr=10, yiaddr=10)

    def test_rebinding_through_a_relay(self) -> None:
        """A broadcast that a relay forwards is answered through it."""
        play = Play()
        play.record(10, ACTIVE, ANNA, 1000)
        play >> Client(1, via=ip(254)).renew(10) << Saved(10) << Got("ACK", to="192.168.50.254", port=67)

    def test_rebinding_is_checked(self) -> None:
        """ciaddr is checked: an address of another client, or of another network, is refused."""
        play = Play()
        play.record(10, ACTIVE, BERT, 1000)
        play >> ANNA.renew(10) << Got("NAK")
        play >> Client(1, via=ip(254)).renew("10.0.0.1") << Got("NAK", to="192.168.50.254")

    def test_refusals_are_broadcast(self) -> None:
        """Without a relay every DHCPNAK goes to 255.255.255.255 (section 4.1)."""
        play = Play()
        play.record(10, ACTIVE, BERT, 1000)
        play >> ANNA.renew(10) << Got("NAK", to="255.255.255.255", port=68, hardware=b"")

    def test_an_address_of_nobody_we_know(self) -> None:
        """Nothing is known of the address: another server may have given it, so this one is silent."""
        Play() >> ANNA.renew(30) << silence
        Play() >> ANNA.renew("10.0.0.1") << silence

    def test_options_may_change(self) -> None:
        """The server may send changed parameters with an extension."""
        play = Play()
        play.record(10, ACTIVE, ANNA, 1000)
        play.config.scopes[0].policy.options[15] = b"new.example"
        play.server.configure(play.config)
        play >> ANNA.renew(10, o55=b"\x0f") << Saved(10) << Got("ACK", option15=b"new.example")


class TestDecline:
    """Section 4.3.3."""

    def test_the_address_is_unavailable_and_the_operator_is_told(self) -> None:
        """The address is marked as not available, and the administrator should be notified."""
        play = Play()
        lease(play, ANNA, 10)
        play >> ANNA.decline(10) << Saved(10, status=ABANDONED) << silence
        assert play.notes[-1].level == "Warning" and "192.168.50.10" in play.notes[-1].text
        play >> ANNA.discover() << Got("OFFER", yiaddr=11)


class TestRelease:
    """Section 4.3.4."""

    def test_the_address_is_free_and_remembered(self) -> None:
        """The address is available again, and the client gets it again when it comes back."""
        play = Play(scope(10, 11))
        lease(play, ANNA, 10)
        play >> ANNA.release(10) << Saved(10, status=FREE, hardware=ANNA.hardware) << silence
        play >> BERT.discover() << Got("OFFER", yiaddr=11)
        play >> ANNA.discover() << Got("OFFER", yiaddr=10)


class TestInform:
    """Section 4.3.5."""

    def test_parameters_only(self) -> None:
        """DHCPACK to ciaddr, without yiaddr and lease time; no binding is looked for or made."""
        play = Play() >> ANNA.inform(77, o55=FULL)
        play << Got("ACK", to="192.168.50.77", yiaddr=0, lease=None, option3=four(ip(1)))
        assert play.last is not None and not {51, 58, 59} & set(play.last.options)
        assert not play.book.by_address

    def test_through_a_relay(self) -> None:
        """What a relay forwards is answered through it, from the policy of the network that it names."""
        other = scope("192.168.51.10", "192.168.51.20", name="other", subnet="192.168.51.0",
                      policy=lone(options={15: b"far.example"}))  # fmt: skip
        play = Play(scope(), other)
        far = Client(1, via=ip("192.168.51.1"))
        play >> far.inform("192.168.51.77", o55=FULL)
        play << Got("ACK", to="192.168.51.1", port=67, yiaddr=0, lease=None, option15=b"far.example")

    def test_from_a_routed_network(self) -> None:
        """Without a relay the client's own address tells its network, and is where the answer goes."""
        other = scope("192.168.51.10", "192.168.51.20", name="other", subnet="192.168.51.0")
        play = Play(scope(), other) >> ANNA.inform("192.168.51.77")
        play << Got("ACK", to="192.168.51.77", port=68, yiaddr=0)


def test_options_of_a_request_in_the_fields_that_it_overloads_and_in_pieces_count() -> None:
    """Section 4.1 and RFC 3396: a client may put options into file and sname, and split one over several."""
    message = ANNA.discover()
    head = dhcp.encode(message)[:240]
    options = bytes((53, 1, dhcp.DISCOVER, 52, 1, 3, 55, 1, 3, 55, 1, 15, 61, 2, 7)) + b"A" + b"\xff"
    file = (bytes((61, 1)) + b"N" + b"\xff").ljust(128, b"\0")
    sname = (bytes((61, 2)) + b"NA" + b"\xff").ljust(64, b"\0")
    data = head[:44] + sname + file + head[236:240] + options
    play = Play() >> data << Got("OFFER", option61=b"\x07ANNA", option15=b"example.org", option6=None)
    assert play.counters["dropped-invalid"] == 0


class TestIdentity:
    """Sections 2 and 4.2."""

    def test_the_identifier_is_the_client(self) -> None:
        """With a client identifier that alone identifies the client, whatever its hardware address."""
        play = Play()
        lease(play, Client(1, client_id=b"\xffme"), 10)
        play >> Client(2, client_id=b"\xffme").discover() << Got("OFFER", yiaddr=10)
        play >> Client(1, client_id=b"\xffyou").discover() << Got("OFFER", yiaddr=11)

    def test_without_one_type_and_hardware_address(self) -> None:
        """Else htype and chaddr do."""
        play = Play()
        lease(play, ANNA, 10)
        play >> ANNA.discover() << Got("OFFER", yiaddr=10)
        play >> Client(1, htype=6).discover() << Got("OFFER", yiaddr=11)

    def test_the_same_on_another_subnet(self) -> None:
        """A client may have bindings on several subnets (section 2.1: keyed by subnet and identifier)."""
        other = scope("192.168.51.10", "192.168.51.20", name="other", subnet="192.168.51.0")
        play, far = Play(scope(), other), Client(1, via=ip("192.168.51.1"))
        lease(play, ANNA, 10)
        play >> far.discover() << Got("OFFER", yiaddr="192.168.51.10")
        play >> far.select("192.168.51.10") << Saved("192.168.51.10") << Got("ACK")
        play >> 2 * DAY >> ANNA.renew(10) << Saved(10) << Got("ACK")


@pytest.mark.parametrize(
    ("flags", "via", "ciaddr", "to", "port"),
    [
        (0, 254, 0, "192.168.50.254", 67),
        (0x8000, 254, 0, "192.168.50.254", 67),
        (0, 0, 10, "192.168.50.10", 68),
        (0x8000, 0, 10, "192.168.50.10", 68),
        (0x8000, 0, 0, "255.255.255.255", 68),
        (0, 0, 0, "192.168.50.10", 68),
    ],
)
def test_where_an_acknowledgement_goes(flags: int, via: int, ciaddr: int, to: str, port: int) -> None:
    """Section 4.1: to the relay; else to ciaddr; else broadcast if the flag is set; else to the hardware address."""
    play = Play()
    play.record(10, ACTIVE, ANNA, 1000)
    client = Client(1, via=ip(via) if via else 0, flags=flags)
    message = client.renew(10) if ciaddr else client.select(10)
    hardware = client.hardware if not (via or ciaddr or flags) else b""
    play >> message << Saved(10) << Got("ACK", to=to, port=port, hardware=hardware)


def test_every_message_type_of_a_client_is_known() -> None:
    """Section 3.1, table 2: those that clients send are served, those that servers send are not."""
    play = Play()
    for kind in range(1, 9):
        play >> ANNA.says(kind, ciaddr=ip(10), o50=four(ip(10)), o54=four(SERVER))
    assert play.counters["dropped-server-message"] == 3
    assert play.counters["dropped-not-served"] == 0
    served = {dhcp.DISCOVER, dhcp.REQUEST, dhcp.DECLINE, dhcp.RELEASE, dhcp.INFORM}
    for kind in range(1, 9):
        assert play.counters[f"received-{dhcp.KIND_NAMES[kind].lower()}"] == 1
        if kind not in served:
            assert kind in (dhcp.OFFER, dhcp.ACK, dhcp.NAK)
