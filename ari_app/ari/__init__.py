"""Everything that knows Asterisk's REST interface."""
