"""The template library in Dagster: the form that clones a template, and what the library is for."""
