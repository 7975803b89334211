"""The pages of a listing, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from pauseflow.errors import SourceChanged
from pauseflow.sources.address import (
    folded,
    headers_without_secrets,
    names_in,
    shown,
    without_secrets,
)
from pauseflow.sources.page import Page

LONGEST: Final = 1 << 26
_GONE: Final = (404, 410)


class pages:  # noqa: N801 (used as a function)
    """The pages of a listing over HTTP, each of which tells of the next.

    ```python
    def issues(repository):
        for page in pages(f"https://api.example.com/{repository}/issues"):
            yield from page.json()
    ```

    A page is fetched when it is asked for, and once: its state is the address of the next one. A
    server that is busy (429, or 503 with `Retry-After`) makes the stage pause until it wants to be
    asked again; 429 without `Retry-After` pauses for a minute. Any other error is the stage's:
    `retries=` ask for the same page again.

    In the address and in headers, `${NAME}` stands for a variable of the environment of whichever
    worker asks; secrets have to be written so. Headers and variables are only sent to the host of
    the first address, wherever pages or redirects lead.

    Args:
        url: of the first page.
        next: how a page tells of the next one. "link": in its header `Link: <...>; rel="next"`.
            Another str: at this dotted path in its JSON, such as "paging.next", a URL, perhaps a
            relative one. Or a function with a name, of the `Page`, that gives the URL or None; in
            a generator only, which is where another worker finds it.
        token: what stands at that path is no URL, but the value of this parameter of the first.
        headers: to send.
        timeout: seconds without an answer.
        longest: bytes in a page, at most.

    Raises:
        ValueError: there is a secret in the address or a header. When a page is asked for: it has
            no JSON where it should; it tells of itself as the next; the address is none of HTTP.
        HTTPError: when a page is asked for, and the server answers with an error.
        SourceChanged: when a page is asked for that an earlier one told of, and it is not there.
        OSError: the server does not answer.
    """

    def __init__(
        self,
        url: str,
        *,
        next: str | Callable[[Page], str | None] = "link",  # noqa: A002 # what it is
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        longest: int = LONGEST,
    ) -> None:
        self.url: str | None = without_secrets(url)
        """Of the page that comes next; None after the last."""
        self.number = 0
        """How many pages were given."""
        self._first = url
        self._next = next
        self._token = token
        self._headers = headers_without_secrets(headers or {})
        self._timeout = timeout
        self._longest = longest

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Page:
        from urllib.error import HTTPError  # noqa: PLC0415 # as below

        from pauseflow.sources.asking import get  # noqa: PLC0415 # TLS takes long to load

        if self.url is None:
            raise StopIteration
        try:
            page = get(self.url, self._first, self._headers, self._timeout, self._longest)
        except HTTPError as error:
            if not self.number or error.code not in _GONE:
                raise
            raise SourceChanged(
                f"page {self.number + 1} is gone: the one before it told of {shown(self.url)}, and "
                f"the server answers {error.code} now. Retry the run if it may come back; else "
                f"begin a new run from {shown(self._first)}"
            ) from None
        self.url = self._after(page)
        self.number += 1
        return page

    def __repr__(self) -> str:
        return f"<pages at {shown(self.url) if self.url else 'the end'}>"

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))

    def _after(self, page: Page) -> str | None:
        found = self._told(page)
        if not found:
            return None
        url = self._with_token(found) if self._token else urljoin(page.url, found)
        # The server may write the secret that it was asked with into the next address.
        url = folded(url, names_in(self._first))
        if url == self.url:
            raise ValueError(f"{shown(url)} tells of itself as the next page: is next= right?")
        return url

    def _told(self, page: Page) -> str | None:
        if not isinstance(self._next, str):
            return self._next(page)
        return page.linked() if self._next == "link" else page.told(self._next)

    def _with_token(self, value: str) -> str:
        parts = urlsplit(self._first)
        query = dict(parse_qsl(parts.query, keep_blank_values=True)) | {str(self._token): value}
        return parts._replace(query=urlencode(query, safe="${}")).geturl()
