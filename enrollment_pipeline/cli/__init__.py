"""The command line: one file per noun, and what all commands share."""
