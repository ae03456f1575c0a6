"""Contacts written into files, and the place where the files are kept."""
