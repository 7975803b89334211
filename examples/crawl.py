"""A polite crawler: no host is asked more often than it likes, however many workers there are.

It follows each host's index from page to page, fetches what is listed, and has a job read it. A
host that is busy (429) says when to come back: what was asked of it is parked until then.

The hosts are part of the example. They give away the source of Python's library, and have what a
crawler meets: busy pages, broken ones, links to nowhere.

    python examples/crawl.py          # starts the hosts, and crawls them in this process
    python examples/crawl.py serve    # starts the hosts, and says how to crawl them with workers
"""

import json
import lzma
import re
import sys
import sysconfig
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from email.utils import formatdate, parsedate_to_datetime
from html import escape
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import TypedDict
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import ProxyHandler, build_opener

from pauseflow import Flow, Limit, PauseFlow, Rate, StageFailed

PACKAGES = ("importlib", "json", "unittest")


class Page(TypedDict):
    url: str
    text: str


class Facts(TypedDict):
    """What is known of a page. `packed` is its size in bytes when it is compressed."""

    url: str
    words: int
    different: int
    favourite: str
    packed: int


class NoSuchPage(Exception):
    """There is nothing at this address, and asking again won't help."""


def host(url: str) -> str:
    return urlsplit(url).netloc


RATE = Rate("10/s", key=host, name="hosts")
AT_ONCE = Limit(2, key=host, name="hosts")
"""For the whole fleet: stages that give the same name share what there is of each host."""


def starts(urls: list[str]) -> list[str]:
    return urls


def listed(url: str | None) -> Iterator[str | PauseFlow]:
    """The links of a host's index. It is written down between two pages, wherever it stands."""
    while url:
        links, url = index(get(url))
        yield from links
        yield PauseFlow()  # the next page is another request, and waits for its turn


def fetched(url: str) -> Page:
    """The text of a page."""
    return {"url": url, "text": Html(get(url)["text"]).text}


def read(page: Page) -> Facts:
    """The facts about a page. Heavy, so this is a job: it runs in a process of its own."""
    words = Counter(re.findall(r"[a-z]{5,}", page["text"].lower()))
    return {
        "url": page["url"],
        "words": words.total(),
        "different": len(words),
        "favourite": max(words, key=lambda word: (words[word], word), default=""),
        "packed": len(lzma.compress(page["text"].encode(), preset=lzma.PRESET_EXTREME)),
    }


flow = Flow("crawl")
(
    flow.branch(starts)
    .branch(
        listed,
        ordered=False,
        rate=RATE,
        limit=AT_ONCE,
        retries=3,
        backoff="200ms",
        give_up_on=NoSuchPage,
        on_error="dead",
        strict=True,
    )
    .map(
        fetched,
        ordered=False,
        threads=4,
        rate=RATE,
        limit=AT_ONCE,
        retries=3,
        backoff="200ms",
        give_up_on=NoSuchPage,
        on_error="dead",
    )
    .job(read, ordered=False, timeout="1m")
)


# What it asks, and how it understands the answers


web = build_opener(ProxyHandler({}))  # the hosts are on this machine
web.addheaders = [("User-Agent", "pauseflow-example")]


def get(url: str) -> Page:
    """A page as the host sends it. If the host is busy, this pauses until it wants to be asked."""
    try:
        with web.open(url, timeout=10) as answer:
            return {"url": url, "text": answer.read().decode()}
    except HTTPError as error:
        error.close()
        if error.code == 429:
            raise later(error.headers.get("Retry-After", "60")) from None
        if error.code == 404:
            raise NoSuchPage(url) from None
        raise


def later(told: str) -> PauseFlow:
    """The pause that a Retry-After asks for, which is a date or a number of seconds."""
    if told.isdecimal():
        return PauseFlow(after=int(told))
    return PauseFlow(at=parsedate_to_datetime(told))


def index(page: Page) -> tuple[list[str], str | None]:
    """The links of a page of an index, and the one to its next page."""
    html = Html(page["text"])
    links = [urljoin(page["url"], href) for href in html.links]
    return links, html.next and urljoin(page["url"], html.next)


class Html(HTMLParser):
    """The text and the links of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.next: str | None = None
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        href = given.get("href")
        if tag == "a" and given.get("rel") == "next":
            self.next = href
        elif tag == "a" and href:
            self.links.append(href)

    def handle_data(self, data: str) -> None:
        self.text += data


# The hosts


class Host(ThreadingHTTPServer):
    """A package of Python's library: an index of its modules, and a page for each.

    The second page of the index and every seventh module are busy when they are first asked for,
    one module is broken then, and one link leads nowhere.

    Attributes:
        log: when what was asked for, and the status of the answer, since it was last emptied.
    """

    request_queue_size = 64
    daemon_threads = True

    def __init__(self, package: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.package = package
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.log: list[tuple[float, str, int]] = []
        folder = Path(sysconfig.get_path("stdlib"), package)
        self._files = {f"/{path.stem}": path for path in sorted(folder.glob("*.py"))}
        self._busy = {"/?page=2", *list(self._files)[5::7]}
        self._broken = {*list(self._files)[3:4]}

    def answer(self, path: str) -> tuple[int, str]:
        """The status and the page that a request gets."""
        first = all(path != asked for _, asked, _ in self.log)
        if path in self._busy and first:
            status, page = 429, "Busy: come back later."
        elif path in self._broken and first:
            status, page = 500, "Broken."
        elif path in self._files:
            status, page = 200, f"<pre>{escape(self._files[path].read_text('utf-8'))}</pre>"
        elif path.partition("?page=")[0] == "/":
            status, page = 200, self._index(int(path.partition("?page=")[2] or 1))
        else:
            status, page = 404, "There is no such page."
        self.log.append((time.monotonic(), path, status))
        return status, page

    def _index(self, number: int) -> str:
        links = [*self._files, "/nowhere"]
        shown = links[number * 6 - 6 : number * 6]
        page = "".join(f'<li><a href="{path}">{path[1:]}</a>' for path in shown)
        if links[number * 6 :]:
            page += f'<li><a href="/?page={number + 1}" rel="next">more</a>'
        return f"<h1>{self.package}</h1><ul>{page}</ul>"


class Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        status, page = self.server.answer(self.path)
        with suppress(ConnectionError):  # whoever asked may be gone
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if status == 429:
                date = formatdate(time.time() + 1, usegmt=True)
                self.send_header("Retry-After", "1" if "?" in self.path else date)
            self.end_headers()
            self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name is given
        """Say nothing: the hosts have a log of their own."""


@contextmanager
def hosts(*packages: str) -> Iterator[list[Host]]:
    """Hosts that answer inside the block."""
    with ExitStack() as stack:
        found = []
        for package in packages:
            host = stack.enter_context(Host(package))
            thread = Thread(target=host.serve_forever, args=[0.05])
            thread.start()
            stack.callback(thread.join)
            stack.callback(host.shutdown)
            found.append(host)
        yield found


def crawl() -> None:
    """Start the hosts, crawl them in this process, and say what was found."""
    dead: list[StageFailed] = []
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(seconds)

    with hosts(*PACKAGES) as found:
        print(f"Crawling {' '.join(host.url for host in found)}")
        pages: list[Facts] = flow.run([host.url for host in found], sleep=wait, dead=dead)
        print("\nwords  different  packed  favourite   page")
        for page in sorted(pages, key=lambda page: -page["words"])[:10]:
            print(
                f"{page['words']:5}  {page['different']:9}  {page['packed']:6}  "
                f"{page['favourite']:10}  {page['url']}"
            )
        print(
            f"\nThese are the longest of {len(pages)} pages. {sum(waits):.1f} s went by in waiting,"
        )
        print("which workers would have spent on other pages.\n")
        for failure in dead:
            print(f"Dead letter: {failure.__cause__!r}")
        print(requests(found))


def serve() -> None:
    """Start the hosts, say how to crawl them, and when they are stopped, what they were asked."""
    with hosts(*PACKAGES) as found:
        urls = json.dumps([host.url for host in found])
        print("The hosts are there until you press Ctrl-C. In another terminal:\n")
        print(f"flowctl run --app {sys.argv[0]} --workers 2 crawl '{urls}'", flush=True)
        with suppress(KeyboardInterrupt):
            Event().wait()
        print(requests(found))


def requests(found: list[Host]) -> str:
    """How the hosts were treated: what they answered, and the most requests in any second."""
    rows = ["", "  200  404  429  500  most/s  host"]
    for host in found:
        statuses = Counter(status for _, _, status in host.log)
        times = sorted(when for when, _, _ in host.log)
        most = max((bisect_left(times, when + 1) - n for n, when in enumerate(times)), default=0)
        counts = "".join(f"{statuses[status]:5}" for status in (200, 404, 429, 500))
        rows.append(f"{counts}{most:8}  {host.url} ({host.package})")
    return "\n".join(rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        crawl()
