"""By what a format is known that is not known by its name."""

PARQUET_MAGIC = b"PAR1"
"""The first and the last four bytes of each file (Parquet format specification)."""
