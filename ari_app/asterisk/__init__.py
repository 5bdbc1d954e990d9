"""Asterisk itself: its root file system, instances of it, and the simulated carrier. Blocking: for CLI and tests."""
