"""Alembic's entry: runs inside the connection and transaction that store/database.py passes in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
