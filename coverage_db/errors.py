"""Errors of this package that are told without loading what raises them."""

from __future__ import annotations


class BuildError(Exception):
    """The text of the registry contradicts itself, or the database cannot be written."""
