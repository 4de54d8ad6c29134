"""A failover endpoint: state table, link, update window, conflict rows, lead time, pool balance, recovery."""
