"""``python -m tandem``: chooses the program by its first word."""

from __future__ import annotations

import sys

_USAGE = """usage: tandem local ...         run a local cluster: a DHCP server, its configuration, and the API for nrcmd
       tandem demo ...          show a failover pair and its clients through a story of faults
       tandem sim ...           run pairs in a simulated, hostile world and judge them
       tandem dhcp-server ...   run only the DHCP server (a local cluster does this itself)

tandem local --help (and so on) explains the options."""


def main(argv: list[str] | None = None) -> int:
    """Run the program that ``argv`` (default: the command line) names; return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    match words:
        case ["dhcp-server", *rest]:
            from tandem.runtime.server import main as dhcp_server

            return dhcp_server(rest)
        case ["local", *rest]:
            from tandem.cluster.local import main as local
            from tandem.control.rest import ApiServer
            from tandem.runtime.interfaces import own_addresses

            return local(rest, ApiServer, own_addresses)
        case ["demo", *rest]:
            from tandem.demo.program import main as demo

            return demo(rest)
        case ["sim", *rest]:
            from tandem.sim.command import main as sim

            return sim(rest)
        case ["--help" | "-h"]:
            print(_USAGE)
            return 0
        case _:
            print(_USAGE, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
