"""The benchmark: this server and its peers, side by side, driven by perfdhcp. See docs/benchmarks.md."""
