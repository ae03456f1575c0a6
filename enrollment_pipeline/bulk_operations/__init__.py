"""Operations on many contacts at once, such as importing them from a file."""
