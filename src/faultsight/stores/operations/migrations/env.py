"""What Alembic runs: the steps, in the transaction that `upgrade` and `downgrade` have begun."""

from __future__ import annotations

from alembic import context

from faultsight.stores.operations.schema import metadata

# Only Alembic gives a configuration; whoever imports this file otherwise wants to read it.
if hasattr(context, "config"):
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
