"""The registry answers by name and by number, names what is close, and imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nnapi_check.coverage_db.database.build import build_database
from nnapi_check.coverage_db.database.registry_key import facts_key
from nnapi_check.coverage_db.queries import RegistryError, UnknownNameError, open_registry
from tests.registry_numbers import NEXT_CODE, OPERATION_COUNT

ANSWER = """
import sys
from pathlib import Path
from nnapi_check.coverage_db.levels import api_to_feature_level
from nnapi_check.coverage_db.queries import open_registry
registry = open_registry(directory=Path(sys.argv[1]))
registry.operations(), registry.cards(), registry.status(), registry.levels()
print(*({"torch", "numpy", "sqlite_utils", "tomlkit"} & set(sys.modules)))
"""


def test_an_operation_is_found_by_name_and_by_number(text: Path) -> None:
    registry = open_registry(directory=text)

    assert registry.operation("CONV_2D").code == 3
    assert registry.operation_by_code(3) is registry.operation("CONV_2D")


def test_an_unknown_operation_names_those_that_look_like_it(text: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no operation called 'conv2d'; did you mean CONV_2D") as caught:
        open_registry(directory=text).operation("conv2d")

    assert caught.value.close[0] == "CONV_2D"


def test_a_name_like_no_other_gets_no_hint(text: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"^there is no op called 'xyzzy'$"):
        open_registry(directory=text).card("xyzzy")


def test_an_unknown_code_is_an_error(text: Path) -> None:
    with pytest.raises(UnknownNameError, match=f"no operation called '{NEXT_CODE}'"):
        open_registry(directory=text).operation_by_code(NEXT_CODE)


def test_cards_differences_reasons_and_targets_are_found_by_name(text: Path) -> None:
    registry = open_registry(directory=text)

    assert registry.card("aten.relu.default").ways[0].differences == ("layout",)
    assert registry.has_card("aten.relu.default")
    assert not registry.has_card("aten.relu")
    assert registry.difference("layout").since == 1
    assert registry.reason("NNC301").kind == "shape"
    assert registry.target("pytorch-mobile").lowest_level == 3


def test_a_registry_answers_in_any_thread(text: Path) -> None:
    registry = open_registry(directory=text)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: registry.operations(), range(8)))

    assert all(answer == answers[0] for answer in answers)


def test_a_registry_takes_sql(text: Path) -> None:
    connection = open_registry(directory=text).connect()
    ((newest,),) = connection.execute("SELECT max(since) FROM operations WHERE since <= 8").fetchall()
    connection.close()

    assert newest == 7


def test_status_counts_what_is_there_and_names_what_is_not(text: Path) -> None:
    registry = open_registry(directory=text)

    status = registry.status()

    assert (status.rows("operations"), status.rows("ops"), status.rows("examples")) == (OPERATION_COUNT, 3, 1)
    assert status.rows("no such table") == 0
    assert len(status.unmapped_operations) == OPERATION_COUNT - 1
    assert "RELU" not in status.unmapped_operations
    assert status.gaps == ("aten.erfinv.default",)
    assert status.unwritten_ops == ("aten.gru.input",)
    assert status.ways_without_example == ()
    assert status.untested_requirements == ("aten.relu.default/operation: not-empty",)
    assert status.facts_key == facts_key(text)


def test_a_database_of_ones_own_can_be_opened(text: Path, tmp_path: Path, cache: Path) -> None:
    build_database(tmp_path / "own.db", text)

    registry = open_registry(tmp_path / "own.db")

    assert registry.path == tmp_path / "own.db"
    assert registry.card("aten.erfinv.default").gap == "No operation computes it."
    assert not cache.exists()


def test_a_file_that_is_no_registry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.db").write_bytes(b"something else")

    with pytest.raises(RegistryError, match="is not a database of the registry"):
        open_registry(tmp_path / "own.db")
    with pytest.raises(RegistryError, match="cannot be read: No such file"):
        open_registry(tmp_path / "none.db")


def test_a_database_of_another_version_is_refused(text: Path, tmp_path: Path) -> None:
    build_database(tmp_path / "own.db", text)
    open_registry(directory=text)
    layout = next((tmp_path / "cache").iterdir()).stem.split("-")[2]
    data = (tmp_path / "own.db").read_bytes().replace(layout.encode(), b"0" * 16)
    (tmp_path / "own.db").write_bytes(data)

    with pytest.raises(RegistryError, match="was built by another version"):
        open_registry(tmp_path / "own.db")


def test_reading_imports_neither_torch_nor_numpy_nor_the_builder(text: Path) -> None:
    open_registry(directory=text)

    run = subprocess.run([sys.executable, "-c", ANSWER, str(text)], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == ""


def test_the_key_stands_for_names_and_contents(text: Path) -> None:
    before = facts_key(text)
    (text / "ops" / "small.toml").rename(text / "ops" / "other.toml")
    renamed = facts_key(text)
    (text / "ops" / "notes.txt").write_text("not of the registry", encoding="utf-8")

    assert renamed != before
    assert facts_key(text) == renamed
