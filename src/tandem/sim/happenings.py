"""What the stories are made of: each kind of trouble that happens, counted where it takes effect.

A fault that was drawn proves nothing: it may strike a server that does not run, or a link on which nothing is on its
way. So what is counted is what came of it. ``tandem sim --coverage`` prints the counts; a test asks for all of them.
"""

from __future__ import annotations

from collections import Counter

from tandem.failover.states import state_name
from tandem.wire.failover import ServerState as S

HAPPENINGS: dict[str, str] = {
    "crash between effects": "The process dies between two effects, or after a commit of which nobody was told.",
    "kill": "The process is killed; its kernel ends its connections.",
    "power cut": "The machine loses power; nobody hears of it.",
    "writes lost": "What was not synced yet is gone.",
    "commit kept": "The commit that was under way when it died is on the disk, and nobody was told.",
    "slow commit": "A sync takes more than half a second.",
    "database lost": "The server starts with an empty disk.",
    "old copy": "The server starts with an old copy; failover-recover says so.",
    "old copy, unsaid": "The server starts with an old copy, and nobody says so.",
    "full cut": "Data for the partner waits: nothing passes either way.",
    "one-way cut": "Data for the partner waits: the other way is open.",
    "kept off": "A connection cannot be made because of a cut.",
    "reset": "A connection is reset in between.",
    "client cut": "A packet between a client and a server is lost to a cut.",
    "packet lost": "A client's packet, or one for it, is lost.",
    "packet doubled": "It arrives twice.",
    "packet overtaken": "A client's packet arrives at a server before one that was sent earlier.",
    "slow link": "Data for the partner is under way for more than 0.1 s, or at less than 100 kB/s.",
    "late data": "Data of an older connection arrives when a newer one is up, still read or not.",
    "window full": "Updates wait because the partner has not acknowledged as many as it takes.",
    "clock off": "A clock is wrong, and drifts, from the start.",
    "clock set": "A clock is set while its server runs, or is down.",
    **{f"ends in {state_name(state)}": f"A server ends, and is started later, in {state_name(state)}." for state in S},
    "reload": "A server takes a changed configuration.",
    "partner down, rightly": "The operator sets a partner down that is down.",
    "partner down, wrongly": "The operator sets a partner down that runs.",
    "safe period over": "A server takes over by itself.",
    "client roams": "A client comes back on another subnet.",
    "client vanishes": "A client goes for good and says nothing.",
    "clone served": "A client gets a lease with another's hardware address.",
    "NAK ignored": "A client goes on after a NAK as if it had heard nothing.",
    "lease outstayed": "A client uses its address beyond its lease.",
    "client declines": "A client finds its address in use.",
    "BOOTP served": "A BOOTP client gets its address.",
    "one server reached": "A relay carries a client's message to one of the two servers only.",
}
"""By name: what it is."""


def table(happened: Counter[str]) -> str:
    """Return how often each happened, for readers."""
    width = max(map(len, HAPPENINGS))
    return "\n".join(f"{name:{width}} {happened[name]:>9}  {what}" for name, what in HAPPENINGS.items())
