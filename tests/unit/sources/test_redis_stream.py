"""Streams: where reading goes on, how it waits, and what is said when entries are gone."""

from collections.abc import Iterator
from typing import Any

import pytest
from stops import frame_after, gone_on, opened, raised_pause, stopped_after_each

from pauseflow import Flow, PauseFlow, sources
from pauseflow.errors import SourceChanged, StoreError
from pauseflow.store.server import Server, Wire
from pauseflow.testing import assert_resumable
from support.servers import fake_server

URL = "redis://host/0"


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A connection to the server that streams are read from."""
    server = fake_server()
    monkeypatch.setattr(Server, "at", lambda url: server if url == URL else None)
    wire = server.wire()
    yield wire
    wire.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> list[Any]:
    """What is sent from now on."""
    sent: list[Any] = []
    call = Wire.call

    def noted(self: Wire, command: Any) -> Any:
        sent.append(command)
        return call(self, command)

    monkeypatch.setattr(Wire, "call", noted)
    return sent


def add(wire: Wire, *numbers: int) -> None:
    for number in numbers:
        wire.call(("XADD", "clicks", f"{number}-1", "n", str(number)))


def clicks(url: str) -> Iterator[Any]:
    for entry, fields in sources.redis_stream(url, "clicks", page=3):
        yield entry, fields["n"]


def followed(url: str) -> Iterator[Any]:
    for entry, _fields in sources.redis_stream(url, "clicks", follow=True, every="7s"):
        yield entry


def kept(url: str) -> Iterator[Any]:
    for entry, _fields in sources.redis_stream(url, "clicks", trimmed=True):
        yield entry


def entries(*numbers: int) -> list[tuple[str, str]]:
    return [(f"{number}-1", str(number)) for number in numbers]


def test_all_that_is_there_when_it_begins(wire: Wire) -> None:
    add(wire, *range(1, 9))
    assert list(clicks(URL)) == entries(*range(1, 9))
    assert stopped_after_each(clicks, URL) == entries(*range(1, 9))
    _, frame = frame_after(clicks, URL, 2)
    add(wire, 9)
    assert list(gone_on(clicks, URL, frame)) == entries(*range(3, 9))


def test_it_may_be_read_on_by_anybody(wire: Wire) -> None:
    add(wire, *range(1, 9))
    flow = Flow("clicks")
    flow.branch(clicks, strict=True)
    assert_resumable(flow, URL, seconds=0.2)


def test_only_what_comes_after_the_last_entry_is_asked_for(wire: Wire, asked: list[Any]) -> None:
    add(wire, *range(1, 100))
    _, frame = frame_after(clicks, URL, 50)
    asked.clear()
    assert next(gone_on(clicks, URL, frame)) == ("51-1", "51")
    assert asked == [("XRANGE", "clicks", "50-1", "99-1", "COUNT", 4)]


def test_it_begins_after_an_id(wire: Wire) -> None:
    add(wire, 1, 2, 3)
    later = sources.redis_stream(URL, "clicks", after="2-1")
    assert [entry for entry, _ in later] == ["3-1"]
    assert list(later) == []
    assert list(sources.redis_stream(URL, "clicks", after="$")) == []
    assert list(sources.redis_stream(URL, "clicks", after="9")) == []


def test_one_that_follows_pauses_where_there_is_nothing_more(wire: Wire) -> None:
    pause, frame = raised_pause(followed, opened(followed, URL))
    assert pause.after == 7.0
    add(wire, 1, 2)
    it = gone_on(followed, URL, frame)
    assert [next(it), next(it)] == ["1-1", "2-1"]
    pause, frame = raised_pause(followed, it)
    assert pause.after == 7.0
    add(wire, 3)
    assert next(gone_on(followed, URL, frame)) == "3-1"


def test_one_that_follows_from_now_on(wire: Wire) -> None:
    add(wire, 1)
    news = sources.redis_stream(URL, "clicks", after="$", follow=True)
    with pytest.raises(PauseFlow):
        next(news)
    add(wire, 2)
    assert next(news) == ("2-1", {"n": "2"})


@pytest.mark.parametrize("gone", [("XTRIM", "clicks", "MINID", "5-1"), ("DEL", "clicks")])
def test_entries_that_are_gone_before_they_were_read(wire: Wire, gone: tuple[str, ...]) -> None:
    add(wire, *range(1, 9))
    _, frame = frame_after(clicks, URL, 2)
    wire.call(gone)
    with pytest.raises(SourceChanged, match=r"'clicks' .*entry 2-1, the last one that was read"):
        next(gone_on(clicks, URL, frame))


def test_one_that_may_be_trimmed_goes_on_with_what_is_left(wire: Wire) -> None:
    add(wire, *range(1, 9))
    _, frame = frame_after(kept, URL, 2)
    wire.call(("XTRIM", "clicks", "MINID", "5-1"))
    assert list(gone_on(kept, URL, frame)) == ["5-1", "6-1", "7-1", "8-1"]
    wire.call(("XTRIM", "clicks", "MAXLEN", 0))
    assert list(gone_on(kept, URL, frame)) == []


def test_a_stream_that_never_was(wire: Wire) -> None:
    with pytest.raises(ValueError, match=r"no stream 'clicks' at redis://host/0: check its name"):
        next(sources.redis_stream(URL, "clicks"))
    add(wire, 1)
    wire.call(("XDEL", "clicks", "1-1"))
    assert list(sources.redis_stream(URL, "clicks")) == []
    wire.call(("SET", "text", "x"))
    with pytest.raises(StoreError, match="WRONGTYPE"):
        next(sources.redis_stream(URL, "text"))


def test_bytes(wire: Wire) -> None:
    wire.call(("XADD", "clicks", "1-1", b"\xff", b"\xfe"))
    assert list(sources.redis_stream(URL, "clicks", raw=True)) == [("1-1", {b"\xff": b"\xfe"})]
    with pytest.raises(ValueError, match=r"entry 1-1: .* Say raw=True"):
        next(sources.redis_stream(URL, "clicks"))


def test_secrets_stay_in_the_environment(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"redis://:\*\*\*@host/0 holds") as told:
        sources.redis_stream("redis://:pssst@host/0", "clicks")
    assert "pssst" not in str(told.value)
    monkeypatch.setenv("CLICKS", URL)
    add(wire, 1)
    with sources.redis_stream("${CLICKS}", "clicks") as stream:
        assert next(stream) == ("1-1", {"n": "1"})
        assert URL not in str(stream.__getstate__())
    assert repr(stream) == "<redis_stream 'clicks' after 1-1>"


def test_pages_of_nothing() -> None:
    with pytest.raises(ValueError, match="page=0"):
        sources.redis_stream(URL, "clicks", page=0)
