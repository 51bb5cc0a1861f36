"""The reference of the command line, written from the commands themselves.

``python -m nnapi_check.cli_reference --write`` writes ``docs/cli.md``; ``--check`` fails where it is stale.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from nnapi_check.cli import main as nnapi_check
from nnapi_check.coverage_db.writing.output import write_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
_NAME = "nnapi-check"


def reference_text() -> str:
    """The page as Markdown."""
    lines = [
        "# The command line",
        "",
        "<!-- Written by `python -m nnapi_check.cli_reference --write`; do not edit. -->",
        "",
        "Every command has a `--help`, or `-h`, that says the same.",
        "",
    ]
    commands = list(_commands(nnapi_check, (_NAME,)))
    lines += [f"- [`{' '.join(names)}`](#{_anchor(names)})" for names, _ in commands]
    for names, command in commands:
        lines += ["", *_section(names, command)]
    return "\n".join(lines) + "\n"


def _commands(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command and every one below it, depth first."""
    yield names, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            if not below.hidden:
                yield from _commands(below, (*names, name))


def _anchor(names: Sequence[str]) -> str:
    return "-".join(names)


def _section(names: Sequence[str], command: click.Command) -> Iterator[str]:
    yield f'## <a id="{_anchor(names)}"></a>`{" ".join(names)}`'
    yield ""
    context = click.Context(command, info_name=" ".join(names), **nnapi_check.context_settings)
    yield "```text"
    yield f"{' '.join(names)} {' '.join(command.collect_usage_pieces(context))}"
    yield "```"
    yield ""
    yield from _help(command.help or "")
    options = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option)]
    rows = [record for option in options if (record := option.get_help_record(context)) is not None]
    if rows:
        yield ""
        yield "| option | meaning |"
        yield "| --- | --- |"
        for option, meaning in rows:
            yield f"| `{_cell(option)}` | {_cell(_escaped(meaning))} |"


def _help(text: str) -> Iterator[str]:
    """A command's help; what is laid out by hand (after click's backspace mark) is kept as it stands."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ""
        if paragraph.startswith("\b\n"):
            yield "```text"
            yield from (line.rstrip() for line in paragraph.splitlines()[1:])
            yield "```"
        else:
            yield _escaped(" ".join(paragraph.split()))


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Write or check the page; the exit code is 1 where it is stale and 2 for a wrong call."""
    if list(arguments) == ["--write"]:
        PAGE.parent.mkdir(exist_ok=True)
        write_text(PAGE, reference_text())
        return 0
    if list(arguments) == ["--check"]:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == reference_text():
            return 0
        sys.stderr.write(f"{PAGE} is stale; run python -m nnapi_check.cli_reference --write\n")
        return 1
    sys.stderr.write("usage: python -m nnapi_check.cli_reference --check | --write\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
