"""The demonstration: a failover pair, a few hundred clients, a story of faults; two minutes, without root."""
