"""Quantization as exported programs write it: in ops of every PyTorch, with the same bits."""

from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.exported_quantization import Between, RoundedWeight, Steps, ops
from nnapi_check import check, convert
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import ElementType, PerChannel, PerTensor, TensorType
from nnapi_check.analyzer.judging.arithmetic import StandsFor, stands_for
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.analyzer.tensor_types import flat_tensors
from tests.analyzer.torch_models import Called, Function

SIGNED = Steps(0.031, -7, torch.int8)
UNSIGNED = Steps(0.047, 121)


def exported(module: torch.nn.Module, x: torch.Tensor, folder: Path) -> Path:
    torch.export.save(torch.export.export(module.eval(), (x,)), folder / "model.pt2")
    return folder / "model.pt2"


def outputs_of(function: Callable[..., object], x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return flat_tensors(function(x))


def kinds(captured: Captured) -> set[str]:
    return {node.kind() for node in captured.torch_graph.nodes()}


def rewritten_forward(captured: Captured) -> Callable[..., object]:
    """The captured program, as PyTorch runs it."""
    graph = captured.torch_graph.copy()
    function = torch._C._create_function_from_graph("forward", graph)
    return lambda *given: function(captured.module, *given)


@pytest.mark.parametrize("steps", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
def test_integers_between_two_conversions_are_a_quantized_tensor(tmp_path: Path, steps: Steps) -> None:
    path = exported(Between(torch.tanh, steps, UNSIGNED), torch.randn(2, 3), tmp_path)

    graph = capture(path, None, weights=False).graph

    assert [node.op for node in graph.nodes()] == [
        "aten.quantize_per_tensor.default",
        "aten.dequantize.self",
        "aten.tanh.default",
        "aten.quantize_per_tensor.default",
        "aten.dequantize.self",
    ]
    kind = graph.type_of(next(graph.nodes()).outputs[0])
    element = ElementType.QINT8 if steps is SIGNED else ElementType.QUINT8
    assert kind == TensorType(element, (2, 3), PerTensor(steps.single, steps.zero_point))


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(2.0**-20, 1e3, width=32),
    zero_point=st.integers(0, 255),
    is_signed=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_quantized_tensors_give_the_same_bits(scale: float, zero_point: int, is_signed: bool, seed: int) -> None:
    torch.manual_seed(seed)
    steps = Steps(scale, zero_point - 128, torch.int8) if is_signed else Steps(scale, zero_point)
    halves = (torch.randint(-300, 300, (40,)) + 0.5) * scale
    extremes = torch.tensor([2.0**30, -(2.0**30), 0.0, -0.0]) * scale
    x = torch.cat([torch.randn(40) * scale * 100, halves, extremes])

    captured = capture(Called(steps.rounded), [x], weights=True)

    assert "aten::quantize_per_tensor" in kinds(captured)
    assert torch.equal(cast("torch.Tensor", rewritten_forward(captured)(x)), steps.rounded(x))


def test_integers_that_something_else_reads_stay_integers(tmp_path: Path) -> None:
    def read(x: torch.Tensor) -> torch.Tensor:
        stored = SIGNED.quantize(x)
        return SIGNED.dequantize(stored) + (stored + 1)

    x = torch.randn(3, 5)
    captured = capture(Called(read), [x], weights=True)

    assert {"aten::dequantize", "aten::int_repr"} <= kinds(captured)
    assert torch.equal(cast("torch.Tensor", rewritten_forward(captured)(x)), read(x))


def test_a_scale_that_float32_does_not_hold_is_off_by_a_step_at_most() -> None:
    def rounded(x: torch.Tensor) -> torch.Tensor:
        stored = ops.quantize_per_tensor(x, 0.03, 5, 0, 255, torch.uint8)
        return cast("torch.Tensor", ops.dequantize_per_tensor(stored, 0.03, 5, 0, 255, torch.uint8))

    x = torch.randn(10000)
    captured = capture(Called(rounded), [x], weights=True)

    assert "aten::quantize_per_tensor" in kinds(captured)
    (found,) = outputs_of(rewritten_forward(captured), x)
    assert int((found != rounded(x)).sum()) <= 5
    torch.testing.assert_close(found, rounded(x), rtol=0, atol=0.0301)


class Overwritten(torch.nn.Module):
    """Integers that a run changes before it reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("stored", torch.randint(-50, 50, (3, 5), dtype=torch.int8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stored = cast("torch.Tensor", self.stored)
        stored[1:].add_(1)
        return x + SIGNED.dequantize(stored)


def test_integers_that_a_run_overwrites_are_read_in_the_run() -> None:
    x = torch.randn(3, 5)

    captured = capture(Overwritten().eval(), [x], weights=True)

    assert not any(getattr(value.type, "is_quantized", False) for value in captured.graph.values)


@pytest.mark.parametrize("scale", [nan, inf, -0.1, 1e-40, 0.0])
def test_a_scale_that_none_may_have_is_told(scale: float) -> None:
    module = Called(lambda x: ops.quantize_per_tensor(x, scale, 0, 0, 255, torch.uint8) + 1)

    with pytest.raises(
        InputError, match=rf"quantize_per_tensor has no meaning: its scale is {scale:g}, and .* between"
    ):
        capture(module, [torch.randn(3, 5)], weights=True)


def test_a_stored_scale_that_none_may_have_is_told(tmp_path: Path) -> None:
    module = RoundedWeight(torch.nn.Conv2d(3, 5, 2), per_channel=True)
    module.register_buffer("scales", torch.tensor([0.1, 0.2, nan, 0.1, 0.1]))
    path = exported(module, torch.randn(1, 3, 6, 7), tmp_path)

    with pytest.raises(InputError, match=r"dequantize_per_channel has no meaning: its scale is nan"):
        check(path, feature_level=3)


@pytest.mark.parametrize(("bias", "readiness"), [(1.0, "ready"), (1e6, "not worthwhile")])
def test_a_bias_that_overflows_is_seen_in_a_check(bias: float, readiness: str, tmp_path: Path) -> None:
    layer = RoundedWeight(torch.nn.Linear(5, 7))
    layer.bias = torch.full((7,), bias)
    path = exported(Between(layer, Steps(1e-4, 3), Steps(1e-2, 3)), torch.randn(3, 5), tmp_path)

    report = check(path, feature_level=3)

    assert report.readiness == readiness
    assert [blocker.op for blocker in report.blockers] == ["quantized.linear.default"] * (bias > 1)


def test_halves_are_computed_with() -> None:
    x = torch.randn(3, 5)

    captured = capture(Called(lambda given: SIGNED.rounded(given.half())), [x], weights=True)

    assert "aten::quantize_per_tensor" not in kinds(captured)
    assert torch.equal(outputs_of(rewritten_forward(captured), x)[0], SIGNED.rounded(x.half()))


def test_zero_points_that_no_integer_is_are_computed_with(tmp_path: Path) -> None:
    module = RoundedWeight(torch.nn.Conv2d(3, 5, 2), per_channel=True)
    module.register_buffer("zero_points", torch.full((5,), 500))
    x = torch.randn(1, 3, 6, 7)

    captured = capture(exported(module, x, tmp_path), None, weights=True)

    assert not any(getattr(value.type, "is_quantized", False) for value in captured.graph.values)
    assert torch.equal(outputs_of(rewritten_forward(captured), x)[0], module(x))


SOME = torch.tensor([0.03, 0.2, 0.011])
ZEROS = torch.tensor([3, -4, 0])

ARITHMETIC: dict[str, Function] = {
    "fewer steps": lambda x: ops.quantize_per_tensor(x, 0.03, 5, 0, 127, torch.uint8),
    "16 bits": lambda x: ops.quantize_per_tensor(x, 0.003, 5, -32768, 32767, torch.int16),
    "other parameters": lambda x: ops.dequantize_per_tensor(
        ops.quantize_per_tensor(x, 0.03, 5, 0, 255, torch.uint8), 0.04, 5, 0, 255, torch.uint8
    ),
    "half precision": lambda x: ops.dequantize_per_tensor(SIGNED.quantize(x), *SIGNED.numbers, out_dtype=torch.float16),
    "tensors for parameters": lambda x: ops.dequantize_per_tensor.tensor(
        ops.quantize_per_tensor.tensor(x, x.abs().max(), torch.tensor(4), -128, 127, torch.int8),
        x.abs().max(),
        torch.tensor(4),
        -128,
        127,
        torch.int8,
    ),
    "for each channel": lambda x: ops.dequantize_per_channel(
        ops.quantize_per_channel(x, SOME, ZEROS, 1, -128, 127, torch.int8), SOME, ZEROS, 1, -128, 127, torch.int8
    ),
    "for each channel around 0": lambda x: ops.dequantize_per_channel(
        ops.quantize_per_channel(x, SOME, ZEROS, 1, -128, 127, torch.int8), SOME, None, 1, -128, 127, torch.int8
    ),
    "chosen": lambda x: ops.choose_qparams.tensor(x, -128, 127, 2.0**-12, torch.int8),
    "chosen around 0": lambda x: ops.choose_qparams_symmetric.tensor(x, -128, 127, 2.0**-12, torch.int8),
    "chosen around 128": lambda x: ops.choose_qparams_symmetric.tensor(x, 0, 255, 2.0**-12, torch.uint8),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_what_no_quantized_tensor_holds_is_the_same_arithmetic(name: str) -> None:
    function = ARITHMETIC[name]
    captured = capture(Called(function), [torch.randn(2, 3, 4)], weights=True)

    assert not any(kind.startswith("quantized_decomposed") for kind in kinds(captured))
    for factor in (1.0, 1e-6, 30.0):
        x = torch.randn(2, 3, 4) * factor
        found, wanted = outputs_of(rewritten_forward(captured), x), outputs_of(function, x)
        assert [item.dtype for item in found] == [item.dtype for item in wanted]
        assert all(map(torch.equal, found, wanted))


OTHER_STEPS: dict[str, tuple[float, int, int, int, torch.dtype]] = {
    "16 bits": (1e-4, 5, -32768, 32767, torch.int16),
    "16 bits without a sign": (2e-4, 30000, 0, 65535, torch.uint16),
    "7 bits": (0.03, 60, 0, 127, torch.uint8),
    "around zero": (0.03, 0, -127, 127, torch.int8),
    "a zero point beyond 8 bits": (0.03, 300, 0, 255, torch.uint8),
}


@pytest.mark.parametrize("name", OTHER_STEPS)
def test_steps_that_nnapi_does_not_store_are_rounded_to_in_floats(name: str, tmp_path: Path) -> None:
    numbers = OTHER_STEPS[name]
    layer = RoundedWeight(torch.nn.Linear(5, 7))

    def rounded(x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = ops.dequantize_per_tensor(ops.quantize_per_tensor(x, *numbers), *numbers)
        return found

    module = Called(lambda x: rounded(layer(rounded(x))))
    module.layer = layer
    given = [torch.randn(3, 5) * size for size in (1.0, 30.0, 1e-6)]

    captured = capture(module, given[:1], weights=True)
    report = convert(module, tmp_path / "made.pt", given[:1], feature_level=3)

    assert not any(kind.startswith("quantized_decomposed") for kind in kinds(captured))
    for x in given:
        assert torch.equal(cast("torch.Tensor", rewritten_forward(captured)(x)), module(x))
    assert (report.readiness, report.blockers) == ("ready", ())
    assert [cause.reason for cause in report.in_floats] == ["NNC504"]
    assert report.verification is not None
    assert report.verification.is_within_tolerance


@pytest.mark.parametrize("name", ["tensors for parameters", "for each channel", "for each channel around 0"])
def test_what_a_layer_reads_is_known_to_be_rounded_in_another_way(name: str) -> None:
    module = Called(lambda x: layer(ARITHMETIC[name](x)))
    module.layer = layer = RoundedWeight(torch.nn.Linear(4, 7))

    graph = capture(module, [torch.randn(2, 3, 4)], weights=False).graph

    (node,) = (node for node in graph.nodes() if node.op == "aten.linear.default")
    assert stands_for(node, Uses(graph)) is StandsFor.ROUNDED


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("folded", [False, True])
def test_stored_integers_are_a_quantized_tensor(tmp_path: Path, per_channel: bool, folded: bool) -> None:
    module = RoundedWeight(torch.nn.Conv2d(3, 5, 2), per_channel=per_channel, folded=folded)
    x = torch.randn(1, 3, 6, 7)
    captured = capture(exported(module, x, tmp_path), None, weights=True)

    stored = next(value for value in captured.graph.values if getattr(value.type, "is_quantized", False))
    assert isinstance(stored.type, TensorType)
    assert stored.type.dtype is ElementType.QINT8
    assert isinstance(stored.type.quant, PerChannel if per_channel else PerTensor)
    assert all(map(torch.equal, outputs_of(rewritten_forward(captured), x), outputs_of(module, x)))


def test_package_of_a_quantized_program_gives_the_same_bits_without_nnapi_and_is_as_small(tmp_path: Path) -> None:
    torch.manual_seed(3)
    first = RoundedWeight(torch.nn.Conv2d(3, 64, 3, padding=1), per_channel=True)
    second = RoundedWeight(torch.nn.Conv2d(64, 64, 3, padding=1, bias=False))

    def network(x: torch.Tensor) -> torch.Tensor:
        hidden = UNSIGNED.rounded(torch.relu(first(SIGNED.rounded(x))))
        return SIGNED.rounded(second(hidden))

    module = Called(network)
    module.first, module.second = first, second
    x = torch.randn(1, 3, 9, 11)
    path = exported(module, x, tmp_path)

    report = convert(path, tmp_path / "made.pt", feature_level=3)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    load: Callable[[str], torch.jit.ScriptModule] = torch.jit.load
    package = load(str(tmp_path / "made.pt"))
    package.use_cpu()
    for factor in (0.1, 1.0, 20.0):
        assert torch.equal(package(x * factor), module(x * factor))
    names: Callable[[torch.jit.ScriptModule], list[str]] = torch.jit.export_opnames
    assert {name.partition("::")[0] for name in names(package)} <= {"aten", "prim"}
    assert (tmp_path / "made.pt").stat().st_size < 1.2 * path.stat().st_size


def test_check_of_a_quantized_program_names_no_op_that_phones_lack(tmp_path: Path) -> None:
    path = exported(Between(torch.tanh, UNSIGNED, SIGNED), torch.randn(2, 3), tmp_path)

    report = check(path, feature_level=3)

    assert not any("decomposed" in node.op for node in report.nodes)
    assert report.blockers == ()
