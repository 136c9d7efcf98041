"""Run by Alembic for each of its commands. It gets an open connection and configures nothing else.

Not a module of the package: Alembic executes this file, and only then does `context` have anything
behind it.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    transaction_per_migration=True,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
