"""The library's own header says what the registry knows of NNAPI's C interface."""

from __future__ import annotations

from nnapi_check.coverage_db.header_import.enumerations import read_enumerations
from nnapi_check.coverage_db.header_import.functions import read_functions
from nnapi_check.coverage_db.header_import.source_lines import Document, read_bytes, read_document
from nnapi_check.coverage_db.platform_facts import load_enumerations, load_functions
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.host_runtime.build import SOURCE_DIRECTORY

PREFIXES = {"PreferenceCode": "PREFER_", "DeviceTypeCode": "DEVICE_", "PriorityCode": "PRIORITY_"}
LEFT_OUT = {"FuseCode", "PaddingCode", "constants"}


def header() -> Document:
    path = SOURCE_DIRECTORY / "neural_networks.h"
    return read_document(path, read_bytes(path))


def test_it_declares_every_function_and_no_other() -> None:
    declared = [function.name for function in read_functions(header())]

    assert sorted(declared) == sorted(facts.name for facts in load_functions())


def test_its_numbers_are_nnapi_s() -> None:
    found = {member.name: member.value for read in read_enumerations(header()) for member in read.members}
    wanted = {
        f"ANEURALNETWORKS_{PREFIXES.get(enumeration.name, '')}{member.name}": member.value
        for enumeration in load_enumerations()
        if enumeration.name not in LEFT_OUT
        for member in enumeration.members
    }
    wanted |= {f"ANEURALNETWORKS_{kind.name}": kind.value for kind in OperandType}

    assert found == wanted


def test_its_sizes_are_nnapi_s() -> None:
    (constants,) = (found for found in load_enumerations() if found.name == "constants")
    text = "\n".join(line.text for line in header().lines)

    for member in constants.members:
        assert f"#define ANEURALNETWORKS_{member.name} {member.value}\n" in text
