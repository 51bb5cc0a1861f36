"""Capture a graph with one node, for every op of the installed PyTorch: no op may end the process or write a file.

    python -m benchmarks.op_calls [--seconds 2] [--only aten::add]

Each op is called with plain arguments made from its schema: once on inputs, once on constants, which PyTorch computes
while it freezes the graph. Ops are tried in processes of their own, many in one; where one ends, the rest go on in the
next.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import ElementType, TensorType
from nnapi_check.analyzer.inputs.specification import InputSpec
from nnapi_check.analyzer.torchscript import insert_constant
from nnapi_check.lowering.packaging.script_modules import define, new_module, wrapped

_TEXT = "written_by_an_op"
_CELLS: dict[str, object] = {
    "int": 2,
    "float": 1.0,
    "bool": False,
    "str": _TEXT,
    "number": 2.0,
    "complex": 1j,
    "Device": torch.device("cpu"),
    "ScalarType": 6,
    "Layout": 0,
    "MemoryFormat": 0,
    "QScheme": 0,
}


class OverTimeError(Exception):
    """An op took longer than it may."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An op whose capture ended otherwise than it may, and how."""

    op: str
    what: str


def schemas() -> list[torch._C.FunctionSchema]:
    """Every op of the installed PyTorch, in order of its name."""
    found: list[torch._C.FunctionSchema] = torch._C._jit_get_all_schemas()
    return sorted(found, key=str)


def module_with(schema: torch._C.FunctionSchema, *, on_constants: bool) -> torch.jit.ScriptModule:
    """A module whose ``forward`` calls one op and returns what it returns, where that is a tensor."""
    module = new_module("OneOp")
    define(module, "def forward(self, x: Tensor):\n    return x\n")
    graph = module._get_method("forward").graph
    x = list(graph.inputs())[1]
    graph.setInsertPoint(graph.return_node())
    given = insert_constant(graph, torch.rand(2, 3)) if on_constants else x
    inputs = [_argument(graph, argument, given) for argument in schema.arguments]
    node = graph.create(schema.name, inputs, len(schema.returns))
    graph.insertNode(node)
    for output, returned in zip(node.outputs(), schema.returns, strict=True):
        output.setType(returned.type)
    for output in node.outputs():
        if output.type().kind() == "TensorType":
            graph.eraseOutput(0)
            graph.registerOutput(output)
            break
    return wrapped(module)


def _argument(graph: torch._C.Graph, argument: torch._C.Argument, x: torch._C.Value) -> torch._C.Value:
    if argument.has_default_value() and argument.default_value != []:
        return insert_constant(graph, argument.default_value)
    return _value(graph, argument.type, x, getattr(argument, "N", None) or 2)


def _value(graph: torch._C.Graph, kind: torch._C.JitType, x: torch._C.Value, length: int) -> torch._C.Value:
    match kind:
        case torch._C.TensorType():
            return x
        case torch._C.OptionalType():
            return insert_constant(graph, None)
        case torch._C.ListType():
            parts = [_value(graph, kind.getElementType(), x, length) for _ in range(length)]
            made = graph.create("prim::ListConstruct", parts, 1)
            graph.insertNode(made)
            made.output().setType(kind)
            return made.output()
        case _ if str(kind) in _CELLS:
            return insert_constant(graph, _CELLS[str(kind)])
        case _:
            # An object of a class, or of any kind: there is none, and the op must not be called without.
            made = graph.create("prim::Uninitialized", [], 1)
            graph.insertNode(made)
            made.output().setType(kind)
            return made.output()


def fault_of(schema: torch._C.FunctionSchema, seconds: int) -> str | None:
    """Why the capture of a graph with this op is at fault; None where it is not."""
    for on_constants in (False, True):
        signal.signal(signal.SIGALRM, _stop)
        signal.alarm(seconds)
        try:
            module = module_with(schema, on_constants=on_constants)
            capture(module, [InputSpec(TensorType(ElementType.FLOAT32, (2, 3)))], weights=False)
        except (InputError, RuntimeError) as error:
            # A graph that PyTorch itself refuses shows nothing.
            if not isinstance(error, InputError) and "Traceback" in str(error):
                return str(error).splitlines()[-1]
        except OverTimeError:
            return f"takes more than {seconds} s"
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError, SystemError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            signal.alarm(0)
        if any(Path.cwd().iterdir()):
            return f"writes {next(Path.cwd().iterdir()).name}"
    return None


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise OverTimeError


def listed() -> list[str]:
    """The schemas that a new process knows: PyTorch registers more of its own as others of its libraries are used."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.op_calls", "--list"],
        capture_output=True,
        text=True,
        check=True,
        env=_environment(),
    )
    return found.stdout.splitlines()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def sweep(ops: Sequence[str], seconds: int) -> Iterator[Fault]:
    """The faults of ops, given by their schemas; each process goes as far as it comes."""
    rest = list(ops)
    while rest:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.op_calls", "--here", "--seconds", str(seconds)],
                input="\n".join(rest),
                capture_output=True,
                text=True,
                check=False,
                cwd=folder,
                env=_environment(),
            )
        told = [line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line]
        yield from (Fault(op, what) for op, what in told if what != "ok")
        if len(told) < len(rest):
            yield Fault(rest[len(told)], f"ends the process with {done.returncode}: {done.stderr.strip()[-200:]}")
        rest = rest[len(told) + 1 :]


def _here(seconds: int) -> None:
    """Try the ops that the standard input names, and print how each fared."""
    by_text = {str(schema): schema for schema in schemas()}
    # Some meta kernels import PyTorch's compiler at their first call.
    torch.ones(2, device="meta").logcumsumexp(0)
    for line in sys.stdin.read().splitlines():
        print(line, fault_of(by_text[line], seconds) or "ok", sep="\t", flush=True)


def main() -> int:
    """Sweep, print the faults, and return 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default="", help="ops whose schemas begin so")
    parser.add_argument("--list", action="store_true", help="print the ops instead")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        _here(options.seconds)
        return 0
    ops = [str(schema) for schema in schemas() if str(schema).startswith(options.only)]
    if options.list:
        print(*ops, sep="\n")
        return 0
    start = time.monotonic()
    faults = list(sweep(ops, options.seconds))
    for fault in faults:
        print(f"{fault.op}\n    {fault.what}")
    print(f"{len(ops)} ops, {len(faults)} faults, {time.monotonic() - start:.0f} s, PyTorch {torch.__version__}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
