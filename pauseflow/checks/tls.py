"""TLS: whether what is sent can be read on its way."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from pauseflow.checks.finding import Finding, ok, warning
from pauseflow.checks.installation import Installation

SUBJECT = "tls"


def check_tls(installation: Installation) -> Iterator[Finding]:
    """Whether the connection is encrypted, and the server's certificate verified."""
    url = urlsplit(installation.url or "unix:")
    host = url.hostname or ""
    if url.scheme == "rediss":
        if parse_qs(url.query).get("ssl_cert_reqs", [""])[0].lower() in ("none", "optional"):
            yield warning(
                SUBJECT,
                f"the certificate of {host} is not verified: anybody on the way can be the server",
                "Install its CA, and leave out PAUSEFLOW_TLS_VERIFY",
            )
        else:
            yield ok(SUBJECT, "the connection is encrypted")
    elif url.scheme == "unix" or _is_here(host):
        yield ok(SUBJECT, "the server is on this machine")
    elif _is_private(host):
        yield ok(SUBJECT, f"not encrypted, which is right for {host} only in a network of your own")
    else:
        yield warning(
            SUBJECT,
            f"the connection to {host} is not encrypted: records and the password can be read on "
            f"the way",
            "Use a rediss:// URL",
        )


def _is_here(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_private(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_private
    # of a container's or a cluster's own network
    return "." not in host or host.endswith((".internal", ".local", ".svc", ".lan"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
