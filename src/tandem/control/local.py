"""The program ``tandem local``: the management plane of ``cluster.local`` with its REST API."""

from __future__ import annotations

import sys

from tandem.cluster import local
from tandem.control.rest import ApiServer


def main(argv: list[str] | None = None) -> int:
    """Run a local cluster; return the exit status."""
    return local.main(sys.argv[1:] if argv is None else argv, ApiServer)


if __name__ == "__main__":
    sys.exit(main())
