"""Ops of the program are told from ops of tensors by what TorchScript says of them."""

import re

import torch

from nnapi_check.analyzer.capture.program_ops import is_of_the_program

# They reach other processes, or write files.
_OF_OTHER_PROCESSES = frozenset(
    {"confirmed_by_owner", "is_owner", "local_value", "owner", "owner_name", "save", "to_here", "wait"}
)


def schemas() -> list[tuple[str, str, torch.FunctionSchema]]:
    """Every op of TorchScript's by its name, with the name alone and the schema."""
    found = torch._C._jit_get_all_schemas()
    return [
        (f"aten.{name}.{schema.overload_name or 'default'}", name, schema)
        for schema in found
        for namespace, _, name in [schema.name.partition("::")]
        if namespace == "aten"
    ]


def test_every_op_of_containers_of_anything_is_of_the_program() -> None:
    made = [
        op
        for op, name, schema in schemas()
        if any(re.search(r"\bt\d?\b", str(part.type)) for part in (*schema.arguments, *schema.returns))
        and name not in _OF_OTHER_PROCESSES
        and not any(str(part.type) == "Tensor" for part in schema.returns)
    ]

    assert len(made) > 60
    assert [op for op in made if not is_of_the_program(op)] == []


def test_no_op_that_reads_a_tensor_first_is_of_the_program() -> None:
    taken = [op for op, _, schema in schemas() if schema.arguments and str(schema.arguments[0].type) == "Tensor"]

    assert len(taken) > 1000
    assert [op for op in taken if is_of_the_program(op)] == []


def test_ops_of_torchscript_are_of_the_program_and_those_of_others_are_not() -> None:
    assert is_of_the_program("prim.Loop")
    assert is_of_the_program("prim.TupleIndex.default")
    assert not is_of_the_program("mylib.append.default")
