"""Where a read model goes: a database as a person names it, without its password in anything that is printed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.errors import UserError

if TYPE_CHECKING:
    from psycopg import ConnectionInfo

    from replay.projections.trading import TradingView

FORMS = "sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")
_SETTINGS = ("host", "port", "user", "password", "dbname")
_CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True)
class Target:
    """`shown` is what to call it; `env` are the library's settings for it, where the password may be."""

    shown: str
    view_class: "type[TradingView]"
    env: dict[str, str] = field(repr=False)


def target_of(text: str) -> Target:
    """The database that `text` names, tried once. Raises UserError."""
    if text.startswith(_SQLITE) and len(text) > len(_SQLITE):
        return _sqlite(text)
    if text.startswith(_POSTGRES):
        return _postgres(text)
    # What else it is may hold a password too.
    scheme = text.partition("://")[0] if "://" in text else None
    found = f"a {scheme!r} address" if scheme is not None and scheme.isalnum() else "something else"
    raise UserError(f"--to: expected {FORMS}, found {found}")


def _sqlite(text: str) -> Target:
    import sqlite3
    from contextlib import closing

    from replay.projections.sqlite_view import SqliteTradingView

    file = Path(text.removeprefix(_SQLITE))
    try:
        with closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise UserError(f"--to {text}: {error}, expected a file for SQLite in a folder that is there") from None
    env = {"TRADING_PERSISTENCE_MODULE": "eventsourcing.sqlite", "TRADING_SQLITE_DBNAME": str(file.absolute())}
    return Target(text, SqliteTradingView, env)


def _postgres(text: str) -> Target:
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict, make_conninfo
    except ImportError:
        raise UserError("--to: PostgreSQL needs psycopg, expected tapefold installed as tapefold[postgres]") from None
    from replay.projections.postgres_view import PostgresTradingView

    try:
        settings = {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
    except psycopg.Error:
        raise UserError(f"--to: the address cannot be read, expected {FORMS}") from None
    password = settings.get("password", "")
    if others := sorted(set(settings) - set(_SETTINGS)):
        raise UserError(f"--to: {others[0]} cannot be set there, expected its variable, such as PGSSLMODE, to be set")
    shown = f"postgresql://{settings.get('host', '')}/{settings.get('dbname', '')}"
    try:
        complete = make_conninfo("", **settings, connect_timeout=_CONNECT_TIMEOUT_S)
        with psycopg.connect(complete) as connection:
            # What the address left out libpq has found: PGUSER, PGPASSWORD, ~/.pgpass.
            return Target(shown, PostgresTradingView, _postgres_env(connection.info))
    except psycopg.Error as error:
        what = hidden(str(error), password)
        raise UserError(f"--to {shown}: {what or 'no connection'}, expected a PostgreSQL server") from None


def _postgres_env(info: "ConnectionInfo") -> dict[str, str]:
    settings = {
        "DBNAME": info.dbname,
        "HOST": info.host,
        "PORT": str(info.port),
        "USER": info.user,
        "PASSWORD": info.password,
        "GET_PASSWORD_TOPIC": "",
        "SCHEMA": "",
        "POOL_SIZE": "1",
        "MAX_OVERFLOW": "1",
        "CONNECT_TIMEOUT": str(_CONNECT_TIMEOUT_S),
    }
    module = {"TRADING_PERSISTENCE_MODULE": "eventsourcing.postgres"}
    return module | {f"TRADING_POSTGRES_{name}": value for name, value in settings.items()}


def hidden(text: str, password: str) -> str:
    """A message in one line, without the password."""
    line = " ".join(text.split())
    return line.replace(password, "…") if password else line
