"""Bytes to values and back: DHCPv4 and its options, the failover protocol and its options."""
