"""A document of a level that nobody has seen is taken in, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.header_import.importer import ImportReport, import_document
from nnapi_check.coverage_db.header_import.merge import Change, ChangeKind
from nnapi_check.coverage_db.levels import load_levels
from nnapi_check.coverage_db.platform_facts import load_enumerations, load_imports
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.spec import OperandType, OperationFacts, RankFacts
from tests.coverage_db.header_import.made_up import CHANNEL_SHUFFLE, FLOOR, NEXT_HEADER, WHIRL, header, written
from tests.registry_numbers import HIGHEST_LEVEL, LAST_OPERATION, NEXT_CODE, NEXT_LEVEL, OPERATION_COUNT

QUANTIZED_SINCE_NEXT = (
    f"     * * {{@link ANEURALNETWORKS_TENSOR_QUANT8_ASYMM}} (since NNAPI feature level {NEXT_LEVEL})\n"
)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.toml"))}


def taken(report: ImportReport) -> list[tuple[ChangeKind, str]]:
    return [(change.kind, change.subject) for change in report.changes if change.is_taken]


def operation(nnapi: Path, name: str) -> OperationFacts:
    return load_operations(nnapi / "operations")[name]


@pytest.fixture
def next_header(tmp_path: Path) -> Path:
    return written(tmp_path, NEXT_HEADER)


def test_without_write_nothing_is_changed(nnapi: Path, next_header: Path) -> None:
    before = texts(nnapi)

    report = import_document(next_header, nnapi)

    assert not report.is_written
    assert texts(nnapi) == before


def test_tells_all_that_is_new(nnapi: Path, next_header: Path) -> None:
    report = import_document(next_header, nnapi)

    assert taken(report) == [
        (ChangeKind.NEW_LEVEL, f"feature level {NEXT_LEVEL}"),
        (ChangeKind.NEW_TYPE, "FLOOR"),
        (ChangeKind.SIGNATURE, "CHANNEL_SHUFFLE"),
        (ChangeKind.SIGNATURE, "CHANNEL_SHUFFLE"),
        (ChangeKind.NEW_OPERATION, "WHIRL"),
        (ChangeKind.NEW_OPERATION, "ERFINV"),
        (ChangeKind.MEMBER, "PriorityCode.URGENT"),
    ]
    assert (report.level, report.read_operations, report.total) == (NEXT_LEVEL, 4, OPERATION_COUNT + 2)


def test_takes_in_a_new_operation_with_all_that_is_said_of_it(nnapi: Path, next_header: Path) -> None:
    import_document(next_header, nnapi, write=True)

    found = operation(nnapi, "WHIRL")

    assert (found.code, found.since, found.main_kind, found.main_index) == (NEXT_CODE, NEXT_LEVEL, "input", 0)
    assert found.types == ((OperandType.TENSOR_FLOAT32, NEXT_LEVEL), (OperandType.TENSOR_FLOAT16, NEXT_LEVEL))
    assert found.rank == RankFacts(None, 4)
    (signature,) = found.signatures
    assert signature.counts == ((2, NEXT_LEVEL), (3, NEXT_LEVEL))
    assert [(operand.type, operand.role, operand.optional, operand.default) for operand in signature.inputs] == [
        (None, None, False, None),
        (OperandType.INT32, "axis", False, None),
        (OperandType.BOOL, None, True, False),
    ]
    assert found.output_counts == ((1, NEXT_LEVEL),)


def test_new_inputs_without_a_role_are_told_until_they_are_taken_in(nnapi: Path, next_header: Path) -> None:
    first = import_document(next_header, nnapi, write=True)
    second = import_document(next_header, nnapi, write=True)

    assert first.nameless == ("CHANNEL_SHUFFLE input 3", "WHIRL input 2")
    assert second.nameless == ()


def test_takes_in_a_new_type_of_an_old_operation(nnapi: Path, next_header: Path) -> None:
    import_document(next_header, nnapi, write=True)

    assert operation(nnapi, "FLOOR").types == (
        (OperandType.TENSOR_FLOAT32, 1),
        (OperandType.TENSOR_FLOAT16, 3),
        (OperandType.TENSOR_QUANT8_ASYMM, NEXT_LEVEL),
    )


def test_takes_in_a_new_optional_input_with_its_level(nnapi: Path, next_header: Path) -> None:
    before = operation(nnapi, "CHANNEL_SHUFFLE").signatures[0]

    import_document(next_header, nnapi, write=True)

    after = operation(nnapi, "CHANNEL_SHUFFLE").signatures[0]
    assert after.inputs[:3] == before.inputs
    assert (after.inputs[3].type, after.inputs[3].since, after.inputs[3].default) == (
        OperandType.BOOL,
        NEXT_LEVEL,
        False,
    )
    assert after.counts == ((3, 3), (4, NEXT_LEVEL))


def test_takes_in_the_level_and_the_member(nnapi: Path, next_header: Path) -> None:
    import_document(next_header, nnapi, write=True)

    last = load_levels(nnapi / "levels.toml")[-1]
    assert (last.feature_level, last.c_value, last.came_with) == (NEXT_LEVEL, 1_000_000 + NEXT_LEVEL, "Android Z")
    (priorities,) = [found for found in load_enumerations(nnapi / "enumerations.toml") if found.name == "PriorityCode"]
    assert [(found.name, found.value, found.since) for found in priorities.members][-1] == ("URGENT", 120, NEXT_LEVEL)


def test_a_database_is_built_of_what_was_taken_in(nnapi: Path, next_header: Path) -> None:
    import_document(next_header, nnapi, write=True)

    status = open_registry(directory=nnapi.parent).status()

    assert status.rows("operations") == OPERATION_COUNT + 2
    assert {"WHIRL", "ERFINV"} <= set(status.unmapped_operations)


def test_everything_else_stays_as_it_is_written(nnapi: Path, next_header: Path) -> None:
    before = texts(nnapi)

    import_document(next_header, nnapi, write=True)

    after = texts(nnapi)
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {
        "arithmetic.toml",
        "enumerations.toml",
        "imported.toml",
        "imports.toml",
        "levels.toml",
        "shape.toml",
    }
    for name in changed - {"imported.toml"}:
        lines = after[name].splitlines()
        kept = [line for line in before[name].splitlines() if line in lines]
        # Only the line with the counts of inputs is another one.
        assert len(before[name].splitlines()) - len(kept) <= (1 if name == "shape.toml" else 0)


def test_notes_and_comments_by_hand_stay(nnapi: Path, next_header: Path) -> None:
    path = nnapi / "operations" / "arithmetic.toml"
    text = path.read_text(encoding="utf-8").replace(
        "[FLOOR]\ncode = 8\n",
        '# Of floors.\n[FLOOR]\ncode = 8  # eight\nnotes = """\nA note [with brackets]\n= kept."""\n',
    )
    path.write_text(text, encoding="utf-8")

    import_document(next_header, nnapi, write=True)

    after = path.read_text(encoding="utf-8")
    assert "# Of floors.\n[FLOOR]\ncode = 8  # eight\n" in after
    assert operation(nnapi, "FLOOR").notes == "A note [with brackets]\n= kept."


def test_comments_between_inputs_stay(nnapi: Path, next_header: Path) -> None:
    path = nnapi / "operations" / "shape.toml"
    text = path.read_text(encoding="utf-8")
    start = text.index("[[CHANNEL_SHUFFLE.signatures]]")
    row = text.index("    { index = 1", start)
    path.write_text(f"{text[:row]}    # How many, not how wide.\n{text[row:]}", encoding="utf-8")

    import_document(next_header, nnapi, write=True)

    assert "    # How many, not how wide.\n    { index = 1" in path.read_text(encoding="utf-8")
    assert len(operation(nnapi, "CHANNEL_SHUFFLE").signatures[0].inputs) == 4


def test_importing_twice_changes_nothing(nnapi: Path, next_header: Path) -> None:
    import_document(next_header, nnapi, write=True)
    before = texts(nnapi)

    again = import_document(next_header, nnapi, write=True)

    assert taken(again) == []
    assert not again.is_written
    assert texts(nnapi) == before


def test_an_older_document_neither_removes_nor_changes(nnapi: Path, next_header: Path, tmp_path: Path) -> None:
    import_document(next_header, nnapi, write=True)
    before = texts(nnapi)
    other = FLOOR.replace(QUANTIZED_SINCE_NEXT, "").replace("up to 4", "up to 3")

    report = import_document(written(tmp_path, header(other, level=HIGHEST_LEVEL), "Older.h"), nnapi, write=True)

    assert taken(report) == []
    assert texts(nnapi) == before


def test_what_an_older_document_adds_to_a_known_operation_is_disputed(nnapi: Path, tmp_path: Path) -> None:
    report = import_document(written(tmp_path, header(FLOOR, level=6)), nnapi, write=True)

    assert Change(ChangeKind.DISPUTED, "FLOOR", "TENSOR_QUANT8_ASYMM from level 6") in report.changes
    assert OperandType.TENSOR_QUANT8_ASYMM not in dict(operation(nnapi, "FLOOR").types)


def test_an_operation_that_an_older_document_has_alone_is_added(nnapi: Path, tmp_path: Path) -> None:
    report = import_document(written(tmp_path, header(WHIRL, level=7)), nnapi, write=True)

    assert report.level == 7
    assert operation(nnapi, "WHIRL").since == 7


def test_what_the_registry_says_otherwise_is_disputed_by_a_document_of_its_level(nnapi: Path, tmp_path: Path) -> None:
    other = FLOOR.replace(QUANTIZED_SINCE_NEXT, "").replace("FLOAT16} (since NNAPI feature level 3)", "FLOAT16}")

    report = import_document(written(tmp_path, header(other, level=HIGHEST_LEVEL)), nnapi, write=True)

    assert Change(ChangeKind.DISPUTED, "FLOOR", "TENSOR_FLOAT16 from level 3, read 1") in report.changes
    assert dict(operation(nnapi, "FLOOR").types)[OperandType.TENSOR_FLOAT16] == 3


def test_what_a_document_of_its_level_leaves_out_is_disputed_and_stays(nnapi: Path, tmp_path: Path) -> None:
    other = CHANNEL_SHUFFLE.replace("     * * {@link ANEURALNETWORKS_TENSOR_QUANT8_ASYMM}\n", "")

    report = import_document(written(tmp_path, header(other)), nnapi, write=True)

    words = "TENSOR_QUANT8_ASYMM from level 3 is not in the document"
    assert Change(ChangeKind.DISPUTED, "CHANNEL_SHUFFLE", words) in report.changes
    assert OperandType.TENSOR_QUANT8_ASYMM in dict(operation(nnapi, "CHANNEL_SHUFFLE").types)


def test_a_newer_document_may_change_a_value(nnapi: Path, tmp_path: Path) -> None:
    import_document(written(tmp_path, header(FLOOR.replace("up to 4", "up to 8"))), nnapi, write=True)

    assert operation(nnapi, "FLOOR").rank == RankFacts(None, 8)


def test_a_code_that_is_taken_is_disputed(nnapi: Path, tmp_path: Path) -> None:
    report = import_document(
        written(tmp_path, header(WHIRL.replace(str(NEXT_CODE), str(NEXT_CODE - 1)))), nnapi, write=True
    )

    assert Change(ChangeKind.DISPUTED, "WHIRL", f"code {NEXT_CODE - 1} is that of {LAST_OPERATION}") in report.changes
    assert "WHIRL" not in load_operations(nnapi / "operations")


def test_ops_that_could_use_a_new_operation_are_suggested(nnapi: Path, next_header: Path) -> None:
    report = import_document(next_header, nnapi)

    suggested = {change.subject: change.suggested for change in report.changes if change.suggested}
    assert suggested == {"ERFINV": ("aten.erfinv.default",)}


def test_the_import_is_recorded(nnapi: Path, next_header: Path) -> None:
    import_document(next_header, nnapi, write=True)

    record = load_imports(nnapi / "imports.toml")[-1]

    assert (record.document, record.level, len(record.sha256)) == ("Made.h", NEXT_LEVEL, 64)
    assert record.added == (f"feature level {NEXT_LEVEL}", "WHIRL", "ERFINV")
    assert record.changed == ("FLOOR", "CHANNEL_SHUFFLE", "PriorityCode.URGENT")


def test_an_empty_table_of_operations_is_filled(nnapi: Path, next_header: Path) -> None:
    for path in (nnapi / "operations").glob("*.toml"):
        path.unlink()

    report = import_document(next_header, nnapi, write=True)

    assert list(load_operations(nnapi / "operations")) == ["FLOOR", "CHANNEL_SHUFFLE", "WHIRL", "ERFINV"]
    assert report.total == 4
