"""Bringing the schema of an older repository up to this release, in one write transaction."""

import sqlite3
from collections.abc import Callable

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool


def migrate(connect: Callable[[], sqlite3.Connection]) -> None:
    """Run the migrations that are missing, on a connection of their own that `connect` makes for writing."""
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    # The connection is in autocommit mode; SQLAlchemy alone would begin no transaction, or a deferred one.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", "xferzone.migrations:.")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
