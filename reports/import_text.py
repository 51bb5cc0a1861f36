"""What an import found, as text to review."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from nnapi_check.coverage_db.header_import.importer import ImportReport
from nnapi_check.coverage_db.header_import.merge import Change, ChangeKind
from nnapi_check.coverage_db.header_import.operation_words import Unread
from nnapi_check.reports.terminal import wrapped

_SHOWN = 80
"""How many letters of the words that were not read are shown."""

_TITLES = {
    ChangeKind.NEW_LEVEL: "New feature levels",
    ChangeKind.NEW_OPERATION: "New operations (unmapped: no op becomes them yet)",
    ChangeKind.NEW_TYPE: "New element types",
    ChangeKind.SIGNATURE: "Changed signatures",
    ChangeKind.FACT: "Changed facts",
    ChangeKind.MEMBER: "New members of enumerations",
    ChangeKind.FUNCTION: "New functions",
    ChangeKind.DISPUTED: "Disputed: the registry says otherwise, and stays as it is",
}


def import_text(report: ImportReport) -> str:
    """The import as text: what is taken in, what is disputed, and what was not read."""
    lines = [
        f"{report.document}: {report.kind.value} that knows NNAPI up to feature level {report.level}, "
        f"{report.read_operations} operations, {report.read_functions} functions",
    ]
    for kind, title in _TITLES.items():
        lines += _section(title, [change for change in report.changes if change.kind is kind])
    touched = {change.subject for change in report.changes if change.is_taken}
    lines += _unread(report.unread, touched)
    lines += _nameless(report.nameless)
    lines += ["", _outcome(report)]
    return "\n".join(lines)


def _section(title: str, changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        return
    yield from ("", f"{title}: {len(changes)}")
    sign = "!" if changes[0].kind is ChangeKind.DISPUTED else "+"
    for change in changes:
        yield from wrapped(f"{change.subject}: {change.words}", f"  {sign} ")
        if change.suggested:
            yield from wrapped(f"could serve {', '.join(change.suggested)}", "      ")


def _unread(unread: Sequence[Unread], touched: Collection[str]) -> Iterator[str]:
    """What was not read: of subjects that the import touches in full, of others their number."""
    shown = [item for item in unread if item.subject in touched]
    if shown:
        yield from ("", f"Not read, so not taken in: {len(shown)}")
    for item in shown:
        words = f" ({item.words[:_SHOWN]})" if item.words else ""
        yield from wrapped(f"line {item.line}, {item.subject}: {item.why}{words}", "  ? ")
    if rest := len(unread) - len(shown):
        yield from ("", *wrapped(f"Not read of what is known already: {rest} (--format json lists them)", ""))


def _nameless(inputs: Sequence[str]) -> Iterator[str]:
    if inputs:
        yield from ("", f"New inputs without a role, by which cards name them; add it by hand: {len(inputs)}")
        yield from (f"  ? {name}" for name in inputs)


def _outcome(report: ImportReport) -> str:
    taken = sum(1 for change in report.changes if change.is_taken)
    if not taken:
        return f"Nothing to take in: the registry has all of it. It holds {report.total} operations."
    if report.is_written:
        return f"Written: {taken} changes. The registry now holds {report.total} operations. Review them with git diff."
    return f"{taken} changes to take in, which would make {report.total} operations; --write takes them in."
