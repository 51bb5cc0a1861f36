"""Closed lists of words, written as text."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words in a text, in whatever order."""
    return frozenset(text.split())
