"""What all table declarations share: the schema's name, the two catalogs, and recurring columns."""

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, Uuid, func, text

SCHEMA = "enrollment"
METADATA = MetaData(schema=SCHEMA)
VIEWS = MetaData(schema=SCHEMA)


def instant(name: str, *, required: bool = False) -> Column[object]:
    """Return a point in time; a required one is now unless said otherwise."""
    default = func.now() if required else None
    return Column(name, DateTime(timezone=True), nullable=not required, server_default=default)


def new_id() -> Column[object]:
    """Return an id that the database draws.

    Version 7: neighbours in time are neighbours in every index, which keeps bulk inserts local.
    """
    return Column("id", Uuid, server_default=text("enrollment.uuidv7()"))


def one_of(column: str, *values: str) -> CheckConstraint:
    """Return the constraint that a column holds one of these words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} in ({listed})", name=f"{column}_known")
