"""Sample files to try the product on, made by a seeded generator; everybody in them is invented.

Nothing else of the product depends on this package, and it depends on nothing else.
"""
