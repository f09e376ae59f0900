"""An index of what sets tags on other artifacts, in order of arrival: which control artifact is the newest."""

revision = "0010"
down_revision = "0009"

SQL = "CREATE INDEX tag_by_others ON tag (source) WHERE target <> source"


def upgrade() -> None:
    from alembic import op

    op.execute(SQL)
