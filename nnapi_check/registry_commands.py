"""The commands about the registry. None of them imports PyTorch."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from nnapi_check.coverage_db.levels import check_feature_level
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.errors import say
from nnapi_check.reports.json_format import json_text
from nnapi_check.shown import terminal_width

_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, JSON for programs.",
)
_level = click.option(
    "--feature-level", type=click.IntRange(min=1), metavar="N", help="Only what this feature level has."
)


@click.group()
def ops() -> None:
    """What is known of PyTorch's ops and NNAPI's operations."""


@ops.command("list")
@click.option(
    "--status",
    type=click.Choice(["native", "lowered", "approximate", "gap", "unwritten", "rewritten"]),
    help="Only ops of this status: native is one operation that means the same, lowered is exact, approximate has a "
    "stated bound, a gap has no way at all, unwritten ones have no rule yet, and rewritten ones are "
    "read as another op.",
)
@click.option("--nnapi", is_flag=True, help="List NNAPI's operations instead of PyTorch's ops.")
@_level
@_format
def list_ops(status: str | None, nnapi: bool, feature_level: int | None, form: str) -> None:  # click passes it so
    """List every op that the registry has a card for.

    Each row has the status of the op's best way, the lowest feature level of
    any way, and the NNAPI operations that it becomes.
    """
    from nnapi_check.reports.registry_text import op_rows, operation_rows, rows_text

    registry = open_registry()
    rows = (operation_rows if nnapi else op_rows)(registry)
    rows = [row for row in rows if status is None or row.get("status") == status]
    if feature_level is not None:
        check_feature_level(feature_level, registry.levels())
    rows = [row for row in rows if feature_level is None or int(row.get("level") or 99) <= feature_level]
    click.echo(json.dumps(rows, indent=2) if form == "json" else rows_text(rows, terminal_width()))


@ops.command("search")
@click.argument("words", nargs=-1, required=True)
@_format
def search_ops(words: Sequence[str], form: str) -> None:
    """Find ops and operations whose name or summary has all of WORDS, or that a
    module or function of PyTorch called so is (Conv2d, nn.GELU, F.pad).

    Exit code 1 where nothing is found.
    """
    from nnapi_check.reports.registry_text import close_names, found_rows, rows_text

    registry = open_registry()
    found = found_rows(words, registry)
    if not found:
        close = close_names("".join(words), registry)
        hint = f"; did you mean {' or '.join(close)}?" if close else "."
        say(f"nothing is named or described by {' '.join(words)!r}{hint}")
        sys.exit(1)
    click.echo(json.dumps(found, indent=2) if form == "json" else rows_text(found, terminal_width()))


@ops.command("show")
@click.argument("name")
@click.option("--all", "whole", is_flag=True, help="Also why each demand is there, what to do, and what differs.")
@_format
def show_op(name: str, whole: bool, form: str) -> None:  # click passes it so
    """Show what is known of NAME.

    NAME is an op (aten.relu.default, or relu for all its overloads), a module
    or function of PyTorch (nn.ReLU, F.relu) or an NNAPI operation (RELU), with
    its types, inputs and levels. JSON has all that is known always.
    """
    _explain(name, form, whole=whole)


@ops.command("diff")
@click.option("--from", "from_api", type=int, metavar="N", help="The lower API level.")
@click.option("--to", "to_api", type=int, metavar="N", help="The higher API level.")
@click.option("--from-feature-level", "from_feature", type=int, metavar="N", help="The lower feature level, instead.")
@click.option("--to-feature-level", "to_feature", type=int, metavar="N", help="The higher feature level, instead.")
@_format
def diff_ops(
    from_api: int | None, to_api: int | None, from_feature: int | None, to_feature: int | None, form: str
) -> None:
    """Say what a higher level adds, operation by operation, and which ops it lowers that a lower one does not.

    An op is compared by the type of its first tensor; other arguments may ask for more.
    """
    from nnapi_check import diff_command

    changes, title = diff_command.compared(open_registry(), from_api, to_api, from_feature, to_feature)
    click.echo(diff_command.output(changes, title, form))


@click.command()
@click.argument("id_", metavar="ID")
@_format
def explain(id_: str, form: str) -> None:
    """Explain what a report names by ID.

    ID is a reason code (NNC402), a difference (ceil-mode), an op
    (aten.relu.default), a module or function of PyTorch (nn.Conv2d, F.gelu)
    or an NNAPI operation (RELU).
    """
    _explain(id_, form, whole=True)


def _explain(name: str, form: str, *, whole: bool) -> None:
    from nnapi_check.reports.registry_text import explained

    found = explained(name, open_registry(), whole=whole)
    click.echo(json_text(found.document) if form == "json" else found.text)


@click.group()
def db() -> None:
    """The registry's database: SQLite, built from the project's text.

    It is built when it is first needed, and again when the text changes.
    """


@db.command("build")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def build(file: Path) -> None:
    """Build the database into FILE, for your own queries.

    A FILE that is there is replaced. The README has examples of queries.
    """
    from nnapi_check.coverage_db.database.build import build_database

    build_database(file)
    say(f"wrote {file} ({file.stat().st_size:,} bytes).")


@db.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Take in what is new: change the registry's text.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The text to compare with and to change, instead of the installed coverage_db/nnapi.",
)
@_format
def import_header(path: Path, write: bool, directory: Path | None, form: str) -> None:  # click passes it so
    """Compare the registry with PATH: the NDK's NeuralNetworksTypes.h and
    NeuralNetworks.h, Android's types.spec and libneuralnetworks.map.txt, each of any level.

    Prints what is new, what the registry says otherwise, and what could not be read. An import only adds.
    """
    from nnapi_check import import_command

    import_command.run(path, directory, write=write, form=form)


@db.command("status")
@click.option("--torch", "with_torch", is_flag=True, help="Also compare with the ops of the installed PyTorch.")
@click.option("--write", is_flag=True, help="With --torch: write the list of its schemas anew.")
@click.option("--all", "whole", is_flag=True, help="Also every table, what is missing by name, and the last import.")
@_format
def status(with_torch: bool, write: bool, whole: bool, form: str) -> None:  # click passes it so
    """Count what the registry holds, and what is missing.

    With --all, operations that no op becomes, ops without a way, and ways and
    demands that no example tries are listed by name, and the last import is
    told. JSON has all of it always.

    With --torch, PyTorch is imported, and its Core ATen ops without a card
    and ops whose schema changed are listed too.
    """
    from nnapi_check import status_command

    if write and not with_torch:
        raise click.UsageError("--write belongs to --torch: it writes the list of PyTorch's schemas")
    if write:
        written = status_command.write_list(open_registry())
        say(f"listed {written} ops of the installed PyTorch.")
    click.echo(status_command.output(open_registry(), form, with_torch=with_torch, whole=whole))
