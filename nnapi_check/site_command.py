"""The command that writes the registry as a site of static pages. It imports PyTorch only to measure."""

from __future__ import annotations

from pathlib import Path

import click

from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.writing.output import Format, OutputError, check_output, place_of
from nnapi_check.coverage_db.writing.output_folder import check_folder
from nnapi_check.errors import say
from nnapi_check.lowering.examples.measured_errors import (
    NOTHING_MEASURED,
    Measurements,
    read_measurements,
    write_measurements,
)


@click.command("site")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--measure", is_flag=True, help="Run every example and show its error. Takes about a minute.")
@click.option(
    "--measurements",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Show the errors that FILE holds; with --measure, keep the measured ones in FILE.",
)
def site(folder: Path, measure: bool, file: Path | None) -> None:  # click passes it so
    """Write the registry as a site of static pages into DIR.

    The first page is the matrix of ops and feature levels, with a search;
    every op, NNAPI operation, difference and reason has a page of its own.
    The pages need no network and no server: open DIR/index.html.

    A site that is there is replaced when the new one is complete. A DIR that
    holds anything else is refused.
    """
    from nnapi_check.reports.site.folder import SITE, write_site
    from nnapi_check.reports.site.render import site_files

    place = check_folder(folder, SITE)
    if file is not None and measure:
        check_output(file, Format.STREAM)
        if place in place_of(file).parents:
            raise OutputError(f"{file} is in {folder}, which holds nothing but the site; name another file")
    registry = open_registry()
    found = _measurements(registry, file, is_measuring=measure)
    written = write_site(site_files(registry, found), folder)
    size = f"{written.files} files, {written.total_bytes:,} bytes"
    say(f"wrote {folder} ({size}); open {folder / 'index.html'}.")


def _measurements(registry: Registry, file: Path | None, *, is_measuring: bool) -> Measurements:
    if is_measuring:
        from nnapi_check.lowering.examples.measure import measure

        found = measure(registry, registry.cards())
        if file is not None:
            write_measurements(found, file)
        return found
    return NOTHING_MEASURED if file is None else read_measurements(file)
