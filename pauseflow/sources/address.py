"""Addresses of what is read elsewhere: how they may be written down, and how they may be shown.

A source's address is kept with the paused run and shown by `flowctl stack`, so a secret is not in
it: `${NAME}` stands for a variable of the environment of whichever worker goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from pauseflow.settings import redacted

_NAMED: Final = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_USER: Final = re.compile(r"//[^/?#@]*:([^/?#]*)@")
_SECRET: Final = (
    "password", "passwd", "secret", "apikey", "accesskey", "accesstoken", "authtoken",
    "securitytoken", "signature", "credential", "authorization", "cookie",
)  # fmt: skip
_ALONE: Final = ("key", "token", "auth", "sig", "pwd", "pass")


def filled(text: str, names: Iterable[str] | None = None) -> str:
    """The text with each `${NAME}` replaced by the environment's variable.

    Args:
        text: an address, or a header's value.
        names: those that may be replaced; any, if it is left out.

    Raises:
        ValueError: there is no such variable.
    """

    def value(found: re.Match[str]) -> str:
        if names is not None and found[1] not in names:
            return found[0]
        try:
            return os.environ[found[1]]
        except KeyError:
            raise ValueError(
                f"{text!r} needs the environment variable {found[1]}, which this process does not "
                f"have. Set it wherever workers run"
            ) from None

    return _NAMED.sub(value, text)


def names_in(text: str) -> set[str]:
    """The variables that a text needs."""
    return set(_NAMED.findall(text))


def folded(text: str, names: Iterable[str]) -> str:
    """The text with the values of these variables replaced by `${NAME}` again."""
    for name in sorted(names):
        value = os.environ.get(name, "")
        for written in {value, quote(value, safe=""), quote(value)} - {""}:
            text = text.replace(written, f"${{{name}}}")
    return text


def shown(url: str) -> str:
    """The URL as it may be shown: without passwords, keys and tokens."""
    told = redacted(url)
    query = _query(told)
    if not any(is_secret(name) for name, _ in query):
        return told
    masked = [(name, "***" if is_secret(name) else value) for name, value in query]
    return urlsplit(told)._replace(query=urlencode(masked, safe="*/${}")).geturl()


def is_secret(name: str) -> bool:
    """Whether what a parameter or header of this name holds is nobody's business."""
    bare = re.sub(r"[^a-z0-9]", "", name.lower())
    return bare in _ALONE or any(word in bare for word in _SECRET)


def without_secrets(url: str) -> str:
    """The URL, if nothing in it has to be kept secret.

    Raises:
        ValueError: it has a password or a key.
    """
    user = _USER.search(url)
    secrets = [user[1]] if user else []
    secrets += [value for name, value in _query(url) if is_secret(name)]
    if all(not secret or _NAMED.search(secret) for secret in secrets):
        return url
    raise ValueError(
        f"{shown(url)} holds a password or a key, which would be kept with the paused run and "
        f"shown by flowctl stack. Put it into a variable of the workers' environment, and write "
        f"'${{NAME}}' in its place, or for all of the address"
    )


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query)
    except ValueError:  # it is no URL, which whoever opens it will say
        return []


def headers_without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, if nothing in them has to be kept secret.

    Raises:
        ValueError: something has.
    """
    for name, value in headers.items():
        if is_secret(name) and not _NAMED.search(value):
            raise ValueError(
                f"the header {name!r} holds a secret, which would be kept with the paused run and "
                f"shown by flowctl stack. Put it into a variable of the workers' environment, and "
                f"write {{{name!r}: '${{NAME}}'}}"
            )
    return dict(headers)
