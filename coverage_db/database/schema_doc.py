"""The documentation of the database's tables and views, written from their plans.

``python -m nnapi_check.coverage_db.database.schema_doc --write`` writes ``docs/schema.md``; ``--check`` fails where
it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnapi_check.coverage_db.database.build import TABLES
from nnapi_check.coverage_db.database.tables import INTEGER, TEXT, Column, TablePlan
from nnapi_check.coverage_db.database.views import VIEWS, ViewPlan
from nnapi_check.coverage_db.writing.output import write_text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "schema.md"


def schema_text() -> str:
    """The page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The registry's database"
    yield ""
    yield "<!-- Written by `python -m nnapi_check.coverage_db.database.schema_doc --write`; do not edit. -->"
    yield ""
    yield "`nnapi-check db build registry.db` writes it; ask it with any SQLite client, such as"
    yield '`sqlite3 registry.db "SELECT ..."`. It is built from the text in `coverage_db/` and never edited: tables are'
    yield "strict, references are checked, and equal text gives equal bytes."
    yield ""
    yield "Columns called `document` hold a row's whole record as JSON, which the tool itself reads. `since` and"
    yield "`until` are feature levels, both inclusive. A column may be NULL only where it says so."
    yield "Words above columns are those of the record that the columns are of: its other parts have tables of their"
    yield "own or stand in `document`, and None is NULL."
    yield ""
    yield "## Views"
    yield ""
    yield "Start here: each answers a question that the tables take a join for."
    for view in VIEWS:
        yield from _view(view)
    yield ""
    yield "## Tables"
    yield ""
    yield "| table | a row is |"
    yield "| --- | --- |"
    for plan in TABLES:
        yield f"| [`{plan.name}`](#table-{plan.name}) | {plan.title} |"
    yield "| `meta` | What the database was built from: `facts` stands for the text, `layout` for the code. |"
    yield "| `tables` | A table of this list, with its title and number of rows. |"
    for plan in TABLES:
        yield from _table(plan)


def _view(view: ViewPlan) -> Iterator[str]:
    yield ""
    yield f'### <a id="view-{view.name}"></a>`{view.name}`'
    yield ""
    yield view.title
    yield ""
    yield "| column | holds |"
    yield "| --- | --- |"
    for name, words in view.columns:
        yield f"| `{name}` | {words} |"
    yield ""
    yield "```sql"
    yield f"{view.example};"
    yield "```"


def _table(plan: TablePlan) -> Iterator[str]:
    yield ""
    yield f'### <a id="table-{plan.name}"></a>`{plan.name}`'
    yield ""
    yield plan.title
    yield from _explanation(plan)
    yield ""
    yield "| column | type | refers to |"
    yield "| --- | --- | --- |"
    for column in plan.columns:
        key = " (key)" if column.name in plan.primary_key else ""
        yield f"| `{column.name}`{key} | {_type(column)} | {_reference(column)} |"


def _explanation(plan: TablePlan) -> Iterator[str]:
    """What the dataclass whose fields are columns says of them, after its first sentence, which the title says."""
    words = " ".join((plan.subject.__doc__ or "").split()) if plan.subject else ""
    if rest := words.partition(". ")[2]:
        yield ""
        yield rest.replace("``", "`")


def _type(column: Column) -> str:
    words = "text" if column.type is TEXT else "integer" if column.type is INTEGER else "real"
    return words if column.required else f"{words} or NULL"


def _reference(column: Column) -> str:
    table = column.refers_to.partition(".")[0]
    return f"[`{column.refers_to}`](#table-{table})" if table else ""


def main(arguments: Sequence[str]) -> int:
    """Write or check the page; the exit code is 1 where it is stale and 2 for a wrong call."""
    if list(arguments) == ["--write"]:
        PAGE.parent.mkdir(exist_ok=True)
        write_text(PAGE, schema_text())
        return 0
    if list(arguments) == ["--check"]:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == schema_text():
            return 0
        sys.stderr.write(f"{PAGE} is stale; run python -m nnapi_check.coverage_db.database.schema_doc --write\n")
        return 1
    sys.stderr.write("usage: python -m nnapi_check.coverage_db.database.schema_doc --check | --write\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
