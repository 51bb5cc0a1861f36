"""Every format of a report by its name, and the files that one run writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from nnapi_check.coverage_db.writing.output import Format, check_output, write_text
from nnapi_check.reports.terminal import Paint, printable

if TYPE_CHECKING:
    from nnapi_check.reports.formats.findings import Origin
    from nnapi_check.reports.views import Extra, ModelReport


class Form(Enum):
    """A format of reports."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"
    HTML = "html"

    @property
    def extras(self) -> frozenset[Extra]:
        """What this format shows of what is made only where it is shown."""
        from nnapi_check.reports.views import ALL_EXTRAS

        return ALL_EXTRAS if self in (Form.JSON, Form.HTML) else frozenset()


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write a report to, and the format."""

    form: Form
    path: Path


def rendered(form: Form, report: ModelReport, origin: Origin) -> str:
    """A report in one format. What only one format needs is imported by it alone, so that a command starts sooner."""
    match form:
        case Form.TEXT:
            from nnapi_check.reports.console import to_text

            return printable(to_text(report, Paint(is_colored=False, width=None)))
        case Form.JSON:
            from nnapi_check.reports.json_format import to_json

            return to_json(report) + "\n"
        case Form.MARKDOWN:
            from nnapi_check.reports.formats.markdown import to_markdown

            return to_markdown(report, origin)
        case Form.SARIF:
            from nnapi_check.coverage_db.differences import load_reasons
            from nnapi_check.reports.formats.sarif import to_sarif

            return to_sarif(report, origin, load_reasons()) + "\n"
        case Form.GITHUB:
            from nnapi_check.reports.formats.github import to_github

            return to_github(report, origin) + "\n"
        case Form.JUNIT:
            from nnapi_check.reports.formats.junit import to_junit

            return to_junit(report, origin) + "\n"
        case Form.HTML:
            from nnapi_check.reports.pages import to_html

            return to_html(report)


def check_outputs(outputs: Sequence[Output], inputs: Iterable[Path] = (), others: Sequence[Path] = ()) -> None:
    """Raise ``OutputError`` where one cannot be written, before any work is done.

    ``inputs`` are the files that the command reads, and ``others`` those that it writes as well.
    """
    files, taken = tuple(inputs), list(others)
    for output in outputs:
        check_output(output.path, Format.STREAM, files, taken)
        taken.append(output.path)


def write_outputs(outputs: Sequence[Output], report: ModelReport, origin: Origin, inputs: Iterable[Path] = ()) -> None:
    """Write a report in each format. A file that is there is replaced only when the new one is complete."""
    files = tuple(inputs)
    for output in outputs:
        write_text(output.path, rendered(output.form, report, origin), files)
