"""Delimited files: reading them row by row with true line numbers, and writing them safely."""
