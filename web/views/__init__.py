"""One group of pages a file."""
