"""Work in the background: nothing here is on the path of a call."""
