"""Names in the user's module hide nothing of a package, and take the place of nothing."""

import pytest
import torch
from torch import nn

from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.package_source import OwnNames
from nnapi_check.lowering.packaging.saving import Form
from nnapi_check.lowering.packaging.script_modules import add_attribute, define, named_type, new_module, wrapped
from tests.lowering.hand_made_parts import elementwise_part, nodes_of, packaged, random_tensor
from tests.lowering.running_packages import FORMS, Reopen, captured_module, runs_in_nnapi

OURS = OwnNames()
TAKEN = [OURS.forward, OURS.prepare, OURS.buffers, OURS.computed, OURS.part(0), OURS.constant(0)]


class Difference(nn.Module):
    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        copies = []
        for tensor in tensors:
            copies.append(tensor.clone())
        return torch.relu(copies[0]) - copies[1]


@FORMS
def test_inputs_that_the_trace_calls_alike_are_told_apart(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    inputs = random_tensor(2, 3), random_tensor(2, 3, seed=1)
    captured = captured_module(Difference(), *inputs)
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))), form)

    found, executions = runs_in_nnapi(nnapi, artifact, *inputs)
    artifact.use_cpu()

    assert executions == 1
    torch.testing.assert_close(found, Difference()(*inputs))
    torch.testing.assert_close(artifact.run(*inputs), Difference()(*inputs))


class Holding(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        # More than a package leaves in its code, so that it becomes an attribute.
        self.register_buffer(name, torch.arange(300.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held: torch.Tensor = getattr(self, self.name)
        return torch.relu(x) * held + torch.arange(300.0).cos()


@pytest.mark.parametrize("name", [*TAKEN, "model", "compilation", "lambda", "a b", "serialized", "nnapi_ready"])
def test_attribute_called_as_one_of_a_package_is_kept_beside_it(name: str, nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 300)
    captured = captured_module(Holding(name), x)
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))))

    found, executions = runs_in_nnapi(nnapi, artifact, x)
    artifact.use_cpu()

    assert executions == 1
    torch.testing.assert_close(found, Holding(name)(x))
    torch.testing.assert_close(artifact.run(x), Holding(name)(x))


@pytest.mark.parametrize("name", ["bool", "inf", "print", "List", "Tensor", "a0", "model", "y0", "fork", "annotate"])
def test_argument_called_as_what_source_of_a_package_names_is_passed_on(
    name: str, nnapi: HostRuntime, reopen: Reopen
) -> None:
    module = new_module("Named")
    add_attribute(module, "training", named_type("bool"), False)
    define(module, f"def forward(self, x, {name}):\n    return torch.relu(x) - {name}\n")
    inputs = random_tensor(2, 3), random_tensor(2, 3, seed=1)
    captured = captured_module(wrapped(module), *inputs)
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "relu"))))

    found, executions = runs_in_nnapi(nnapi, artifact, *inputs)

    assert executions == 1
    torch.testing.assert_close(found, torch.relu(inputs[0]) - inputs[1])
