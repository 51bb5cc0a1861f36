"""Where the registry comes from and how well its cards are shown, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnapi_check.analyzer.ops.installed_ops import TorchComparison
from nnapi_check.coverage_db.spec import ImportRecord
from nnapi_check.coverage_db.status import ExampleCount, Provenance, RegistryStatus
from nnapi_check.reports.terminal import wrapped

_FEW = 10


def origin_lines(found: RegistryStatus) -> Iterator[str]:
    """The examples, the last import and what is recorded of the origin of facts."""
    yield from ("", *_example_lines(found.examples))
    yield from ("", *_import_lines(found.last_import))
    yield from ("", *_provenance_lines(found.provenance))


def _example_lines(examples: Sequence[ExampleCount]) -> Iterator[str]:
    passing = sum(count.passing for count in examples)
    breaking = sum(count.breaking for count in examples)
    yield f"Examples: {passing} that pass and {breaking} that break a requirement, of {len(examples)} ops"
    if examples:
        fewest = sorted(examples, key=lambda count: (count.passing, count.op))[:_FEW]
        yield from wrapped(", ".join(f"{count.op} {count.passing}" for count in fewest), "  fewest: ")


def _import_lines(record: ImportRecord | None) -> Iterator[str]:
    if record is None:
        yield "Last import: none"
        return
    when = f", on {record.date}" if record.date else ""
    yield from wrapped(f"{record.document}, up to feature level {record.level}{when}", "Last import: ")
    for title, subjects in (("added", record.added), ("changed", record.changed)):
        if subjects:
            yield from wrapped(", ".join(subjects), f"  {title}: ")


def _provenance_lines(provenance: Sequence[Provenance]) -> Iterator[str]:
    yield f"Facts whose origin is recorded: {len(provenance)} (all others are the specification's)"
    for origin in provenance:
        yield from wrapped(f"{origin.operation}, {origin.fact}: {origin.source}", "  ")


def torch_lines(found: TorchComparison) -> Iterator[str]:
    """The installed PyTorch's ops beside the cards and the list that was committed."""
    yield f"PyTorch {found.version}; the list is of {found.listed_version}"
    for title, names in (
        (f"Core ATen ops without a card (of {found.core_ops})", found.core_without_card),
        ("Ops that are not in the list yet", found.unlisted),
        ("Ops of the list that this PyTorch has not", found.gone),
    ):
        yield from ("", f"{title}: {len(names)}", *(wrapped(", ".join(names), "  ") if names else ()))
    yield from ("", f"Ops whose schema changed: {len(found.changed)}")
    for change in found.changed:
        yield from wrapped(change.listed, "  - ")
        yield from wrapped(change.installed, "  + ")
