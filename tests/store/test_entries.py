"""Entries: the stream of another program, on each server."""

import pytest

from pauseflow.errors import StoreError
from pauseflow.store.entries import Entries
from pauseflow.store.server import Server, Wire


@pytest.fixture
def stream(server: Server, wire: Wire) -> Entries:
    for number in range(1, 6):
        wire.call(("XADD", "pauseflow-test", f"{number}-0", "n", str(number), "m", b"\xff"))
    yield Entries(server.wire(), "pauseflow-test")
    wire.call(("DEL", "pauseflow-test"))


def ids(found: list[tuple[str, dict[bytes, bytes]]] | None) -> list[str] | None:
    return None if found is None else [entry for entry, _ in found]


def test_a_page_has_what_comes_after_an_entry(stream: Entries) -> None:
    found = stream.page("0", 2, known=False, until="+")
    assert found == [
        ("1-0", {b"n": b"1", b"m": b"\xff"}),
        ("2-0", {b"n": b"2", b"m": b"\xff"}),
    ]
    assert ids(stream.page("2-0", 2, known=True, until="+")) == ["3-0", "4-0"]
    assert ids(stream.page("2-0", 9, known=True, until="4-0")) == ["3-0", "4-0"]
    assert stream.page("5-0", 9, known=True, until="+") == []
    stream.close()


def test_an_entry_that_is_gone_is_missed_if_it_is_expected(stream: Entries, wire: Wire) -> None:
    wire.call(("XTRIM", "pauseflow-test", "MINID", "4-0"))
    assert stream.page("2-0", 2, known=True, until="+") is None
    assert ids(stream.page("2-0", 2, known=False, until="+")) == ["4-0", "5-0"]
    wire.call(("DEL", "pauseflow-test"))
    assert stream.page("2-0", 2, known=True, until="+") is None
    stream.close()


def test_the_last_entry(stream: Entries, wire: Wire) -> None:
    assert stream.last() == "5-0"
    wire.call(("XTRIM", "pauseflow-test", "MAXLEN", 0))
    assert stream.last() is None
    assert stream.exist()
    wire.call(("DEL", "pauseflow-test"))
    assert not stream.exist()
    stream.close()


def test_a_key_that_is_no_stream_is_told(stream: Entries, wire: Wire) -> None:
    wire.call(("DEL", "pauseflow-test"))
    wire.call(("SET", "pauseflow-test", "x"))
    with pytest.raises(StoreError, match="WRONGTYPE"):
        stream.last()
    stream.close()


def test_it_is_found_by_its_server_s_url(valkey_url: str) -> None:
    entries = Entries.at(valkey_url, "pauseflow-none")
    assert entries.last() is None
    entries.close()
