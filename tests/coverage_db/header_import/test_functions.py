"""The functions of NNAPI's C interface are read with their levels, from the header and from the list of symbols."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.coverage_db.header_import.findings import DocumentKind, Findings, read_findings
from nnapi_check.coverage_db.header_import.importer import import_document
from nnapi_check.coverage_db.header_import.merge import ChangeKind
from nnapi_check.coverage_db.levels import load_levels
from nnapi_check.coverage_db.platform_facts import load_functions, load_imports
from nnapi_check.coverage_db.spec import FunctionFacts
from tests.coverage_db.header_import.made_up import written

HEADER = """
#define __NNAPI_INTRODUCED_IN(x) __INTRODUCED_IN(x)

/** Calls {@link ANeuralNetworks_old(int)}; ANeuralNetworks_spoken(); is only spoken of. */
int ANeuralNetworks_marked(uint32_t index,
                           ANeuralNetworksDevice** device)
        __NNAPI_INTRODUCED_IN(30);
void ANeuralNetworks_named(ANeuralNetworksModel* model) __INTRODUCED_IN(__ANDROID_API_Q__);

#if __ANDROID_API__ >= __ANDROID_API_P__
int ANeuralNetworks_guarded(void (*done)(int code), int number);
#endif

int ANeuralNetworks_bare();
static inline int ANeuralNetworks_made() { return 0; }
"""

SYMBOLS = """\
# Symbols.
LIBNEURALNETWORKS {
  global:
    ANeuralNetworks_first;
    ANeuralNetworks_named; # introduced=Q
    ANeuralNetworks_numbered; # introduced=30
  local:
    *;
};

LIBNEURALNETWORKS_PLATFORM {
  global:
    ANeuralNetworks_hidden;
} LIBNEURALNETWORKS;
"""


def read(folder: Path, text: str) -> Findings:
    return read_findings(written(folder, text), load_levels())


def test_a_function_s_level_is_that_of_its_mark_or_of_the_guard_around_it(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER)

    assert found.functions == (
        FunctionFacts("ANeuralNetworks_marked", 4),
        FunctionFacts("ANeuralNetworks_named", 3),
        FunctionFacts("ANeuralNetworks_guarded", 2),
    )
    assert (found.kind, found.level) == (DocumentKind.HEADER, 4)


def test_a_function_without_a_level_is_not_taken(tmp_path: Path) -> None:
    (unread,) = read(tmp_path, HEADER).unread

    assert (unread.subject, unread.line) == ("ANeuralNetworks_bare", 14)
    assert unread.why == "neither a mark after it nor a guard around it names an API level"


def test_a_function_of_an_unknown_android_is_not_taken(tmp_path: Path) -> None:
    (unread,) = read(tmp_path, f"{SYMBOLS.replace('introduced=30', 'introduced=99')}").unread

    assert (unread.subject, unread.why) == ("ANeuralNetworks_numbered", "API level 99 is not in levels.toml")


def test_exported_symbols_without_a_mark_were_there_from_the_start(tmp_path: Path) -> None:
    found = read(tmp_path, SYMBOLS)

    assert found.kind is DocumentKind.SYMBOLS
    assert found.functions == (
        FunctionFacts("ANeuralNetworks_first", 1),
        FunctionFacts("ANeuralNetworks_named", 3),
        FunctionFacts("ANeuralNetworks_numbered", 4),
    )


@pytest.mark.parametrize("content", [HEADER, SYMBOLS])
def test_new_functions_are_taken_in_once(nnapi: Path, tmp_path: Path, content: str) -> None:
    before = load_functions(nnapi / "functions.toml")
    document = written(tmp_path, content)

    report = import_document(document, nnapi, write=True)

    assert report.is_written
    assert (report.read_operations, report.read_functions) == (0, 3)
    assert {change.kind for change in report.changes} == {ChangeKind.FUNCTION}
    added = load_functions(nnapi / "functions.toml")[len(before) :]
    assert added == read_findings(document, load_levels()).functions
    assert load_imports(nnapi / "imports.toml")[-1].added == tuple(facts.name for facts in added)
    assert not import_document(document, nnapi, write=True).is_written


def test_a_function_of_another_level_is_disputed(nnapi: Path, tmp_path: Path) -> None:
    text = "int ANeuralNetworksModel_finish(ANeuralNetworksModel* model) __INTRODUCED_IN(30);\n"

    (change,) = import_document(written(tmp_path, text), nnapi, write=True).changes

    assert (change.kind, change.words) == (ChangeKind.DISPUTED, "from level 1, read 4")
