"""A binding, its legal transitions, the lease book, pools and shares."""
