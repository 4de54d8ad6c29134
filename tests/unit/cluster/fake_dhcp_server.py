"""A stand-in for the DHCP server process: speaks the control socket's protocol, serves no client.

Options beyond the real server's come from the environment: FAKE_DIE_AT_ONCE ends it with a message and that status;
FAKE_STUBBORN makes it ignore the operation ``stop`` and SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tandem.config.compile import compile_config

RELATED = {
    "type": "failover-partner", "name": "127.0.0.11-127.0.0.12", "address": "127.0.0.12", "role": "main",
    "partner-role": "backup", "communications": "OK", "state": "NORMAL", "since": 1004486400,
    "why": "both partners are up", "partner-state": "NORMAL", "partner-since": 1004486400, "last-contact": 0,
    "updates-outstanding": 0,
}  # fmt: skip
CONFLICT = {
    "address": "192.168.50.10", "relationship": "127.0.0.11-127.0.0.12", "winner": "this server",
    "why": "the address is leased to another client here", "here-state": "ACTIVE", "here-expiration": 1004486400,
    "here-heard-client": 0, "partner-state": "ACTIVE", "times": 2, "last-time": 1004486400,
}  # fmt: skip
LEASE = {
    "address": "192.168.50.10", "state": "leased", "flags": "reserved", "scope-name": "examplescope",
    "client-mac-addr": "1,6,00:d0:ba:d3:bd:3b", "expiration": 1004486400, "client-id": "", "client-host-name": "pc",
    "start-time-of-state": 1004482800, "client-last-transaction-time": 1004482800,
}  # fmt: skip


SCOPE = {
    "name": "examplescope", "subnet": "192.168.50.0", "addresses": 191, "reserved": 0, "leased": 1, "available": 171,
    "other-available": 19, "main-share": 171, "backup-share": 19, "backup-target": 19, "pending-available": 0,
    "unavailable": 0, "arrivals-per-hour": 60.0, "main-lasts-s": 10260, "backup-lasts-s": 1140,
    "failover": "127.0.0.11-127.0.0.12",
}  # fmt: skip
ALARM = {
    "kind": "communications-interrupted", "level": "Error", "subject": "127.0.0.11-127.0.0.12", "since": 1004486400,
    "text": "the partner 127.0.0.12 has not been heard since", "cure": "see whether the partner runs",
}  # fmt: skip
PREVIEW = {
    "name": "127.0.0.11-127.0.0.12", "partner": "127.0.0.12", "state": "COMMUNICATIONS-INTERRUPTED",
    "communications": "interrupted", "earliest": 1004486400, "possible": True, "since": 1004486400, "remark": "",
    "use-other-available-time": 1004490000, "maximum-client-lead-time": 3600, "changes": ["At once: it answers all."],
    "scopes": [{"name": "examplescope", "own": 171, "partners": 19, "leased": 1, "pending": 0, "own-lasts": "2h51m",
                "both-last": "3h10m"}],
}  # fmt: skip

EXPLAINED = {
    "message": "DISCOVER", "client": "1,6,00:d0:ba:d3:bd:3b", "network": "examplescope", "placed-by": "giaddr",
    "answered": True, "who-answers": "this server", "why": "Answered with OFFER.", "answer": "OFFER",
    "address": "192.168.50.10", "lease-time": 3600, "log": [], "stores": [],
    "options": [{"code": 3, "name": "routers", "value": "192.168.50.1", "source": "policy default"}],
}  # fmt: skip


class Refused(Exception):
    """Answered as an error."""


def perform(op: str, args: dict[str, Any]) -> Any:
    if op == "ping":
        return "pong"
    if op == "status":
        return {"serving": True, "database": "OK", "pid": 4711, "started": 1004486400}
    if op == "reload":
        _, problems = compile_config(args["document"], 0x7F00000B)
        if any(problem.level == "error" for problem in problems):
            raise Refused
        return {}
    if op == "explain":
        return dict(EXPLAINED)
    if op == "lease_history":
        return [{"start-time-of-state": 1004486400, "state": "ACTIVE", "client-mac-addr": "1,6,00:d0:ba:d3:bd:3b",
                 "client-id": "", "expiration": 1004490000, "granted-by": "this server", "renewals": 2,
                 "last-renewal": 1004488200}]  # fmt: skip
    if op == "alarms":
        return [dict(ALARM)]
    if op == "scopes":
        return [SCOPE]
    if op == "preview_partner_down":
        return [dict(PREVIEW)]
    if op == "related_servers":
        return [RELATED]
    if op == "chosen_servers":
        return []
    if op == "set_partner_down":
        return f"partner {args['partner']} down at {args['at']} expert {args['expert']}"
    if op == "search_leases":
        found = [LEASE] if args["after"] < 0xC0A8320A else []
        return {"leases": found, "after": None, "ranks": [["leased", 0xC0A8320A] for _ in found]}
    if op == "lease":
        return LEASE if args["address"] == 0xC0A8320A else None
    if op == "failover_conflicts":
        return [dict(CONFLICT)]
    if op == "statistics":
        return {"leases": 3, "failover": [{"name": "127.0.0.11-127.0.0.12", "state": "NORMAL", "updates-sent": 5}]}
    if op == "shut_down":
        return ["Partner 127.0.0.12 has taken over (PARTNER-DOWN)."]
    if op == "rebalance":
        return f"balanced {args['pair']}"
    if op in ("force_available", "set_deactivated", "stop"):
        return {}
    raise Refused


async def main(data: Path) -> None:
    if os.environ.get("FAKE_DIE_AT_ONCE"):
        print("no such interface", file=sys.stderr)
        sys.exit(int(os.environ["FAKE_DIE_AT_ONCE"]))
    stopping = asyncio.Event()
    stubborn = bool(os.environ.get("FAKE_STUBBORN"))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: stubborn or stopping.set())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            request = json.loads(line)
            try:
                answer = {"id": request["id"], "ok": perform(request["op"], request["args"])}
            except Refused:
                answer = {"id": request["id"], "error": {"status": 316, "text": "the server refuses"}}
            writer.write(json.dumps(answer).encode() + b"\n")
            if request["op"] == "stop" and not stubborn:
                stopping.set()
                break
        writer.close()

    path = data / "dhcp" / "control.sock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    async with await asyncio.start_unix_server(serve, path, limit=1 << 24):
        await stopping.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[sys.argv.index("--data") + 1])))
