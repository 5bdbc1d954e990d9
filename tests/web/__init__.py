"""The outside over HTTP."""
