"""Parts fit into TorchScript that the captured graph does not show: lists, decided conditions, packed weights."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import ElementType, Ref
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.package import Package, PackagedPart
from nnapi_check.lowering.packaging.saving import Form
from tests.lowering.hand_made_parts import (
    argument_weight,
    elementwise_part,
    nodes_of,
    packaged,
    random_tensor,
)
from tests.lowering.running_packages import FORMS, Reopen, captured_module, runs_in_nnapi


def with_buffers(part: PackagedPart, buffers: tuple[Recipe, ...]) -> PackagedPart:
    """The part with other buffers, which nothing runs with."""
    return replace(part, buffers=buffers)


def argument_values(captured: Captured, nodes: list[int]) -> list[int]:
    """The values that stand second in calls of these nodes."""
    found = [node.arguments["other"] for node in captured.graph.nodes() if node.id in nodes]
    return [argument.value for argument in found if isinstance(argument, Ref)]


def code_of(package: Package) -> str:
    """The TorchScript of the method that runs the parts."""
    code = package.module.model.nnapi_forward.code
    assert isinstance(code, str)
    return code


class Chunks(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = torch.chunk(torch.relu(x), 2, 1)
        return torch.cumsum(torch.cat([torch.tanh(a), torch.relu(b), a], 1), 1)


class Growing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [x]
        for _ in range(3):
            features.append(torch.relu(torch.cat(features, 1)))
        result = torch.tanh(torch.cat(features, 1)) if x.size(1) == 6 else torch.cat(features, 1)
        return torch.cumsum(result, 1)


class Checked(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(x)
        if y.dim() != 2:
            raise ValueError("a matrix is wanted")
        return torch.tanh(y)


class Listed(nn.Module):
    def forward(self, xs: list[torch.Tensor], scale: float = 2.0) -> torch.Tensor:
        return torch.cumsum((torch.relu(xs[0]) + torch.tanh(xs[1])) * scale, 1)


class Kept(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        kept: list[torch.Tensor] = []
        y = torch.relu(x)
        kept.append(y)
        y = torch.tanh(y)
        kept.append(y)
        return torch.cumsum(y, 1), kept


class Masked(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros_like(x)
        mask[:, 1:4] = 1.0
        mask[1] += 0.5
        return torch.relu(x) * mask


class Formed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = torch.chunk(torch.relu(x), 2, 1)
        ones = torch.ones([b.size(0), b.numel()], dtype=b.dtype, device=b.device)
        return torch.cat([torch.cumsum(torch.tanh(a), b.dim() - 1), ones], 1)


def test_form_of_a_value_inside_a_part_is_known_without_it(nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 6)
    captured = captured_module(torch.jit.script(Formed().eval()), x)
    package = packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "chunk", "tanh")))

    found, executions = runs_in_nnapi(nnapi, reopen(package), x)

    assert executions == 1
    torch.testing.assert_close(found, Formed()(x))
    assert package.recomputed == ()
    assert "chunk" not in code_of(package)


@FORMS
def test_lists_inside_a_part(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 6)
    captured = captured_module(Chunks(), x)
    package = packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "chunk", "tanh", "cat")))

    found, executions = runs_in_nnapi(nnapi, reopen(package, form), x)

    assert executions == 1
    torch.testing.assert_close(found, Chunks()(x))
    assert package.recomputed == ()
    assert "chunk" not in code_of(package)


@FORMS
def test_part_ends_in_the_middle_of_a_list(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 6)
    captured = captured_module(Chunks(), x)
    nodes = nodes_of(captured, "relu", "chunk", "cat")
    parts = [elementwise_part(captured, nodes[:2]), elementwise_part(captured, nodes[2:])]
    package = packaged(captured, *parts)

    found, executions = runs_in_nnapi(nnapi, reopen(package, form), x)

    assert executions == 2
    torch.testing.assert_close(found, Chunks()(x))
    assert "chunk" not in code_of(package)


@FORMS
def test_list_that_grows_in_a_loop_and_a_decided_branch(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 6)
    module = torch.jit.script(Growing().eval())
    captured = captured_module(module, x)
    package = packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh", "cat")))

    found, executions = runs_in_nnapi(nnapi, reopen(package, form), x)

    assert executions == 1
    torch.testing.assert_close(found, Growing()(x))
    assert package.recomputed == ()
    assert "relu" not in code_of(package)


def test_other_branch_is_taken_on_the_cpu(nnapi: HostRuntime, reopen: Reopen) -> None:
    captured = captured_module(torch.jit.script(Growing().eval()), random_tensor(2, 6))
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh", "cat"))))
    x = random_tensor(2, 5)

    found, executions = runs_in_nnapi(nnapi, artifact, x)

    assert executions == 0
    torch.testing.assert_close(found, Growing()(x))


def test_check_of_a_value_inside_a_part_is_gone(nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 3)
    captured = captured_module(torch.jit.script(Checked().eval()), x)
    package = packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh")))

    found, executions = runs_in_nnapi(nnapi, reopen(package), x)

    assert executions == 1
    torch.testing.assert_close(found, Checked()(x))
    assert "raise" not in code_of(package).lower()


@FORMS
def test_list_of_inputs(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    xs = [random_tensor(2, 3), random_tensor(2, 3, seed=1)]
    captured = captured_module(torch.jit.script(Listed().eval()), *xs)
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh", "add"))), form)
    before = nnapi.executions

    found = artifact.run(xs, 2.0)
    other_number = artifact.run(xs, 3.0)
    other_length = artifact.run([*xs, xs[0]], 2.0)

    assert nnapi.executions - before == 1
    torch.testing.assert_close(found, Listed()(xs))
    torch.testing.assert_close(other_number, Listed()(xs, 3.0))
    torch.testing.assert_close(other_length, Listed()(xs))


@FORMS
def test_bundled_list_of_inputs_comes_back(form: Form, reopen: Reopen) -> None:
    xs = [random_tensor(20, 30), random_tensor(20, 30, seed=1)]
    captured = captured_module(torch.jit.script(Listed().eval()), *xs)
    part = elementwise_part(captured, nodes_of(captured, "relu"))
    artifact = reopen(packaged(captured, part, bundled_inputs=((xs, 2.0),)), form)

    torch.testing.assert_close(artifact.method("get_all_bundled_inputs")(), [(xs, 2.0)])


@FORMS
def test_list_that_is_returned_holds_what_nnapi_computed(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 3)
    captured = captured_module(torch.jit.script(Kept().eval()), x)
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu", "tanh"))), form)

    found, executions = runs_in_nnapi(nnapi, artifact, x)

    assert executions == 1
    torch.testing.assert_close(found, Kept()(x))


@FORMS
def test_constant_that_is_written_in_place_is_right(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 6)
    captured = captured_module(Masked(), x)
    products = nodes_of(captured, "mul")
    assert all(captured.graph.values[value].is_constant for value in argument_values(captured, products))
    artifact = reopen(packaged(captured, elementwise_part(captured, [*nodes_of(captured, "relu"), *products])), form)

    found, executions = runs_in_nnapi(nnapi, artifact, x)

    assert executions == 1
    torch.testing.assert_close(found, Masked()(x))


@FORMS
def test_quantized_tensors_cross_as_they_are(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    class Quantized(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.dequantize(torch.relu(torch.quantize_per_tensor(x, 0.05, 128, torch.quint8)))

    x = random_tensor(1, 3, 7, 9)
    captured = captured_module(Quantized(), x)
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))), form)

    found, executions = runs_in_nnapi(nnapi, artifact, x)

    assert executions == 1
    torch.testing.assert_close(found, Quantized()(x), rtol=0, atol=0)


@FORMS
def test_packed_weight_and_bias_are_unpacked_on_the_device(form: Form, reopen: Reopen) -> None:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "qnnpack"
    try:
        make: Callable[..., Any] = torch.ao.nn.quantized.Conv2d
        quantize: Callable[..., nn.Module] = torch.ao.nn.quantized.Quantize
        convolution = make(3, 5, (3, 2))
        weight = torch.quantize_per_tensor(random_tensor(5, 3, 3, 2), 0.02, 0, torch.qint8)
        bias = random_tensor(5)
        convolution.set_weight_bias(weight, bias)
        module = nn.Sequential(quantize(0.05, 128, torch.quint8), convolution, nn.ReLU())
        captured = captured_module(module, random_tensor(1, 3, 7, 9))
        (node,) = (node for node in captured.graph.nodes() if node.op.startswith("quantized.conv2d"))
        recipes: tuple[Recipe, ...] = (
            argument_weight(captured, node, "weight").quantized_storage().permute(0, 2, 3, 1),
            argument_weight(captured, node, "bias").quantized_bias(0.001),
        )
        part = elementwise_part(captured, nodes_of(captured, "relu"))
        artifact = reopen(packaged(captured, with_buffers(part, recipes)), form)
    finally:
        torch.backends.quantized.engine = before

    filters, biases = artifact.parts[0].buffers

    assert recipes[0].dtype is ElementType.UINT8
    torch.testing.assert_close(
        filters, (weight.int_repr().int() + 128).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    )
    torch.testing.assert_close(biases, (bias.double() / 0.001).round().int())
