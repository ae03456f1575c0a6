"""The library of templates: shipped, made from workflows, shared, cloned, updated."""
