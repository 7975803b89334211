"""Asking a server for a page, with nothing but the standard library."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from typing import IO, Any, Final
from urllib import request
from urllib.error import HTTPError
from urllib.parse import urlsplit

from pauseflow.pause import PauseFlow
from pauseflow.sources.address import filled, folded, names_in, shown
from pauseflow.sources.page import Page

BUSY: Final = 60.0
"""Seconds to wait for a server that is asked too often, and does not say how long."""

_LONGEST_WAIT: Final = 86_400.0
_AGENT: Final = "pauseflow"


def origin(url: str) -> tuple[str, str]:
    """The scheme and the host with its port."""
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower()


def get(url: str, start: str, headers: Mapping[str, str], timeout: float, longest: int) -> Page:
    """Fetch a page.

    Variables are filled in, and headers sent, only at the origin of `start`: where a server sends
    us on to is its word, and not that of whoever holds the secrets.

    Raises:
        PauseFlow: the server is busy (429, or 503 with Retry-After) until then.
        HTTPError: it answered with an error.
        OSError: it did not answer.
        ValueError: the page is larger than `longest`, or the address is not one of HTTP.
    """
    names = names_in(start)
    full = filled(url, names)
    own = origin(full) == origin(filled(start))
    if not own:
        names, full = set(), url
    if origin(full)[0] not in ("http", "https") or not urlsplit(full).hostname:
        raise ValueError(f"{shown(url)} is not the address of a page: write http:// or https://")
    ask = request.Request(full)  # noqa: S310 # its scheme was looked at
    ask.add_header("User-Agent", _AGENT)
    for name, value in headers.items() if own else ():
        ask.add_header(name, filled(value))
    try:
        with _opener().open(ask, timeout=timeout) as answer:
            body = answer.read(longest + 1)
            found = {name.lower(): value for name, value in answer.headers.items()}
            page = Page(folded(answer.url, names), found, body, answer.status)
    except HTTPError as error:
        pause = _pause(error)
        error.close()
        if pause is not None:
            raise pause from None
        told = f"{error.reason} ({shown(url)})"
        raise HTTPError(shown(url), error.code, told, error.headers, None) from None
    if len(body) > longest:
        raise ValueError(f"{shown(url)} has more than {longest} bytes: give pages(..., longest=)")
    return page


def _pause(error: HTTPError) -> PauseFlow | None:
    """How long a server that refuses wants to be left alone, if that is why."""
    told = error.headers.get("Retry-After", "")
    if error.code != 429 and not (error.code == 503 and told):
        return None
    return PauseFlow(after=min(max(_seconds(told), 0.0), _LONGEST_WAIT))


def _seconds(told: str) -> float:
    """What Retry-After says: seconds, or a date."""
    try:
        seconds = float(told)
    except ValueError:
        try:
            date = parsedate_to_datetime(told)
        except ValueError:
            return BUSY
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        return aware.timestamp() - time.time()
    return seconds if math.isfinite(seconds) else BUSY


class _SameOrigin(request.HTTPRedirectHandler):
    """Follows a server that sends us on; to another host without our headers."""

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> request.Request | None:
        """The request to make instead."""
        again = super().redirect_request(req, fp, code, msg, headers, newurl)
        if again is not None and origin(newurl) != origin(req.full_url):
            again.headers = {"User-agent": _AGENT}
        return again


def _opener() -> request.OpenerDirector:
    """One that knows HTTP only: nothing that a server says opens a file of this machine."""
    director = request.OpenerDirector()
    handlers: list[Any] = [
        request.ProxyHandler, request.UnknownHandler, request.HTTPHandler, request.HTTPSHandler,
        request.HTTPDefaultErrorHandler, request.HTTPErrorProcessor, _SameOrigin,
    ]  # fmt: skip
    for handler in handlers:
        director.add_handler(handler())
    return director
