"""The management plane: operator commands, configuration database, supervision of the DHCP server."""
