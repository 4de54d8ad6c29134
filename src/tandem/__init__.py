"""Tandem: a DHCPv4 service that survives the loss of a server."""

__version__ = "0.1.0"
