"""Which contacts are meant: by ids, by a filter, by a file; resolved once and kept."""
