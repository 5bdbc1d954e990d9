"""The tests; shared parts of the live ones are imported from here."""
