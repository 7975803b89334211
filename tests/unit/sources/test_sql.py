"""Rows by key: with sqlite3 alone, and with SQLAlchemy."""

import contextlib
import functools
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from stops import frame_after, gone_on, stopped_after_each

from pauseflow import Flow, sources
from pauseflow.errors import MissingExtra, SourceChanged
from pauseflow.sources.keyset import as_rows
from pauseflow.testing import assert_resumable

ROWS = [{"id": n, "day": n % 3, "note": f"note {n}"} for n in range(1, 41)]
SAID: list[str] = []
"""What the connections of `traced` were asked."""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, day INTEGER, note TEXT)")
        connection.executemany("INSERT INTO orders VALUES (:id, :day, :note)", ROWS)
        connection.execute('CREATE TABLE "odd name" ("a ""key""" TEXT PRIMARY KEY)')
        connection.executemany('INSERT INTO "odd name" VALUES (?)', [("x",), ("y",)])
        connection.commit()
    monkeypatch.setenv("SHOP", str(path))
    SAID.clear()
    return path


def change(database: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture(params=["{}", "sqlite:///{}", "sqlite+pysqlite:///{}"])
def address(request: pytest.FixtureRequest, database: Path) -> str:
    return str(request.param).format(database)


table = functools.partial(sources.sql, query="orders", key="id", page=7)
by_day = functools.partial(sources.sql, query="orders", key=["day", "id"], page=7)
selected = functools.partial(
    sources.sql,
    query="SELECT id, note FROM orders WHERE day = :day;",
    key="id",
    params={"day": 2},
    page=4,
)


def test_a_table_in_the_order_of_its_key(address: str) -> None:
    assert list(table(address)) == ROWS
    assert stopped_after_each(table, address) == ROWS


def test_a_key_of_several_columns(address: str) -> None:
    expected = sorted(ROWS, key=lambda row: (row["day"], row["id"]))
    assert list(by_day(address)) == expected
    assert stopped_after_each(by_day, address) == expected


def test_a_select_with_parameters(address: str) -> None:
    expected = [{"id": row["id"], "note": row["note"]} for row in ROWS if row["day"] == 2]
    assert list(selected(address)) == expected
    assert stopped_after_each(selected, address) == expected


def test_names_are_quoted(address: str) -> None:
    odd = sources.sql(address, "odd name", key='a "key"', page=1)
    assert list(odd) == [{'a "key"': "x"}, {'a "key"': "y"}]


def test_it_begins_after_a_key(address: str) -> None:
    assert [row["id"] for row in sources.sql(address, "orders", key="id", after=38)] == [39, 40]
    later = sources.sql(address, "orders", key=("day", "id"), after=(2, 35))
    assert [row["id"] for row in later] == [38]
    with pytest.raises(ValueError, match="the key is day, id"):
        sources.sql(address, "orders", key=["day", "id"], after=3)


def test_nothing_at_all(address: str) -> None:
    rows = sources.sql(address, "SELECT id FROM orders WHERE id < 0", key="id")
    assert list(rows) == []
    assert list(rows) == []


def test_it_may_be_read_on_by_anybody(address: str) -> None:
    flow = Flow("orders")
    flow.branch(table, strict=True)
    assert_resumable(flow, address, seconds=0.2)


# -- what the database is asked


def traced() -> sqlite3.Connection:
    connection = sqlite3.connect(os.environ["SHOP"])
    connection.set_trace_callback(SAID.append)
    return connection


def orders(_: object) -> Iterator[int]:
    for row in sources.sql(traced, "orders", key="id", page=10):
        yield row["id"]


def test_only_what_comes_after_the_key_is_asked_for(database: Path) -> None:
    taken, frame = frame_after(orders, None, 25)
    assert len(SAID) == 3
    SAID.clear()
    it = gone_on(orders, None, frame)
    assert next(it) == 26
    (asked,) = SAID
    assert '> 25 ORDER BY pf."id" LIMIT 11' in asked
    assert [*taken, 26, *it] == list(range(1, 41))


def test_the_database_finds_it_by_the_key(database: Path) -> None:
    next(sources.sql(traced, "orders", key="id", after=7))
    (asked,) = SAID
    with contextlib.closing(sqlite3.connect(database)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {asked}").fetchall()
    assert "SEARCH pf USING INTEGER PRIMARY KEY" in str(plan)
    assert "SORT" not in str(plan).upper()


def test_what_is_added_and_removed_meanwhile(database: Path) -> None:
    _, frame = frame_after(orders, None, 20)
    change(database, "DELETE FROM orders WHERE id <= 30", "INSERT INTO orders VALUES (50, 0, '')")
    change(database, "INSERT INTO orders VALUES (5, 0, '')")
    assert list(gone_on(orders, None, frame)) == [*range(31, 41), 50]


ENGINES: list[sa.Engine] = []


def engine() -> sa.Engine:
    if not ENGINES:
        ENGINES.append(sa.create_engine(f"sqlite:///{os.environ['SHOP']}"))
    return ENGINES[0]


def second_day() -> sa.Select[Any]:
    rows = sa.table("orders", sa.column("id"), sa.column("day"), sa.column("note"))
    return sa.select(rows).where(rows.c.day == 2)


def through_engine(_: object) -> Iterator[int]:
    for row in sources.sql(engine, second_day, key="id", page=3):
        yield row["id"]


def through_table(_: object) -> Iterator[int]:
    for row in sources.sql(engine, orders_table, key="id"):
        yield row["id"]


def orders_table() -> sa.Table:
    return sa.Table("orders", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))


def test_an_engine_and_a_select_of_the_author_s(database: Path) -> None:
    try:
        expected = [row["id"] for row in ROWS if row["day"] == 2]
        assert stopped_after_each(through_engine, None) == expected
        assert stopped_after_each(through_table, None) == [row["id"] for row in ROWS]
        flow = Flow("engine")
        flow.branch(through_engine, strict=True)
        assert_resumable(flow, 1, seconds=0.2)
    finally:
        ENGINES.pop().dispose()


# -- what can't be read


def test_a_key_that_a_select_does_not_have(address: str) -> None:
    address = "sqlite+pysqlite:///" + address.rpartition("///")[2]
    with pytest.raises(ValueError, match="the query: no such column: nokey"):
        next(sources.sql(address, second_day, key="nokey"))


def test_a_key_that_is_none_is_refused_before_rows_are_lost(address: str) -> None:
    with pytest.raises(ValueError, match=r"orders'?: key=day is the same in several rows \(day=0"):
        next(sources.sql(address, "orders", key="day"))
    with pytest.raises(ValueError, match="key=k is NULL in some row"):
        next(sources.sql(address, "SELECT nullif(id, 3) AS k FROM orders", key="k"))
    rows = sources.sql(address, "SELECT min(id, 9) AS k FROM orders", key="k", page=3)
    assert [next(rows)["k"] for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(ValueError, match="k=9"):
        [next(rows) for _ in range(4)]


@pytest.mark.parametrize(
    ("query", "key", "told"),
    [
        ("ordres", "id", "table 'ordres': no such table: ordres. Check query="),
        ("orders", "nokey", "table 'orders': no such column: nokey"),
        ("SELECT id FROM orders", "nokey", "the query: no such column: nokey"),
    ],
)
def test_a_table_or_column_that_never_was(address: str, query: str, key: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        next(sources.sql(address, query, key=key))


def test_the_key_is_spelled_as_the_rows_have_it(address: str) -> None:
    with pytest.raises(ValueError, match="no column 'ID', there are id, day, note"):
        next(sources.sql(address, "orders", key="ID"))


def test_null_in_a_part_of_the_key_is_found_wherever_it_comes(address: str) -> None:
    query = "SELECT id, day, nullif(id, 17) AS k FROM orders"
    rows = sources.sql(address, query, key=["day", "k"], page=3)
    with pytest.raises(ValueError, match="key=day, k is NULL in some row"):
        list(rows)


def test_two_columns_of_one_name() -> None:
    with pytest.raises(ValueError, match="called 'x': write SELECT"):
        as_rows(["id", "x", "x"], [(1, 2, 3)])


def test_a_table_that_is_gone_is_told_with_the_place(address: str, database: Path) -> None:
    _, frame = frame_after(table, address, 10)
    change(database, "ALTER TABLE orders RENAME TO archive")
    with pytest.raises(SourceChanged, match=r"10 rows were read, up to id=10, and now: no such"):
        next(gone_on(table, address, frame))


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, database: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no database"):
        next(sources.sql(tmp_path / "other.db", "orders", key="id"))
    assert not (tmp_path / "other.db").exists()
    _, frame = frame_after(table, str(database), 10)
    database.unlink()
    with pytest.raises(SourceChanged, match="there is no database"):
        next(gone_on(table, str(database), frame))


def test_other_errors_are_the_database_s_own(address: str) -> None:
    with pytest.raises((sqlite3.Error, sa.exc.SQLAlchemyError), match="near"):
        next(sources.sql(address, "SELECT id FROM orders WHERE WHERE", key="id"))


def test_a_statement_writes_nothing(database: Path) -> None:
    with pytest.raises(sqlite3.Error):
        next(sources.sql(database, "WITH x AS (SELECT 1) DELETE FROM orders", key="id"))


def something() -> object:
    return object()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: sources.sql(something, "orders", key="id"), "something.. gave a object"),
        (
            lambda path: sources.sql(f"sqlite+pysqlite:///{path}", something, key="id"),
            "a object is nothing to read rows from",
        ),
    ],
)
def test_functions_that_give_something_else(
    database: Path, make: Callable[[Path], Any], told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        next(make(database))


def test_without_sqlalchemy_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    monkeypatch.delitem(sys.modules, "pauseflow.sources.alchemy", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    told = r"postgresql://db/shop is read with SQLAlchemy. Run: pip install 'pauseflow\[sql\]'"
    with pytest.raises(MissingExtra, match=told):
        next(sources.sql("postgresql://db/shop", "orders", key="id"))
    assert next(sources.sql(database, "orders", key="id"))["id"] == 1


def test_without_its_driver_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ImportError, match=r"postgresql\+psycopg://db/shop needs a driver"):
        next(sources.sql("postgresql+psycopg://db/shop", "orders", key="id"))


def test_secrets_stay_in_the_environment(monkeypatch: pytest.MonkeyPatch, database: Path) -> None:
    with pytest.raises(ValueError, match=r"postgresql://ada:\*\*\*@db/shop holds") as told:
        sources.sql("postgresql://ada:pssst@db/shop", "orders", key="id")
    assert "pssst" not in str(told.value)
    monkeypatch.setenv("DATABASE", f"sqlite+pysqlite:///{database}?check_same_thread=false")
    rows = sources.sql("${DATABASE}", "orders", key="id")
    assert next(rows)["id"] == 1
    assert "shop.db" not in repr(rows)
    assert "shop.db" not in str(rows.__getstate__())
    monkeypatch.delenv("DATABASE")
    with pytest.raises(ValueError, match="environment variable DATABASE, which this process"):
        next(sources.sql("${DATABASE}", "orders", key="id"))


def test_a_manager_closes_it(database: Path) -> None:
    with sources.sql(database, "orders", key="id") as rows:
        assert next(rows)["id"] == 1
    assert next(rows)["id"] == 2
    rows.close()


def test_pages_and_keys_that_are_none() -> None:
    with pytest.raises(ValueError, match="page=0"):
        sources.sql("x", "orders", key="id", page=0)
    with pytest.raises(ValueError, match="key=''"):
        sources.sql("x", "orders", key="")
