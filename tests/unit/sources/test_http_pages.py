"""Pages over HTTP: each is fetched once, and secrets go where they belong only."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlsplit

import pytest
from stops import frame_after, gone_on, raised_pause, stopped_after_each

from pauseflow import Flow, sources
from pauseflow.codec import decode, encode
from pauseflow.errors import SourceChanged
from pauseflow.testing import assert_resumable

Answer = tuple[int, dict[str, str], bytes]


class Site(ThreadingHTTPServer):
    """A listing of three pages with two items each, however its pages tell of the next."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.instead: dict[str, list[Answer]] = {}

    def answer(self, target: str) -> Answer:
        self.asked.append(target)
        if self.instead.get(target):
            return self.instead[target].pop(0)
        parts = urlsplit(target)
        number = int(parse_qs(parts.query).get("page", ["1"])[0])
        if not 1 <= number <= 3:
            return 404, {}, b"no such page"
        body: dict[str, Any] = {"items": [number * 2 - 1, number * 2]}
        headers = {"Content-Type": "application/json"}
        if number < 3:
            following = f"{parts.path}?page={number + 1}"
            headers["Link"] = f'<{parts.path}?page=9>; rel="last", <{following}>; rel="next"'
            body |= {"next": following, "paging": {"next": number + 1}}
        return 200, headers, json.dumps(body).encode()


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.headers.append({k.lower(): v for k, v in self.headers.items()})
        status, headers, body = self.server.answer(self.path)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def start() -> Iterator[Callable[[], Site]]:
    """Starts a site."""
    running: list[tuple[Site, threading.Thread]] = []

    def started() -> Site:
        site = Site()
        thread = threading.Thread(target=site.serve_forever, args=[0.01])
        thread.start()
        running.append((site, thread))
        return site

    yield started
    for site, thread in running:
        site.shutdown()
        thread.join()
        site.server_close()


@pytest.fixture
def site(start: Callable[[], Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return start()


def by_link(url: str) -> Iterator[int]:
    for page in sources.pages(url):
        yield from page.json()["items"]


def by_url(url: str) -> Iterator[int]:
    for page in sources.pages(url, next="next"):
        yield from page.json()["items"]


def by_token(url: str) -> Iterator[int]:
    for page in sources.pages(url, next="paging.next", token="page"):
        yield from page.json()["items"]


def following(page: sources.Page) -> str | None:
    number = page.json().get("paging", {}).get("next")
    return None if number is None else f"?page={number}"


def by_function(url: str) -> Iterator[int]:
    for page in sources.pages(url, next=following):
        yield from page.json()["items"]


@pytest.mark.parametrize("listing", [by_link, by_url, by_token, by_function])
def test_each_page_is_fetched_once_wherever_it_is_stopped(
    site: Site, listing: Callable[[str], Iterator[int]]
) -> None:
    assert list(listing(f"{site.url}/things")) == [1, 2, 3, 4, 5, 6]
    site.asked.clear()
    assert stopped_after_each(listing, f"{site.url}/things") == [1, 2, 3, 4, 5, 6]
    assert site.asked == ["/things", "/things?page=2", "/things?page=3"]


def test_it_may_be_read_on_by_anybody(site: Site) -> None:
    flow = Flow("things")
    flow.branch(by_link, strict=True)
    assert_resumable(flow, f"{site.url}/things", seconds=0.2)


def test_other_parameters_stay_beside_the_token(site: Site) -> None:
    list(by_token(f"{site.url}/things?size=2&page=1"))
    assert site.asked[1:] == ["/things?size=2&page=2", "/things?size=2&page=3"]


def test_pages_are_records(site: Site) -> None:
    flow = Flow("pages")
    flow.branch(sources.pages)
    pages = flow.run(f"{site.url}/things")
    assert [page.status for page in pages] == [200] * 3
    assert decode(encode(pages[0])) == pages[0]
    assert pages[0].headers["content-type"] == "application/json"


# -- servers that are busy


@pytest.mark.parametrize(
    ("status", "headers", "least", "most"),
    [
        (429, {"Retry-After": "7"}, 7, 7),
        (503, {"Retry-After": "0"}, 0, 0),
        (429, {}, 60, 60),
        (429, {"Retry-After": "soon"}, 60, 60),
        (429, {"Retry-After": "nan"}, 60, 60),
        (429, {"Retry-After": "1e9"}, 86_400, 86_400),
        (429, {"Retry-After": "in ten minutes"}, 500, 601),
        (429, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 -0000"}, 0, 0),
    ],
)
def test_a_busy_server_is_left_alone_for_as_long_as_it_says(
    site: Site, status: int, headers: dict[str, str], least: float, most: float
) -> None:
    url = f"{site.url}/things"
    if headers.get("Retry-After") == "in ten minutes":
        headers = {"Retry-After": formatdate(time.time() + 600, usegmt=True)}
    site.instead["/things?page=2"] = [(status, headers, b"")]
    _, frame = frame_after(by_link, url, 2)
    pause, frame = raised_pause(by_link, gone_on(by_link, url, frame))
    assert least <= (pause.after if isinstance(pause.after, float) else -1.0) <= most
    assert list(gone_on(by_link, url, frame)) == [3, 4, 5, 6]
    assert site.asked == ["/things", "/things?page=2", "/things?page=2", "/things?page=3"]


def test_a_busy_first_page_pauses_a_branch_of_pages_too(site: Site) -> None:
    site.instead["/things"] = [(429, {"Retry-After": "30"}, b"")]
    waited: list[float] = []
    flow = Flow("pages")
    flow.branch(sources.pages)
    assert len(flow.run(f"{site.url}/things", sleep=waited.append)) == 3
    assert sum(waited) == pytest.approx(30, abs=1)


# -- what goes wrong


def test_a_page_that_is_gone_is_told_with_its_place(site: Site) -> None:
    site.instead["/things?page=2"] = [(410, {}, b"")]
    pages = sources.pages(f"{site.url}/things")
    next(pages)
    with pytest.raises(SourceChanged, match=r"page 2 is gone: .*page=2, and .* answers 410 now"):
        next(pages)
    assert len(list(pages)) == 2  # it has come back


def test_errors_name_the_page(site: Site) -> None:
    with pytest.raises(HTTPError, match=r"404.*/things\?page=8") as told:
        next(sources.pages(f"{site.url}/things?page=8"))
    assert told.value.code == 404
    site.instead["/things?page=2"] = [(500, {}, b""), (503, {}, b"")]
    pages = sources.pages(f"{site.url}/things")
    next(pages)
    for _ in range(2):
        with pytest.raises(HTTPError, match="page=2"):
            next(pages)
    assert len(list(pages)) == 2


def test_a_server_that_is_not_there(site: Site) -> None:
    with pytest.raises(URLError):
        next(sources.pages("http://127.0.0.1:1/"))


@pytest.mark.parametrize(
    ("body", "options", "told"),
    [
        (b"<html>", {"next": "next"}, r"/x: not JSON \(of no type\)"),
        (b'{"next": ["a"]}', {"next": "next"}, "'next' is a list, and tells of no next page"),
        (b'{"next": "/x"}', {"next": "next"}, "tells of itself as the next page"),
        (b'{"next": "file:///etc/passwd"}', {"next": "next"}, "file:///etc/passwd is not the"),
        (b"x" * 11, {"longest": 10}, "more than 10 bytes: give pages"),
    ],
)
def test_pages_that_are_none(site: Site, body: bytes, options: dict[str, Any], told: str) -> None:
    site.instead["/x"] = [(200, {}, body)]
    with pytest.raises(ValueError, match=told):
        list(sources.pages(f"{site.url}/x", **options))


@pytest.mark.parametrize("url", ["ftp://host/x", "/etc/passwd", "http:///x", "data:,x"])
def test_only_http_is_asked(url: str) -> None:
    with pytest.raises(ValueError, match="not the address of a page"):
        next(sources.pages(url))


def test_the_last_page_may_say_so_in_several_ways(site: Site) -> None:
    for body in (b"{}", b'{"next": null}', b'{"next": ""}', b'{"next": false}', b"[]"):
        site.instead["/x"] = [(200, {}, body)]
        assert len(list(sources.pages(f"{site.url}/x", next="next"))) == 1


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ('<b>; rel="next"', "http://h/a/b"),
        ("</b>; rel=next", "http://h/b"),
        ('<x>; rel=prev, <b?c,d>; title="t"; rel="last next"', "http://h/a/b?c,d"),
        ('<x>; rel="nextdoor"', None),
        ("", None),
    ],
)
def test_link_headers(link: str, leads: str | None) -> None:
    assert sources.Page("http://h/a/", {"link": link}, b"").linked() == leads


def test_text_is_of_the_encoding_that_the_server_names() -> None:
    latin = {"content-type": "text/html; charset=ISO-8859-1"}
    assert sources.Page("http://h/", latin, b"\xe4").text == "ä"
    assert sources.Page("http://h/", {}, "ä".encode()).text == "ä"
    with pytest.raises(ValueError, match=r"http://h/: .* Its bytes are in \.body"):
        _ = sources.Page("http://h/", {}, b"\xe4").text


# -- secrets


def listing_with_key(url: str) -> Iterator[int]:
    given = {"Authorization": "Bearer ${TOKEN}", "Accept": "text/plain"}
    for page in sources.pages(url, headers=given):
        yield from page.json()["items"]


def test_secrets_are_sent_and_not_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "pssst")
    monkeypatch.setenv("API_KEY", "hush hush")
    url = site.url + "/things?api_key=${API_KEY}"
    monkeypatch.setenv("API_KEY", "hush%20hush")
    site.instead["/things?api_key=hush%20hush"] = [
        (200, {"Link": '</things?api_key=hush%20hush&page=2>; rel="next"'}, b'{"items": [1]}')
    ]
    taken, frame = frame_after(listing_with_key, url, 1)
    assert b"pssst" not in frame
    assert b"hush" not in frame
    assert [*taken, *gone_on(listing_with_key, url, frame)] == [1, 3, 4, 5, 6]
    assert site.headers[0]["authorization"] == site.headers[1]["authorization"] == "Bearer pssst"
    assert site.asked[1] == "/things?api_key=hush%20hush&page=2"


def test_secrets_are_not_sent_elsewhere(
    site: Site, start: Callable[[], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "pssst")
    other = start()
    following = f"<{other.url}/things?leak=${{TOKEN}}&page=3>; rel=next"
    site.instead["/x"] = [(200, {"Link": following}, b'{"items": []}')]
    site.instead["/y"] = [(302, {"Location": f"{other.url}/things?page=3"}, b"")]
    site.instead["/z"] = [(302, {"Location": "/things?page=3"}, b"")]
    for path in ("/x", "/y"):
        assert list(listing_with_key(site.url + path)) == [5, 6]
    assert [headers.get("authorization") for headers in other.headers] == [None, None]
    assert "pssst" not in str(other.asked)
    assert list(listing_with_key(f"{site.url}/z")) == [5, 6]
    assert site.headers[-1]["authorization"] == "Bearer pssst"


def test_a_redirect_opens_no_file(site: Site) -> None:
    site.instead["/x"] = [(302, {"Location": "file:///etc/passwd"}, b"")]
    with pytest.raises(HTTPError):
        next(sources.pages(f"{site.url}/x"))


def test_secrets_that_would_be_kept_are_refused() -> None:
    for url in ("https://ada:pssst@host/", "https://host/?access_token=pssst"):
        with pytest.raises(ValueError, match="holds a password or a key") as told:
            sources.pages(url)
        assert "pssst" not in str(told.value)
    with pytest.raises(ValueError, match="header 'X-Api-Key' holds a secret"):
        sources.pages("https://host/", headers={"X-Api-Key": "pssst"})


def test_a_secret_that_this_process_does_not_have(site: Site) -> None:
    with pytest.raises(ValueError, match="environment variable TOKEN"):
        next(listing_with_key(f"{site.url}/things"))


def test_it_shows_itself_without_secrets(site: Site) -> None:
    pages = sources.pages(f"{site.url}/things")
    pages.url = f"{site.url}/things?signature=pssst&page=2"
    assert repr(pages) == f"<pages at {site.url}/things?signature=***&page=2>"
