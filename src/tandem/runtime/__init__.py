"""The only sockets, files, clocks, threads and processes: performs the effects of a ``node.Node``."""
