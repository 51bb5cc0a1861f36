"""Every fixup keeps the result: models are run in the interpreter with it and without it."""

from collections.abc import Callable
from random import Random

import pytest
import torch
from torch import nn

from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering import part_lowering as engine
from nnapi_check.lowering.part_lowering import LoweredPart
from tests.lowering.whole_graphs import Function, runs

FIXUPS = (
    "turn_products",
    "merge_reshapes",
    "share_moves",
    "merge_transposes",
    "sink_reshapes",
    "fold_affine",
    "fuse_activation",
)


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


class Heads(nn.Module):
    """Self-attention as window attention writes it: queries, keys and values of one product, in rank 5."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.qkv(x).reshape(5, 3, 3, 2, 4).permute(2, 0, 3, 1, 4)
        q, k, v = made[0], made[1], made[2]
        found: torch.Tensor = torch.softmax(q @ k.transpose(-2, -1), -1) @ v
        return found


class PackedHeads(Heads):
    """The same as PyTorch's own module writes it, for one sequence."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.qkv(x.transpose(0, 1)).unflatten(-1, (3, 8)).unsqueeze(0).transpose(0, -2).squeeze(-2)
        q, k, v = (rows[place].reshape(5, 2, 4).transpose(0, 1) for place in range(3))
        found: torch.Tensor = torch.softmax(q @ k.transpose(-2, -1), -1) @ v
        return found


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
    "two permutations": (lambda: lambda x: torch.relu(x).permute(0, 2, 1, 3).permute(2, 0, 3, 1), IMAGE),
    "permutations that undo each other": (
        lambda: lambda x: torch.relu(x).permute(0, 2, 3, 1).reshape(63, 3).permute(1, 0).exp(),
        IMAGE,
    ),
    "permutations around a reshape": (
        lambda: lambda x: torch.relu(x).permute(0, 2, 1, 3).reshape(7, 27).permute(1, 0).exp(),
        IMAGE,
    ),
    "permutations around another reshape": (
        lambda: lambda x: torch.relu(x).permute(0, 2, 1, 3).reshape(9, 21).permute(1, 0),
        IMAGE,
    ),
    "permutation read twice": (
        lambda: lambda x: torch.relu(x).permute(0, 2, 1, 3).permute(2, 0, 3, 1) * x.permute(0, 2, 1, 3).sum(),
        IMAGE,
    ),
    "permutation read beside others that undo each other": (
        lambda: (
            lambda x: (
                (t := torch.relu(x).permute(0, 2, 1, 3)).exp(),
                t.permute(0, 1, 3, 2).permute(0, 1, 3, 2).reshape(21, 9).permute(1, 0).exp(),
            )
        ),
        IMAGE,
    ),
    "permutation read beside one of dimensions of 1": (
        lambda: (
            lambda x: (
                (t := torch.relu(x).permute(0, 2, 1, 3)).exp(),
                t.permute(1, 0, 2, 3).permute(2, 0, 1, 3).exp(),
            )
        ),
        IMAGE,
    ),
    "permuted pieces": (
        lambda: lambda x: torch.cat([y.permute(0, 2, 1).exp() for y in torch.relu(x).chunk(3, -1)]),
        (2, 4, 6),
    ),
    "pieces permuted otherwise": (
        lambda: (
            lambda x: (torch.relu(x).chunk(2, -1)[0].permute(0, 2, 1), torch.relu(x).chunk(2, -1)[1].permute(1, 2, 0))
        ),
        (2, 4, 6),
    ),
    "queries, keys and values": (lambda: Heads().eval(), (5, 3, 8)),
    "packed queries, keys and values": (lambda: PackedHeads().eval(), (1, 5, 8)),
    "overlapping pieces": (
        lambda: lambda x: torch.cat([torch.relu(x)[:, :, i : i + 3].permute(0, 2, 1).exp() for i in (0, 2)]),
        (2, 4, 5),
    ),
    "pieces in another order": (
        lambda: lambda x: torch.cat([y.permute(0, 2, 1).exp() for y in (x[:, :, 3:], x[:, :, :3])]),
        (2, 4, 6),
    ),
    "piece read as it is": (lambda: lambda x: x[:, :, 3:].permute(0, 2, 1) + x[:, :, :3].reshape(2, 3, 4), (2, 4, 6)),
    "dimensions of 1 permuted": (lambda: lambda x: torch.relu(x).permute(1, 0, 2, 3).exp(), IMAGE),
    "turned factors": (
        lambda: lambda x: torch.relu(x).transpose(-2, -1) @ torch.exp(x).reshape(3, 9, 7).transpose(-2, -1),
        (3, 7, 9),
    ),
}


def lowered(name: str, registry: Registry, level: int = 4) -> LoweredPart:
    """A model lowered at a level; what it computes was compared with PyTorch on the way."""
    make, shape = MODELS[name]
    torch.manual_seed(7)
    run = runs(make(), [torch.rand(shape) * 4 - 2], registry)[level]
    assert run.differences == ()
    return run.lowered


def kinds(part: LoweredPart) -> list[str]:
    return [operation.kind for operation in part.model.operations]


@pytest.mark.parametrize("level", [4, 6])
@pytest.mark.parametrize("name", MODELS)
def test_model_computes_the_same_with_every_fixup_left_out(
    name: str, level: int, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_all = lowered(name, registry, level)

    for fixup in FIXUPS:
        with monkeypatch.context() as patch:
            patch.setattr(engine, fixup, lambda *_: None)
            assert len(kinds(lowered(name, registry, level))) >= len(kinds(with_all))


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


@pytest.mark.parametrize(
    ("name", "level", "count"),
    [
        ("two permutations", 4, 1),
        ("permutations that undo each other", 4, 0),
        ("permutations around a reshape", 4, 1),
        # Nine and twenty-one cut through seven and three.
        ("permutations around another reshape", 4, 2),
        ("permuted pieces", 4, 1),
        ("pieces permuted otherwise", 4, 2),
        # Queries, keys and values together; below level 6 each by itself, and the results of both products.
        ("queries, keys and values", 6, 1),
        ("queries, keys and values", 4, 5),
        ("turned factors", 6, 0),
        ("packed queries, keys and values", 6, 1),
        ("overlapping pieces", 4, 2),
        ("pieces in another order", 4, 1),
        ("piece read as it is", 4, 1),
        ("dimensions of 1 permuted", 4, 0),
    ],
)
def test_permutations_are_as_few_as_can_be(name: str, level: int, count: int, registry: Registry) -> None:
    assert kinds(lowered(name, registry, level)).count("TRANSPOSE") == count


def moved(x: torch.Tensor, drawn: Random, kept: list[torch.Tensor]) -> torch.Tensor:
    """A tensor after a few drawn permutations and reshapes; some on the way are ``kept``, to be read by others."""
    for _ in range(drawn.randrange(1, 6)):
        if drawn.random() < 0.2:
            kept.append(x)
        if drawn.random() < 0.5:
            x = x.permute(drawn.sample(range(x.dim()), x.dim()))
        else:
            primes = [prime for size in x.shape for prime in (2, 3) for _ in range(6) if size % prime == 0]
            shape = [1] * drawn.randrange(1, 5)
            left = x.numel()
            for prime in primes:
                if left % prime == 0:
                    shape[drawn.randrange(len(shape))] *= prime
                    left //= prime
            shape[-1] *= left
            x = x.reshape(shape)
    return x


class DrawnMoves:
    """A tensor that is moved, cut and moved again, the pieces alike or not, and read by products or functions."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, x: torch.Tensor) -> list[torch.Tensor]:
        drawn = Random(self.seed)
        kept: list[torch.Tensor] = []
        whole = moved(torch.relu(x), drawn, kept)
        axis = drawn.choice([axis for axis, size in enumerate(whole.shape) if size > 1])
        count = drawn.choice([count for count in (2, 3, 4) if whole.shape[axis] % count == 0])
        size = whole.shape[axis] // count
        by_slices = drawn.random() < 0.5
        pieces = (
            [whole.narrow(axis, place * size, size) for place in drawn.sample(range(count), count)]
            if by_slices
            else list(whole.chunk(count, axis))
        )
        alike = drawn.randrange(1000) if drawn.random() < 0.7 else None
        made = [moved(piece, Random(alike) if alike is not None else drawn, kept) for piece in pieces]
        found = [piece.exp() for piece in (*made[: drawn.randrange(1, count + 1)], *kept)]
        last = made[-1]
        if last.dim() > 1:
            found.append(torch.matmul(last, torch.exp(last).transpose(-2, -1)))
        return found


@pytest.mark.parametrize("seed", range(60))
def test_drawn_moves_compute_the_same(seed: int, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    found = runs(DrawnMoves(seed), [torch.rand(2, 6, 4, 3)], registry)
    with monkeypatch.context() as patch:
        for fixup in ("turn_products", "share_moves", "merge_transposes"):
            patch.setattr(engine, fixup, lambda *_: None)
        plain = runs(DrawnMoves(seed), [torch.rand(2, 6, 4, 3)], registry)

    for level, run in found.items():
        assert run.differences == ()
        assert run.lowered.transposes <= plain[level].lowered.transposes
