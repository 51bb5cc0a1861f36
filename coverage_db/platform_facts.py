"""What is known beside operations: operand types, enumerations, functions and imports, of ``coverage_db/nnapi``."""

from __future__ import annotations

from pathlib import Path

from nnapi_check.coverage_db.spec import (
    Enumeration,
    EnumerationMember,
    FunctionFacts,
    ImportRecord,
    OperandType,
    Quantization,
    TypeFacts,
)
from nnapi_check.coverage_db.text import Table, read_tables

_DIRECTORY = Path(__file__).parent / "nnapi"
TYPES_FILE = _DIRECTORY / "types.toml"
ENUMERATIONS_FILE = _DIRECTORY / "enumerations.toml"
FUNCTIONS_FILE = _DIRECTORY / "functions.toml"
IMPORTS_FILE = _DIRECTORY / "imports.toml"


def load_types(path: Path = TYPES_FILE) -> tuple[TypeFacts, ...]:
    """The operand types in order of their codes. Every type of ``OperandType`` must be there."""
    text = read_tables(path)
    facts = {}
    for name in text.values:
        row = text.table(name)
        kind = row.as_member(name, OperandType, name)
        if row.integer("code") != kind.value:
            raise row.fail("code", f"wants {kind.value}, found {row.integer('code')}")
        facts[kind] = TypeFacts(
            type=kind,
            since=row.integer("since"),
            element_bytes=row.optional_integer("element_bytes"),
            quantization=row.choice("quantization", Quantization) if row.has("quantization") else Quantization.NONE,
            zero_point_min=row.optional_integer("zero_point_min"),
            zero_point_max=row.optional_integer("zero_point_max"),
            aliases=row.texts("aliases"),
        )
        row.finish()
    for kind in OperandType:
        if kind not in facts:
            raise text.fail(kind.name, "is missing")
    return tuple(facts[kind] for kind in sorted(facts))


def load_enumerations(path: Path = ENUMERATIONS_FILE) -> tuple[Enumeration, ...]:
    """NNAPI's other enumerations, and its constants, in the order of the text."""
    text = read_tables(path)
    return tuple(_enumeration(name, text.table(name)) for name in text.values)


def load_functions(path: Path = FUNCTIONS_FILE) -> tuple[FunctionFacts, ...]:
    """The functions of NNAPI's C interface in the order of the text; none where there is no file of them."""
    if not path.exists():
        return ()
    text = read_tables(path)
    functions = []
    for name in text.values:
        row = text.table(name)
        functions.append(FunctionFacts(name, row.integer("since")))
        row.finish()
    return tuple(functions)


def load_imports(path: Path = IMPORTS_FILE) -> tuple[ImportRecord, ...]:
    """The imports in their order; none where there is no file of them."""
    if not path.exists():
        return ()
    text = read_tables(path)
    records = tuple(_import(row) for row in text.tables("imports"))
    text.finish()
    return records


def _import(row: Table) -> ImportRecord:
    record = ImportRecord(
        document=row.text("document"),
        level=row.integer("level"),
        sha256=row.text("sha256", default=""),
        date=row.text("date", default=""),
        added=row.texts("added"),
        changed=row.texts("changed"),
    )
    row.finish()
    return record


def _enumeration(name: str, table: Table) -> Enumeration:
    members = []
    for member in table.values:
        row = table.table(member)
        since = row.integer("since") if row.has("since") else 1
        members.append(EnumerationMember(member, row.integer("value"), since))
        row.finish()
    return Enumeration(name, tuple(members))
