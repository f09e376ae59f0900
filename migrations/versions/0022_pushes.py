"""A push is known by a token of its own, no longer by its login, and what it has brought bears its number."""

revision = "0022"
down_revision = "0021"

SQL = """
DROP TABLE pushing;
CREATE TABLE pushing (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL,
    login TEXT NOT NULL,
    peer TEXT NOT NULL,
    row INTEGER NOT NULL,
    first INTEGER NOT NULL,
    is_told INTEGER NOT NULL
);
CREATE INDEX pushing_login ON pushing (login);
ALTER TABLE brought ADD COLUMN push INTEGER
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement.strip())
