"""Text made fit to be drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pauseflow.drawing.printable import cells, printable, shortened


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("漢字", 4), ("\uff57", 2)]
)
def test_columns(text, columns):
    assert cells(text) == columns


@given(st.text(), st.integers(2, 30))
def test_what_is_too_long_loses_its_middle(text, most):
    text = printable(text)
    found = shortened(text, most)
    assert cells(found) <= most
    if found != text:
        start, _, end = found.partition("…")
        assert text.startswith(start)
        assert text.endswith(end)
        assert cells(text) > most


@given(st.text(st.characters()))
def test_nothing_is_left_that_a_terminal_obeys(text):
    assert printable(text).isprintable()
    assert printable(text).encode().decode() == printable(text)
