"""The jobs on real databases."""
