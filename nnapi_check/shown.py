"""How much a command about models prints, and in colors or not: the options, and what they and the terminal ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import Enum
from shutil import get_terminal_size

import click

from nnapi_check.reports.terminal import Detail, Paint


class Color(Enum):
    """Where text is colored."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


COLOR_OPTION = click.option(
    "--color",
    type=click.Choice([color.value for color in Color]),
    default=Color.AUTO.value,
    show_default=True,
    help="Whether text is colored: on a terminal, always or never. NO_COLOR=1 and FORCE_COLOR=1 say the same.",
)
SHOWN_OPTIONS = [
    click.option("-q", "--quiet", is_flag=True, help="Print the verdict alone, and why a gate is not passed."),
    click.option("-v", "--verbose", is_flag=True, help="Print everything: also differences and the tolerance."),
    click.option(
        "--differences", is_flag=True, help="List the differences between PyTorch and NNAPI that were bridged."
    ),
    COLOR_OPTION,
]


def detail_of(options: Mapping[str, object], usual: Detail = Detail.USUAL) -> Detail:
    """How much of a report the options ask for, ``usual`` where they say nothing."""
    if options["quiet"]:
        return Detail.QUIET
    if options["verbose"]:
        return Detail.VERBOSE
    return Detail.DIFFERENCES if options["differences"] else usual


def paint_of(options: Mapping[str, object]) -> Paint:
    """Colors and width of what is printed. An option goes before a variable, and that before the terminal."""
    is_colored = _is_colored(Color(options["color"]), is_terminal=sys.stdout.isatty())
    return Paint(is_colored=is_colored, width=terminal_width())


def terminal_width() -> int | None:
    """How many characters a line of the terminal holds; None where what is printed goes elsewhere."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def _is_colored(color: Color, *, is_terminal: bool) -> bool:
    match color:
        case Color.ALWAYS:
            return True
        case Color.NEVER:
            return False
        case Color.AUTO:
            # Each counts when it is there and not empty: no-color.org, force-color.org.
            if os.environ.get("NO_COLOR"):
                return False
            return is_terminal or bool(os.environ.get("FORCE_COLOR"))
