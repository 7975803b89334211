"""Printable: text that may come from anywhere, fit to be drawn."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """The text with escapes in place of what a terminal obeys or a file of XML may not hold."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def cells(text: str) -> int:
    """How many columns the text takes where all characters are equally wide, as in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_cells(each) for each in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(text: str, most: int, mark: str = "…") -> str:
    """The text, with its middle left out if it takes more columns than `most`.

    Args:
        text: printable.
        most: columns, at least 2.
        mark: one character, in place of what is left out.
    """
    if cells(text) <= most:
        return text
    kept = most - 1
    start, end = _fitting(text, kept - kept // 2), _fitting(text[::-1], kept // 2)
    return f"{text[:start]}{mark}{text[len(text) - end :]}"


def _fitting(text: str, most: int) -> int:
    """How many of its first characters fit."""
    for count, each in enumerate(text):
        most -= _cells(each)
        if most < 0:
            return count
    return len(text)
