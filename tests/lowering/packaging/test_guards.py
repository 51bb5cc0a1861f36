"""A converted model recognizes the inputs it was converted for, and no others."""

import pytest
import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.lowering.packaging.guards import guard_source
from nnapi_check.lowering.packaging.script_modules import define, new_module, wrapped

F = torch.zeros(1, 3, 7, 9)
Q = torch.quantize_per_tensor(F, 0.02, 120, torch.quint8)

CASES = [
    ("Tensor", F, F + 1, True),
    ("Tensor", F, torch.zeros(1, 3, 9, 7), False),
    ("Tensor", F, torch.zeros(1, 3, 7), False),
    ("Tensor", F, F.double(), False),
    ("Tensor", torch.zeros(()), torch.ones(()), True),
    ("Tensor", torch.zeros(()), torch.ones(1), False),
    ("Tensor", Q, Q, True),
    ("Tensor", Q, F, False),
    ("Tensor", Q, torch.quantize_per_tensor(F, 0.04, 120, torch.quint8), False),
    ("Tensor", Q, torch.quantize_per_tensor(F, 0.02, 119, torch.quint8), False),
    ("Optional[Tensor]", F, F, True),
    ("Optional[Tensor]", F, None, False),
    ("Optional[Tensor]", None, None, True),
    ("Optional[Tensor]", None, F, False),
    ("List[Tensor]", [F, F], [F, F], True),
    ("List[Tensor]", [F, F], [F], False),
    ("List[Tensor]", [F, F], [F, F.double()], False),
    ("Tuple[Tensor, int]", (F, 3), (F, 3), True),
    ("Tuple[Tensor, int]", (F, 3), (F, 4), False),
    ("Dict[str, Tensor]", {"a": F}, {"a": F}, True),
    ("Dict[str, Tensor]", {"a": F}, {"b": F}, False),
    ("Dict[str, Tensor]", {"a": F}, {"a": F, "b": F}, False),
    ("Dict[str, Tensor]", {"a": F}, {"a": F.double()}, False),
    ("int", 3, 3, True),
    ("int", 3, 4, False),
    ("bool", True, False, False),
    ("float", 0.5, 0.5, True),
    ("float", 0.5, 0.25, False),
    ("complex", 1 + 2j, 1 + 2j, True),
    ("complex", 1 + 2j, 1 - 2j, False),
    ("complex", complex("inf"), complex("inf"), True),
    ("complex", complex(1, float("nan")), complex(float("nan"), 2), True),
    ("complex", complex(1, float("nan")), 1 + 2j, False),
    ("Tuple[int, complex]", (1, 2j), (1, 3j), False),
    ("str", "it's", "it's", True),
    ("str", "it's", "its", False),
    ("Optional[int]", 3, None, False),
    ("List[Dict[str, Tensor]]", [{"a": F}], [{"a": F}], True),
]


@pytest.mark.parametrize(("annotation", "example", "given", "is_same"), CASES)
def test_tells_inputs_like_the_example(annotation: str, example: object, given: object, is_same: bool) -> None:
    module = new_module("GuardTest")
    define(module, guard_source("forward", [annotation], [example]))

    assert wrapped(module)(given) is is_same


def test_every_input_counts() -> None:
    module = new_module("GuardTest")
    define(module, guard_source("forward", ["Tensor", "int"], [F, 2]))

    assert [wrapped(module)(F, 2), wrapped(module)(F, 3), wrapped(module)(F.double(), 2)] == [True, False, False]


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(InputError, match="is a object"):
        guard_source("forward", ["object"], [object()])
