"""A page that was fetched."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from pauseflow.codec import register

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r";\s*rel\s*=\s*(?:\"(?:[^\"]*\s)?next(?:\s[^\"]*)?\"|next\b)", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


@register
@dataclass(frozen=True)
class Page:
    """What a server answered.

    Attributes:
        url: where it was fetched, without the secrets that were filled in.
        headers: by their names in lower case.
        body: its bytes.
        status: 200, mostly.
    """

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    status: int = 200

    @property
    def text(self) -> str:
        """The body as text, in the encoding that the server names, or UTF-8.

        Raises:
            ValueError: it is not of that encoding, or there is no such encoding.
        """
        named = _CHARSET.search(self.headers.get("content-type", ""))
        encoding = named[1] if named else "utf-8"
        try:
            return self.body.decode(encoding)
        except (UnicodeDecodeError, LookupError) as error:
            raise ValueError(f"{self.url}: {error}. Its bytes are in .body") from error

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is not JSON; names the page, the line and the column.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            kind = self.headers.get("content-type", "of no type")
            raise ValueError(f"{self.url}: not JSON ({kind}): {error}") from error

    def linked(self) -> str | None:
        """Where the header `Link: <...>; rel="next"` leads, if there is one."""
        for target, about in _LINK.findall(self.headers.get("link", "")):
            if _NEXT.search(about):
                return urljoin(self.url, str(target))
        return None

    def told(self, path: str) -> str | None:
        """What stands at a dotted path in the body's JSON; None if there is nothing.

        Raises:
            ValueError: the body is not JSON, or what stands there is neither text nor a number.
        """
        value = self.json()
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value in (None, "", False):
            return None
        if isinstance(value, str | int) and value is not True:
            return str(value)
        kind = type(value).__name__
        raise ValueError(f"{self.url}: {path!r} is a {kind}, and tells of no next page")
