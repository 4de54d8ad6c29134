"""RFC 2131 decisions and option assembly."""
