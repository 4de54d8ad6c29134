"""Values that every room uses: units, IPv4 addresses as integers, range sets, errors, inputs and effects."""
