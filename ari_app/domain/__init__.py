"""The rules of the product: pure, without I/O and without await."""
