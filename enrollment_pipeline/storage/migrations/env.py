"""Run the migrations on the connection that `storage.engine.upgrade` hands in."""

from alembic import context

from enrollment_pipeline.storage.schema import METADATA, SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table_schema=SCHEMA,
    include_schemas=True,
    transactional_ddl=False,
)
context.run_migrations()
