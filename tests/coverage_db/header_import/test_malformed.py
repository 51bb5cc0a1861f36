"""Files that are not documents, or only parts of one, are refused in one sentence, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.coverage_db.header_import.findings import read_findings
from nnapi_check.coverage_db.header_import.importer import import_document
from nnapi_check.coverage_db.header_import.source_lines import HeaderError
from nnapi_check.coverage_db.levels import load_levels
from tests.coverage_db.header_import.made_up import ERFINV, FLOOR, NEXT_HEADER, SPECIFICATION, WHIRL, header, written
from tests.registry_numbers import NEXT_CODE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not text in UTF-8: byte 0"),
        (b"PK\x03\x04\0\0", "holds zero bytes"),
        (b"hello, world\n", "declares neither OperationCode nor a function; it has no enumeration at all"),
        (b"typedef enum { A = 1 } Other;", "declares neither OperationCode nor a function; it has Other"),
        (b"typedef enum { A = } OperationCode;", "A wants a number"),
        (b"typedef enum { A = B } OperationCode;", "A is B, which is no member above it"),
        (b"typedef enum { + } OperationCode;", "a member of an enumeration was wanted"),
        (b"#endif\n", "#endif without an #if"),
        (b"%define-kinds canonical\n", "ndk is not among them"),
        (b"%section A\n", "section A is not closed"),
        (b"%section A\n%kind ndk\n%/section\n", "%kind is not closed in section A"),
        (b"%kind aidl\n%section A\n%/kind\nx\n%/section\n", "which began inside that %kind"),
        (b"%section A\n%{Unknown}\n%/section\n", "macro Unknown is not defined above"),
        (b"%section A\n%insert B\n%/section\n", "there is no section B above"),
        (b"%section A\n%frobnicate\n%/section\n", "%frobnicate is not a directive"),
        (b"%section A\n%/section\n%/section\n", "without a section before it"),
        (b"%section A\n%/section\n%else\n", "without a %kind before it"),
        (b"%section A\n%/section\n", "without any operation for the NDK"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(HeaderError, match=message.replace("+", r"\+")):
        read_findings(path, load_levels())


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="cannot be read: No such file"):
        read_findings(tmp_path / "none.h", load_levels())


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="cannot be read: Is a directory"):
        read_findings(tmp_path, load_levels())


def test_two_operations_of_one_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match=f"ERFINV = {NEXT_CODE}, and WHIRL is there already"):
        read_findings(
            written(tmp_path, header(WHIRL, ERFINV.replace(str(NEXT_CODE + 1), str(NEXT_CODE)))), load_levels()
        )


def test_an_operand_type_of_another_number_is_refused(tmp_path: Path) -> None:
    types = "/** Available since API level 27. */\ntypedef enum { ANEURALNETWORKS_INT32 = 7 } OperandCode;\n"

    with pytest.raises(HeaderError, match="INT32 is 7, and NNAPI's 1"):
        read_findings(written(tmp_path, types + header(FLOOR)), load_levels())


@pytest.mark.parametrize("whole", [NEXT_HEADER, SPECIFICATION], ids=["header", "specification"])
def test_a_half_written_file_takes_nothing_in(nnapi: Path, tmp_path: Path, whole: str) -> None:
    before = {path: path.read_bytes() for path in nnapi.rglob("*") if path.is_file()}
    end = len(whole.rstrip())

    for length in range(0, end - 1, 7):
        with pytest.raises(HeaderError):
            import_document(written(tmp_path, whole[:length], "half"), nnapi, write=True)

    assert {path: path.read_bytes() for path in nnapi.rglob("*") if path.is_file()} == before
