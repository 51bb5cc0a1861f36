"""Every file of the site, rendered from the registry."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from nnapi_check.coverage_db.queries import Registry
from nnapi_check.lowering.examples.measured_errors import NOTHING_MEASURED, MeasuredExample, Measurements
from nnapi_check.reports.changing.edit_text import SHAPE_NOTE, kept_words
from nnapi_check.reports.site.addresses import DIFFERENCES, OPERATIONS, OPS, REASONS, Addresses, addresses
from nnapi_check.reports.site.folder import SiteFile
from nnapi_check.reports.site.matrix import Cell, matrix, totals, type_keys
from nnapi_check.reports.site.note_pages import difference_views, reason_views
from nnapi_check.reports.site.op_page import op_view
from nnapi_check.reports.site.operation_page import operation_view, users_by_operation

_TEMPLATES = Path(__file__).parent.parent / "templates" / "site"
_AS_THEY_ARE = ("site.css", "site.js")


def site_files(registry: Registry, found: Measurements = NOTHING_MEASURED) -> Iterator[SiteFile]:
    """Every file of the site. Links are relative, so that it works from any folder and from a disk."""
    return _Site(registry, found).files()


class _Site:
    """The site in the making: templates, and where each page lies."""

    def __init__(self, registry: Registry, found: Measurements) -> None:
        self._registry = registry
        self._measurements = found
        self._directory = _TEMPLATES
        self._addresses = _addresses(registry)
        self._environment = Environment(
            loader=FileSystemLoader(self._directory),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["error"] = error_words
        self._environment.filters["kept"] = kept_words

    def files(self) -> Iterator[SiteFile]:
        for name in _AS_THEY_ARE:
            yield SiteFile(name, (self._directory / name).read_text(encoding="utf-8"))
        yield from self._indexes()
        yield from self._ops()
        yield from self._operations()
        yield from self._notes()

    def _indexes(self) -> Iterator[SiteFile]:
        registry = self._registry
        cards, levels = registry.cards(), registry.levels()
        numbers = [level.feature_level for level in levels]
        families = matrix(cards, registry, numbers)
        yield self._page(
            "index.html",
            "matrix.html.j2",
            levels=levels,
            families=families,
            totals=totals(families, numbers),
            cells=tuple(Cell),
            types=tuple(type_keys()),
            ops=len(cards),
        )
        users = users_by_operation(cards)
        rows = [(facts, len(users.get(facts.name, ()))) for facts in registry.operations()]
        yield self._page(f"{OPERATIONS}/index.html", "operations.html.j2", rows=rows, levels=levels)

    def _ops(self) -> Iterator[SiteFile]:
        template = self._environment.get_template("op.html.j2")
        for card in self._registry.cards():
            view = op_view(card, self._registry, self._measurements)
            path = self._addresses.of(OPS, card.op)
            yield self._render(path, template, view=view, made_with=self._measurements.made_with, shape_note=SHAPE_NOTE)

    def _operations(self) -> Iterator[SiteFile]:
        template = self._environment.get_template("operation.html.j2")
        cards = self._registry.cards()
        users = users_by_operation(cards)
        for facts in self._registry.operations():
            view = operation_view(facts, users.get(facts.name, ()), cards)
            yield self._render(self._addresses.of(OPERATIONS, facts.name), template, view=view)

    def _notes(self) -> Iterator[SiteFile]:
        cards = self._registry.cards()
        differences = difference_views(self._registry.differences(), cards)
        yield self._page(f"{DIFFERENCES}/index.html", "differences.html.j2", views=differences)
        for view in differences:
            yield self._page(self._addresses.of(DIFFERENCES, view.difference.id), "difference.html.j2", view=view)
        reasons = reason_views(self._registry.reasons(), cards)
        yield self._page(f"{REASONS}/index.html", "reasons.html.j2", views=reasons)
        for found in reasons:
            yield self._page(self._addresses.of(REASONS, found.reason.code), "reason.html.j2", view=found)

    def _page(self, path: str, template: str, **values: object) -> SiteFile:
        return self._render(path, self._environment.get_template(template), **values)

    def _render(self, path: str, template: Template, **values: object) -> SiteFile:
        here = posixpath.dirname(path)

        def to(folder: str, name: str = "") -> str:
            """The relative address of a page, or of a file at the root where no name is given."""
            return posixpath.relpath(self._addresses.of(folder, name) if name else folder, here or ".")

        return SiteFile(path, template.render(to=to, has=self._addresses.has, **values))


def _addresses(registry: Registry) -> Addresses:
    return addresses(
        {
            OPS: [card.op for card in registry.cards()],
            OPERATIONS: [facts.name for facts in registry.operations()],
            DIFFERENCES: [found.id for found in registry.differences()],
            REASONS: [found.code for found in registry.reasons()],
        }
    )


def error_words(found: MeasuredExample) -> str:
    """A measured error in words."""
    if found.steps is not None:
        return "none" if found.steps == 0 else f"{found.steps} step{'' if found.steps == 1 else 's'} of the scale"
    return "none" if found.max_absolute == 0 else f"{found.max_absolute:.1e}, {found.max_relative:.1e} of the range"
