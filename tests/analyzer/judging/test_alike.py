"""Nodes that are judged as one: only those are of which a judgement reads the same."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations

import pytest
import torch
import torchvision
from torch import nn

from benchmarks.chains import OTHERS, chain_of
from benchmarks.random_chains.steps import Form, script
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import (
    ABSENT,
    ElementType,
    Graph,
    Literal,
    Node,
    PerChannel,
    PerTensor,
    RefList,
    Unknown,
    Value,
)
from nnapi_check.analyzer.judging import judge as judging
from nnapi_check.analyzer.judging.alike import call_of
from nnapi_check.analyzer.judging.judge import judge
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.analyzer.torchscript import quiet, trace
from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.analyzer.hand_made_graphs import Sketch, tensor

SIZE = 64
BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet_v3_small": lambda: torchvision.models.mobilenet_v3_small(weights=None),
    "densenet121": lambda: torchvision.models.densenet121(weights=None),
    "swin_t": lambda: torchvision.models.swin_t(weights=None),
    "quantized resnet18": lambda: torchvision.models.quantization.resnet18(weights=None, quantize=True),
}


class Watched(Sequence[Value]):
    """The values of a graph, of which only some may be read for a while."""

    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values
        self.allowed: frozenset[int] | None = None

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # That of a sequence, which has two.
        assert self.allowed is None or place in self.allowed
        return self._values[place]


class OnlyOp:
    """A node of which nothing but its op may be read."""

    def __init__(self, op: str) -> None:
        self.op = op


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


@pytest.fixture(scope="module")
def graphs() -> list[Graph]:
    with quiet():
        return [*_of_builders(), *_of_chains()]


def _of_builders() -> Iterator[Graph]:
    for build in BUILDERS.values():
        torch.manual_seed(1)
        photo = torch.rand(1, 3, SIZE, SIZE)
        yield capture(trace(build().eval(), [photo]), [photo], weights=False).graph


def _of_chains() -> Iterator[Graph]:
    for seed in range(100_400, 100_460):
        chain = chain_of(seed, tuple(OTHERS))
        if chain.form is not Form.SCRIPTED:
            continue
        # Some chains are not TorchScript.
        with suppress(RuntimeError):
            yield capture(script(chain, chain.parameters()), list(chain.tensors()), weights=False).graph


def test_nodes_judged_as_one_are_judged_as_each_by_itself(
    graphs: list[Graph], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = [judge(graph, registry, registry.target("pytorch-mobile")).nodes for graph in graphs]
    monkeypatch.setattr(judging, "call_of", lambda node, _uses: node.id)

    apart = [judge(graph, registry, registry.target("pytorch-mobile")).nodes for graph in graphs]

    assert together == apart
    nodes, judged = sum(map(len, together)), sum(len({id(item) for item in found.values()}) for found in together)
    assert judged < nodes


def test_judgement_reads_no_more_than_what_alike_nodes_have_in_common(
    graphs: list[Graph], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = judging._judge_call
    count = 0

    def watched(node: Node, uses: Uses, *others: object, **named: object) -> object:
        nonlocal count
        count += 1
        nodes, values = uses.nodes, uses.graph.values
        assert isinstance(values, Watched)
        uses.__dict__["nodes"] = {id_: OnlyOp(other.op) for id_, other in nodes.items()}
        assert uses.readers is not None
        values.allowed = frozenset((*node.inputs(), *node.outputs))
        try:
            return judged(node, uses, *others, **named)  # type: ignore[arg-type]  # Handed over as they are.
        finally:
            uses.__dict__["nodes"], values.allowed = nodes, None

    monkeypatch.setattr(judging, "_judge_call", watched)
    for graph in graphs:
        values = Watched(graph.values)
        judge(replace(graph, values=values), registry, registry.target("pytorch-mobile"))

    assert count > 300


def _one(**arguments: object) -> Hashable:
    sketch = Sketch()
    sketch.node("t.op", sketch.input(), **arguments)  # type: ignore[arg-type]  # Arguments of nodes.
    return _last_call(sketch)


def _last_call(sketch: Sketch) -> Hashable:
    return call_of(sketch.nodes[-1], Uses(sketch.graph(*sketch.nodes[-1].outputs)))


def _of_values(first: Value, second: Value | None = None) -> Hashable:
    sketch = Sketch()
    sketch.values.append(replace(first, id=0))
    if second is not None:
        sketch.values.append(replace(second, id=1))
    sketch.node("t.op", 0, 0 if second is None else 1)
    return _last_call(sketch)


def _made_by(op: str, readers: int = 1) -> Hashable:
    sketch = Sketch()
    value = sketch.node(op, sketch.input())
    for _ in range(readers):
        sketch.node("t.op", value)
    return _last_call(sketch)


def _of_quant(*quants: PerTensor | PerChannel) -> list[Hashable]:
    kinds = [tensor(dtype=ElementType.QUINT8, quant=quant) for quant in quants]
    return [_of_values(Value(0, kind, Literal("p", None), is_constant=True)) for kind in kinds]


X, P = Value(0, tensor(), Literal("x", None)), Value(0, tensor(), Literal("p", None), is_constant=True)

NEARLY_ALIKE: dict[str, Callable[[], list[Hashable]]] = {
    "numbers": lambda: [_one(n=item) for item in (0, 0.0, -0.0, False, "0", (0,), (0.0,), (False,), ABSENT)],
    "what is not known": lambda: [_one(n=Unknown("a sum")), _one(n=Unknown("a length")), _one(n="a sum")],
    "absent tensors of a list": lambda: [_one(n=RefList((0,))), _one(n=RefList((None, 0))), _one(n=RefList((0, None)))],
    "names": lambda: [_one(n=1), _one(m=1)],
    "one value and two": lambda: [_of_values(X), _of_values(X, X)],
    "constants": lambda: [_of_values(X, X), _of_values(X, P), _of_values(P, X), _of_values(P, P)],
    "elements": lambda: [_of_values(replace(P, origin=Literal("p", data))) for data in ((0.0,), (-0.0,), (0,), None)],
    "reach": lambda: [_of_values(replace(P, reach=reach)) for reach in (None, 0.5, 2.0)],
    "shapes": lambda: [_of_values(replace(X, type=tensor(shape))) for shape in ((2, 3), (3, 2), (2, 3, 1))],
    "scales": lambda: _of_quant(PerTensor(0.5, 3), PerTensor(0.25, 3), PerTensor(0.5, 2), PerChannel((0.5,), (3,), 0)),
    "zero scales": lambda: _of_quant(PerTensor(0.0, 0), PerTensor(-0.0, 0)),
    "makers": lambda: [_made_by("t.relu"), _made_by("aten.dequantize.self")],
    "readers": lambda: [_made_by("t.relu", readers) for readers in (1, 2, 3)],
}


@pytest.mark.parametrize("made", NEARLY_ALIKE.values(), ids=NEARLY_ALIKE)
def test_nodes_that_differ_a_little_are_not_alike(made: Callable[[], list[Hashable]]) -> None:
    for one, other in combinations(made(), 2):
        assert one != other


def test_nodes_of_rewrites_are_apart() -> None:
    sketch = Sketch()
    sketch.node("t.op", sketch.input())
    uses = Uses(sketch.graph(*sketch.nodes[-1].outputs))

    assert call_of(sketch.nodes[0], uses) != call_of(replace(sketch.nodes[0], covers=(4,)), uses)


def test_repeated_blocks_are_alike() -> None:
    sketch = Sketch()
    x = sketch.input()
    for _ in range(4):
        x = sketch.node("t.relu", sketch.node("t.add", x, sketch.parameter(tensor())))
    uses = Uses(sketch.graph(x))

    assert len({call_of(node, uses) for node in sketch.nodes[2:]}) == 2
