"""Addresses: what is a secret in them, how they are shown, what is filled in."""

import pytest

from pauseflow.sources.address import filled, folded, shown, without_secrets


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://host/x?page=2", "https://host/x?page=2"),
        ("https://ada:pssst@host/x", "https://ada:***@host/x"),
        ("https://host/?api_key=pssst&page=2", "https://host/?api_key=***&page=2"),
        ("https://host/?X-Amz-Signature=pssst", "https://host/?X-Amz-Signature=***"),
        ("https://host/?password=pssst&token=pssst", "https://host/?password=***&token=***"),
        ("http://ada:pssst@[::1/x", "http://***@[::1/x"),
        ("redis://:pssst@host/0", "redis://:***@host/0"),
        ("logs/a.gz", "logs/a.gz"),
    ],
)
def test_an_address_is_shown_without_its_secrets_and_refused_with_them(url: str, told: str) -> None:
    assert shown(url) == told
    if "pssst" not in url:
        assert without_secrets(url) == url
        return
    with pytest.raises(ValueError, match="holds a password or a key") as refused:
        without_secrets(url)
    assert "pssst" not in str(refused.value)
    assert without_secrets(url.replace("pssst", "${SECRET}")).count("SECRET") >= 1


@pytest.mark.parametrize("url", ["s3://b/[ab]*.gz", "http://[::1/x", "https://host/?page_token=x"])
def test_addresses_without_a_secret_pass(url: str) -> None:
    assert without_secrets(url) == url


def test_only_named_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "a b")
    monkeypatch.setenv("TWO", "t")
    assert filled("${ONE}/${TWO}?$top=1") == "a b/t?$top=1"
    assert filled("${ONE}/${TWO}", {"TWO"}) == "${ONE}/t"
    assert folded("x?k=a%20b&l=a b&m=t", {"ONE"}) == "x?k=${ONE}&l=${ONE}&m=t"
    with pytest.raises(ValueError, match="variable THREE, which this process does not have"):
        filled("${THREE}")
