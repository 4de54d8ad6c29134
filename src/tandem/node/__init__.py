"""One server: book, DHCP and failover together; inputs in, effects out; views for operators."""
