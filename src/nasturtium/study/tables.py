"""The database's tables, and the check that a file has them in a version we can read."""

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
)

from nasturtium.core.errors import StorageError

SCHEMA = 1

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("seed", Text, nullable=False),  # text: a seed may have more than 63 bits
    Column("state", Text, nullable=False),
    Column("error", Text),
    UniqueConstraint("name"),
)

events = Table(
    "events",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("time", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
)

trials = Table(  # what the log says about each trial, for reading; never the source of a replay
    "trials",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("label", Text, nullable=False),
    Column("architecture", Text),
    Column("epochs", Integer),
    Column("losses", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("curve", Text, nullable=False),
    Column("cost", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("started", Text),
    Column("finished", Text),
)


def create_or_check(connection: Connection, place: str) -> None:
    """Makes the tables in an empty database; raises `StorageError` for another program's or a newer one."""
    present = inspect(connection).get_table_names()
    if not present:
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=SCHEMA))
        return
    if "schema_version" not in present:
        raise StorageError(f"{place} is a database of another program (tables {', '.join(present[:5])})")
    found = connection.execute(select(schema_version.c.version)).scalar()
    if found != SCHEMA:
        raise StorageError(
            f"{place} has schema version {found}; this nasturtium reads version {SCHEMA}: upgrade nasturtium"
        )
