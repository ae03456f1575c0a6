"""Schema, migrations, and the one gate to the database."""
