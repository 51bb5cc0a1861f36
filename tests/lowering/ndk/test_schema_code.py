"""The code in the repository is what FlatBuffers' compiler makes of the schema."""

import re

import pytest

from nnapi_check.lowering.ndk.schema_code import HEADER, MODULE, SCHEMA, STUBS, VERSION, has_compiler, made


@pytest.mark.skipif(not has_compiler(), reason="flatc of the runtime's version is not installed")
def test_the_code_is_what_the_compiler_makes() -> None:
    assert {path: path.read_text(encoding="utf-8") for path in (HEADER, MODULE, STUBS)} == made()


def test_every_field_of_the_schema_has_its_reader() -> None:
    fields = re.findall(r"^  (\w+): ", SCHEMA.read_text(encoding="utf-8"), re.MULTILINE)
    header, module = HEADER.read_text(encoding="utf-8"), MODULE.read_text(encoding="utf-8")

    assert fields
    assert [name for name in fields if f"{name}() const" not in header] == []
    assert [name for name in fields if f"def {''.join(map(str.title, name.split('_')))}(self" not in module] == []


def test_the_carried_library_is_of_the_version_that_made_the_code() -> None:
    base = (HEADER.parent.parent / "third_party/flatbuffers/include/flatbuffers/base.h").read_text(encoding="utf-8")
    numbers = re.findall(r"define FLATBUFFERS_VERSION_(?:MAJOR|MINOR|REVISION) (\d+)", base)

    assert ".".join(numbers) == VERSION
