"""The host runtime judges by the facts that it is given, and then reads no text."""

import subprocess
import sys

import pytest

CODE = """
import ctypes
import nnapi_check.coverage_db.facts
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.nnapi.host_runtime import runtime
from nnapi_check.lowering.nnapi.host_runtime.errors import NoCompilerError
from nnapi_check.lowering.nnapi.model import Computed, Model, ModelInput, Operand, Operation
from nnapi_check.coverage_db.spec import OperandType
from tests.lowering.nnapi.host_runtime.client import CallError, Client

def read_text(*_):
    raise AssertionError("the text was read")

runtime.load_operations = read_text
try:
    host = runtime.load_host_runtime(4, FactsByName(open_registry()))
except NoCompilerError:
    print("no compiler")
    raise SystemExit

floats = OperandType.TENSOR_FLOAT32
operands = (Operand(floats, (2, 3), ModelInput()), Operand(floats, (2, 3), Computed()))
for code in (19, 999):
    client = Client(ctypes.CDLL("libneuralnetworks.so"))
    try:
        model = Model(operands, (Operation("RELU", (0,), (1,)),), (0,), (1,))
        client.call("Model_finish", client.build(model, {"RELU": code}))
        print(f"{code} accepted")
    except CallError:
        print(f"{code} refused: {host.last_faults[0].words}")
"""


def test_the_runtime_judges_by_the_facts_it_is_given() -> None:
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=300)

    assert ran.returncode == 0, ran.stderr
    if "no compiler" in ran.stdout:
        pytest.skip("no C compiler")
    assert ran.stdout.splitlines() == [
        "19 accepted",
        "999 refused: Operation 0 (operation code 999): found operation code 999; wanted an operation of NNAPI.",
    ]
