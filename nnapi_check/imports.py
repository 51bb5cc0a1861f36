"""Modules that a user has imported before a file is read, for the ops that they bring along."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from nnapi_check.analyzer.errors import InputError

IMPORT_OPTION = click.option(
    "--import",
    "imports",
    multiple=True,
    metavar="MODULE",
    help="Import this Python module first, which registers ops that the file needs. Repeatable. It runs the module's "
    "code, from the working folder or what is installed; no file can ask for it.",
)


def import_modules(options: Mapping[str, object]) -> None:
    """Import the modules that the options name. Raises ``InputError`` where one cannot be imported."""
    asked = options["imports"]
    names = [str(name) for name in asked] if isinstance(asked, tuple) else []
    if names and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in names:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            raise InputError(f"--import {name}: {error}.") from error
