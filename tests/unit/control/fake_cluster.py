"""``tandem local`` with a stand-in for the DHCP server process."""

from __future__ import annotations

import sys
from pathlib import Path

from tandem.cluster import local
from tandem.control.rest import ApiServer

FAKE = Path(__file__).parents[1] / "cluster" / "fake_dhcp_server.py"


def command(options: local.Options) -> list[str]:
    return [sys.executable, str(FAKE), "--data", str(options.data)]


if __name__ == "__main__":
    local.server_command = command
    sys.exit(local.main(sys.argv[1:], ApiServer, list))
