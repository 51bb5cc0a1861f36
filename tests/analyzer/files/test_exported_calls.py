"""What TorchScript has no words for in an exported program is written in words that it has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.files.program_file import module_of
from nnapi_check.analyzer.files.program_words import write_truth_values_as_numbers
from tests.analyzer.torch_models import Called, Function

CALLS: dict[str, Function] = {
    "full": lambda x: torch.full((3, 5), True) & (x > 0.5),
    "full of a type": lambda x: x + torch.full((3, 5), True, dtype=torch.float32),
    "full_like": lambda x: x + torch.full_like(x, True),
    "new_full": lambda x: x + x.new_full((3, 5), True),
    "scalar_tensor": lambda x: x + torch.scalar_tensor(True),
    "masked_fill": lambda x: x.masked_fill(x > 0.5, False),
    "eq": lambda x: (x > 0.5) == False,  # noqa: E712  # a tensor is compared
    "ne": lambda x: (x > 0.5) != True,  # noqa: E712  # a tensor is compared
}


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_truth_values_for_numbers_are_captured_with_the_same_result(
    name: str, decomposed: bool, tmp_path: Path
) -> None:
    module, x = Called(CALLS[name]), torch.rand(3, 5)
    program = torch.export.export(module, (x,))
    torch.export.save(program.run_decompositions() if decomposed else program, tmp_path / "model.pt2")

    captured = capture(tmp_path / "model.pt2", weights=True)

    found = captured.module._get_method("forward")(x)
    wanted = module(x)
    assert found.dtype == wanted.dtype
    assert torch.equal(found, wanted)


def test_numbers_stay_what_they_are() -> None:
    module = torch.export.export(Called(lambda x: x.masked_fill(x > 0.5, 2.5)), (torch.rand(3, 5),)).module()
    before = str(module.graph)

    write_truth_values_as_numbers(module)

    assert str(module.graph) == before


class _OfIntegers(torch.Tensor):
    """A weight of integers and a scale, as packages for quantization have it: a class of its own."""

    @staticmethod
    def __new__(cls, numbers: torch.Tensor, scale: torch.Tensor) -> "_OfIntegers":
        return torch.Tensor._make_wrapper_subclass(cls, numbers.shape, dtype=torch.float32)

    def __init__(self, numbers: torch.Tensor, scale: torch.Tensor) -> None:
        self.numbers, self.scale = numbers, scale

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["numbers", "scale"], None

    @classmethod
    def __tensor_unflatten__(cls, inner: dict[str, torch.Tensor], *_: object) -> "_OfIntegers":
        return cls(inner["numbers"], inner["scale"])

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., object],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        if func is torch.nn.functional.linear:
            x, weight, bias = args
            return torch.nn.functional.linear(x, weight.numbers.to(torch.float32) * weight.scale, bias)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # PyTorch states it without the class
        cls, func: object, types: object, args: Any = (), kwargs: Any = None
    ) -> object:
        if func is torch.ops.aten.detach.default:
            return cls(args[0].numbers, args[0].scale)
        raise NotImplementedError(func)


class _Twice(torch.nn.Module):
    """A layer that is called twice, and what overwrites its result without a reader of its own."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(x)
        found.add_(1.0)
        return torch.relu(self.layer(found))


def test_weights_of_a_class_of_their_own_are_the_plain_tensors_in_them() -> None:
    shared = torch.nn.Linear(4, 4)
    numbers = torch.arange(16, dtype=torch.int8).view(4, 4)
    shared.weight = torch.nn.Parameter(_OfIntegers(numbers, torch.rand(4, 1)), requires_grad=False)
    model, x = _Twice(shared).eval(), torch.randn(1, 4)
    program = torch.export.export(model, (x,))

    module = module_of(program, "model")
    captured = capture(module, (x,), weights=True)

    assert "export::" not in str(captured.graph)
    assert all(type(tensor) in (torch.Tensor, torch.nn.Parameter) for tensor in module.state_dict().values())
    torch.testing.assert_close(captured.module._get_method("forward")(x), model(x))
