"""A node with arguments of every kind, to which an emitter is bound."""

from nnapi_check.analyzer.graph import ABSENT, Block, Graph, Node, Ref, RefList, Unknown
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.coverage_db.cards import Emission, Layout, Way
from nnapi_check.lowering.emission.emitter import Emitter
from tests.analyzer.hand_made_graphs import Sketch, tensor

WAY = Way("operation", (Emission("RELU"), Emission("RELU6")), Layout.ANY)
EMPTY = LayoutPlan(frozenset(), {}, {}, frozenset(), {})


def emitter(layout: LayoutPlan = EMPTY) -> Emitter:
    """An emitter that is bound to one node with arguments of every kind."""
    sketch = Sketch()
    x = sketch.input(tensor((1, 3, 7, 9)))
    weight = sketch.parameter(tensor((1, 3, 1, 1)))
    node, made = sketch.made("t.op", x, kind=tensor((1, 3, 7, 9)))
    arguments = {
        **node.arguments,
        "weight": Ref(weight),
        "tensors": RefList((x, None)),
        "sizes": (2, 3),
        "axis": -1,
        "rate": 0.5,
        "flag": True,
        "missing": ABSENT,
        "later": Unknown("it is computed"),
    }
    bound = Node(node.id, node.op, arguments, node.outputs)
    graph = Graph("g", tuple(sketch.values), Block((x,), (bound,), (made,)))
    found = Emitter(graph, layout)
    found.bind(bound, WAY)
    return found


def nhwc() -> Emitter:
    """The same where the node runs in NHWC: its input is value 0, its output value 2."""
    return emitter(LayoutPlan(frozenset({2}), {0: (0,)}, {}, frozenset(), {}))
