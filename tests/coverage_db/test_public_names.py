"""Ops are found by the names of PyTorch's modules and functions."""

import warnings
from collections.abc import Iterator

import pytest
import torch

from benchmarks.form_modules import Case, cases
from nnapi_check.analyzer.torchscript import quiet
from nnapi_check.coverage_db.public_names import keys_of, ops_called
from nnapi_check.coverage_db.queries import open_registry

KNOWN = [card.op for card in open_registry().cards()]
SAMPLES = 2
"""How many samples of each module are traced."""

NOT_TRACED = frozenset({"FractionalMaxPool2d", "FractionalMaxPool3d", "LocalResponseNorm"})
"""PyTorch refuses its own sample where nothing random is given, or what is traced is read as one op of this project."""


def samples() -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in cases():
        if not case.kind.startswith("Lazy") and case.kind not in NOT_TRACED:
            found.setdefault(case.kind, []).append(case)
    return {kind: of_kind[:SAMPLES] for kind, of_kind in found.items()}


def traced_ops(case: Case) -> Iterator[str]:
    """The ops that a module is when it is called, by their own names without an overload."""
    with quiet():
        traced = torch.jit.trace(case.module().eval(), case.inputs, check_trace=False)  # type: ignore[no-untyped-call]  # it has no types
    for node in traced.inlined_graph.nodes():
        space, _, name = node.kind().partition("::")
        if space == "aten":
            op = f"aten.{name.removesuffix('_')}"
            yield from (op, *OWN_NAMES.get(op, ()))


OWN_NAMES = {
    "aten._convolution_mode": ("aten.conv1d", "aten.conv2d", "aten.conv3d"),
    "aten._convolution": ("aten.conv_transpose1d", "aten.conv_transpose2d", "aten.conv_transpose3d"),
    "aten.pad": tuple(f"aten.{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3)),
    "aten.hardtanh": ("aten.relu6",),
}
"""What a traced op is called where it is called by its own name."""


def test_every_module_of_pytorch_is_found_by_its_name() -> None:
    missed = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, of_kind in samples().items():
            traced = {op for case in of_kind for op in traced_ops(case)}
            called = ops_called(f"nn.{kind}", KNOWN)
            if not traced & {".".join(op.split(".")[:2]) for op in called}:
                missed[kind] = (called, sorted(traced))

    assert missed == {}


@pytest.mark.parametrize("name", ["Conv2d", "conv2d", "nn.Conv2d", "torch.nn.Conv2d", "F.conv2d", "CONV2D"])
def test_the_spelling_does_not_matter(name: str) -> None:
    assert "aten.conv2d.default" in ops_called(name, KNOWN)


def test_dimensions_are_left_out_where_the_op_has_none() -> None:
    assert "aten.batch_norm.default" in ops_called("nn.BatchNorm2d", KNOWN)


def test_what_is_written_in_place_is_another_op() -> None:
    assert "aten.relu_.default" not in ops_called("nn.ReLU", KNOWN)


@pytest.mark.parametrize("name", ["mylib.Conv2d", "nn.Foo", "nn."])
def test_other_names_stand_for_nothing(name: str) -> None:
    assert ops_called(name, KNOWN) == []


def test_ops_without_a_card_are_told_by_name() -> None:
    assert ops_called("nn.CrossEntropyLoss", KNOWN) == ["aten.cross_entropy_loss"]


@pytest.mark.parametrize(
    ("op", "key"),
    [("aten.max_pool2d.default", "maxpool2d"), ("aten.im2col.default", "unfold"), ("aten.pad.default", "zeropad2d")],
)
def test_an_op_has_the_keys_of_all_that_it_is_called(op: str, key: str) -> None:
    assert key in keys_of(op)
