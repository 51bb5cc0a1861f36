"""Every fixup keeps the result: models are run in the interpreter with it and without it."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering import part_lowering as engine
from nnapi_check.lowering.part_lowering import LoweredPart
from tests.lowering.whole_graphs import Function, runs

FIXUPS = ("merge_reshapes", "sink_reshapes", "fold_affine", "fuse_activation")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def stirred(module: nn.Module) -> nn.Module:
    """The module with batch norms that change what passes them."""
    torch.manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(part.weight, 0.5, 2.0)
            nn.init.uniform_(part.bias, -1.0, 1.0)
            assert part.running_mean is not None
            assert part.running_var is not None
            nn.init.uniform_(part.running_mean, -1.0, 1.0)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    return module.eval()


class Reused(nn.Module):
    """A convolution whose output is read twice, so that nothing may move into it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, (3, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.conv(x)
        found: torch.Tensor = torch.relu(made) + made
        return found


class Scaled(nn.Module):
    """A convolution times a number for each row: not one for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, (3, 2))
        self.rows = nn.Parameter(torch.tensor([[1.0], [2.0], [0.5], [3.0], [0.25]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(x) * self.rows
        return found


class TwoOutputs(nn.Module):
    """A convolution whose output is an output of the model, with its activation beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, (3, 2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = self.conv(x)
        return made, torch.relu(made)


IMAGE = (1, 3, 7, 9)
MODELS: dict[str, tuple[Callable[[], Function], tuple[int, ...]]] = {
    "conv, batch norm, relu6": (
        lambda: stirred(nn.Sequential(nn.Conv2d(3, 5, (3, 2)), nn.BatchNorm2d(5), nn.ReLU6())),
        IMAGE,
    ),
    "depthwise, batch norm, relu": (
        lambda: stirred(nn.Sequential(nn.Conv2d(3, 6, (3, 2), groups=3, bias=False), nn.BatchNorm2d(6), nn.ReLU())),
        IMAGE,
    ),
    "volumes": (
        lambda: stirred(
            nn.Sequential(
                nn.Conv3d(3, 5, (2, 3, 2)), nn.BatchNorm3d(5), nn.ReLU(), nn.Conv3d(5, 4, (1, 2, 3)), nn.BatchNorm3d(4)
            )
        ),
        (2, 3, 4, 6, 7),
    ),
    "linear, batch norm, relu": (
        lambda: stirred(nn.Sequential(nn.Linear(9, 5), nn.BatchNorm1d(5), nn.ReLU())),
        (7, 9),
    ),
    "linear, batch norm of rows": (
        # One number for all, of a higher rank than the product has.
        lambda: stirred(nn.Sequential(nn.Linear(7, 9), nn.BatchNorm2d(1))),
        (1, 1, 1, 7),
    ),
    "conv, relu, batch norm": (
        lambda: stirred(nn.Sequential(nn.Conv2d(3, 5, (3, 2)), nn.ReLU(), nn.BatchNorm2d(5))),
        IMAGE,
    ),
    "two activations": (lambda: nn.Sequential(nn.Conv2d(3, 5, (3, 2)), nn.ReLU(), nn.ReLU6()).eval(), IMAGE),
    "output read twice": (lambda: Reused().eval(), IMAGE),
    "scale for each row": (lambda: Scaled().eval(), IMAGE),
    "output of the model": (lambda: TwoOutputs().eval(), IMAGE),
    "pool, relu": (lambda: nn.Sequential(nn.AvgPool2d((3, 2)), nn.ReLU()).eval(), IMAGE),
    "sum, relu": (lambda: lambda x: torch.relu(x + x * 2), IMAGE),
    "two reshapes": (lambda: lambda x: torch.relu(x.reshape(3, 63).reshape(9, 21)), IMAGE),
    "reshape read twice": (lambda: lambda x: x.reshape(3, 63).reshape(9, 21).sum(0) + x.reshape(3, 63).sum(), IMAGE),
    "flatten after a convolution": (
        lambda: nn.Sequential(nn.Conv2d(3, 5, (3, 2)), nn.Flatten(), nn.Linear(200, 4)).eval(),
        IMAGE,
    ),
    "activation alone": (lambda: torch.relu, IMAGE),
}


def lowered(name: str, registry: Registry) -> LoweredPart:
    """A model lowered at the level 4; what it computes was compared with PyTorch on the way."""
    make, shape = MODELS[name]
    torch.manual_seed(7)
    run = runs(make(), [torch.rand(shape) * 4 - 2], registry)[4]
    assert run.differences == ()
    return run.lowered


def kinds(part: LoweredPart) -> list[str]:
    return [operation.kind for operation in part.model.operations]


@pytest.mark.parametrize("name", MODELS)
def test_model_computes_the_same_with_every_fixup_left_out(
    name: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_all = lowered(name, registry)

    for fixup in FIXUPS:
        with monkeypatch.context() as patch:
            patch.setattr(engine, fixup, lambda *_: None)
            assert len(kinds(lowered(name, registry))) >= len(kinds(with_all))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv, batch norm, relu6", ["CONV_2D"]),
        ("depthwise, batch norm, relu", ["DEPTHWISE_CONV_2D"]),
        ("linear, batch norm, relu", ["FULLY_CONNECTED"]),
        ("volumes", ["STRIDED_SLICE", "STRIDED_SLICE", "CONCATENATION", "RESHAPE", "CONV_2D", "CONV_2D", "RESHAPE"]),
        ("pool, relu", ["AVERAGE_POOL_2D"]),
        ("activation alone", ["RELU"]),
    ],
)
def test_what_can_move_moves(name: str, expected: list[str], registry: Registry) -> None:
    assert kinds(lowered(name, registry)) == expected


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("output read twice", {"CONV_2D", "RELU", "ADD"}),
        ("output of the model", {"CONV_2D", "RELU"}),
        ("scale for each row", {"CONV_2D", "MUL"}),
        ("two activations", {"CONV_2D", "RELU6"}),
    ],
)
def test_what_may_not_move_stays(name: str, kept: set[str], registry: Registry) -> None:
    assert kept <= set(kinds(lowered(name, registry)))


def test_affine_after_an_activation_is_not_folded_into_what_stands_before_it(registry: Registry) -> None:
    assert "MUL" in kinds(lowered("conv, relu, batch norm", registry))


def test_chain_of_reshapes_becomes_one(registry: Registry) -> None:
    assert kinds(lowered("two reshapes", registry)).count("RESHAPE") == 1
