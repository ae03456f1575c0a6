"""One condition language for selection filters and trigger filters, answered by two engines."""
