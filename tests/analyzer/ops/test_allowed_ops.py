"""Which ops may be called while a model is captured, and how much they may make."""

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.op_calls import listed, sweep
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError, OpError, TooLargeError
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.analyzer.ops.allowed_ops import FILE_OPS, may_be_called
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls, Bounds
from nnapi_check.analyzer.ops.calls import call, evaluate, operation_of
from nnapi_check.analyzer.tensor_types import tensor_type
from nnapi_check.analyzer.torchscript import load
from tests.analyzer.torch_models import node_of, ops, scripted_file
from tests.torch_releases import since

ROOM = Bounds(1 << 20, 1 << 22)
SPEC = [parse_input_spec("f32[2,3]")]


@pytest.mark.parametrize(
    ("name", "overload"),
    [
        ("aten::add", "Tensor"),
        ("aten::add", "int"),
        ("aten::view", ""),
        ("quantized::add", ""),
        ("prim::NumToTensor", "Scalar"),
    ],
)
def test_ops_that_compute_from_their_arguments_may_be_called(name: str, overload: str) -> None:
    assert may_be_called(name, overload)


@pytest.mark.parametrize(
    ("name", "overload"),
    [
        *((name, "") for name in sorted(FILE_OPS)),
        ("prim::PythonOp", ""),
        ("prim::tolist", ""),
        ("aten::set_", "source_Tensor"),
        ("aten::resize_", ""),
        ("aten::mul", "left_t"),
        ("aten::manual_seed", ""),
        ("aten::convolution_backward", ""),
        ("c10d::broadcast_", ""),
        ("my_library::op", ""),
    ],
)
def test_no_other_op_may_be_called(name: str, overload: str) -> None:
    assert not may_be_called(name, overload)


def test_no_op_ends_the_process_or_writes_a_file() -> None:
    texts = listed()
    sample = random.Random(8).sample(texts, 30)
    known = [text for text in texts if text.startswith(("prim::PythonOp", "prim::tolist", "aten::from_file("))]

    assert list(sweep([*known, *sample], seconds=20)) == []


class WritesFile(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) + torch.from_file("written", True, 4).sum()


def test_a_file_that_writes_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scripted_file(tmp_path, WritesFile())
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError, match="calls aten::from_file"):
        capture(path, SPEC, weights=True)
    capture(load(str(path)), SPEC, weights=False)

    assert not Path("written").exists()


class LongList(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) + len([1] * (200 * 1000000))


def test_a_list_that_freezing_would_make_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="makes a list of 200,000,000 elements before it is run"):
        capture(scripted_file(tmp_path, LongList()), SPEC, weights=False)


class LargeConstant(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.ones(300000, 100000).sum()


def test_a_constant_that_no_memory_holds_is_typed_and_left_to_the_run(tmp_path: Path) -> None:
    captured = capture(scripted_file(tmp_path, LargeConstant()), SPEC, weights=True)

    made = node_of(captured, "aten.ones.default")
    assert not captured.graph.values[made.outputs[0]].is_constant
    assert ops(captured) == ["aten.ones.default", "aten.sum.default", "aten.add.Tensor"]


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ("aten::ones(int[] size, *, int? dtype=None, int? layout=None, Device? device=None, bool? pin_memory=None) "
         "-> Tensor", [[4096, 4096]]),
        ("aten::arange(Scalar end, *, int? dtype=None, int? layout=None, Device? device=None, bool? pin_memory=None) "
         "-> Tensor", [1e9]),
        ("aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
         [torch.rand(5000, 1), torch.rand(5000)]),
        ("aten::bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor",
         [torch.tensor([1, 10**9]), None, 0]),
        ("aten::repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor",
         [torch.tensor([10**9, 1])]),
        ("aten::one_hot(Tensor self, int num_classes=-1) -> Tensor", [torch.tensor([10**9]), -1]),
    ],
)  # fmt: skip
def test_an_op_is_refused_before_it_makes_too_many_elements(schema: str, arguments: list[object]) -> None:
    with pytest.raises(TooLargeError):
        call(operation_of(schema), arguments, BoundedCalls(Bounds(1 << 20, 1 << 22)))


def test_what_all_calls_make_together_is_bounded() -> None:
    schema = "aten::neg(Tensor self) -> Tensor"
    calls, x = BoundedCalls(Bounds(1 << 10, 1 << 12)), torch.rand(1 << 10)

    for _ in range(2):
        call(operation_of(schema), [x], calls)

    with pytest.raises(TooLargeError):
        call(operation_of(schema), [x], calls)


NORMALIZES = (
    "aten::native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
    "bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)"
)


def test_a_normalization_by_its_own_statistics_is_computed() -> None:
    x = torch.randn(2, 3, 5)

    found = call(operation_of(NORMALIZES), [x, None, None, None, None, True, 0.0, 1e-5], BoundedCalls(ROOM))

    assert isinstance(found, tuple)
    torch.testing.assert_close(found[0], torch.nn.functional.batch_norm(x, None, None, training=True))


@pytest.mark.parametrize(
    ("given", "training"),
    [
        ((None, None, None, None), False),
        ((torch.ones(2), None, None, None), True),
        ((None, torch.ones(1, 3), None, None), True),
        ((None, None, torch.zeros(2), torch.ones(3)), False),
        ((None, None, torch.zeros(2), torch.ones(2)), True),
    ],
)
def test_a_kernel_that_trusts_its_arguments_is_given_none_too_short(
    given: tuple[torch.Tensor | None, ...], training: bool
) -> None:
    with pytest.raises(OpError, match="a number for each channel"):
        call(operation_of(NORMALIZES), [torch.randn(2, 3, 5), *given, training, 0.0, 1e-5], BoundedCalls(ROOM))


@since("2.13", "the kernel says what it refuses")
def test_what_a_kernel_refuses_is_an_error_of_the_op() -> None:
    schema = "prims::squeeze(Tensor(a) a, int[] dimensions) -> Tensor(a)"

    with pytest.raises(OpError, match="out of bounds"):
        call(operation_of(schema), [torch.empty(2, 3, device="meta"), [2]])


def test_an_op_of_somebodys_own_library_is_typed_but_never_computed() -> None:
    library = torch.library.Library("nnapi_check_own", "FRAGMENT")  # type: ignore[no-untyped-call]  # it has no types
    library.define("triple(Tensor x) -> Tensor")  # type: ignore[no-untyped-call]  # as above
    library.impl("triple", _demand_no_elements, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]  # as above
    library.impl("triple", torch.empty_like, "Meta")  # type: ignore[no-untyped-call]  # as above
    operation = operation_of("nnapi_check_own::triple(Tensor x) -> Tensor")
    x = torch.rand(2, 3)

    found = evaluate(operation, [Draft(torch._C.Graph().addInput(), tensor_type(x), x, None, is_constant=True)])

    assert isinstance(found, torch.Tensor)
    assert (found.is_meta, found.shape) == (True, (2, 3))
    with pytest.raises(OpError, match="not called before a run"):
        call(operation, [x], BoundedCalls(Bounds(1 << 10, 1 << 12)))


def _demand_no_elements(_x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("it is computed")
