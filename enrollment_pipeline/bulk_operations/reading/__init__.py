"""From a file of contacts to rows that say something about one: sources, columns, cells."""
