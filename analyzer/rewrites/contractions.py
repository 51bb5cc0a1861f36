"""An einsum of two tensors as products of matrices, in pairs: which dimensions are batches, rows, columns and sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from nnapi_check.analyzer.graph import Argument, Graph, Node, Ref, RefList, TensorType
from nnapi_check.analyzer.rewrites.rewrite import Match, Rewrite, Surroundings, in_place_of_last

CONTRACT = "nnapi_check.contract.default"
"""The products of ``self`` [batch, rows, sums] and the transposed ``other`` [batch, columns, sums], after both are
permuted and reshaped so; the result, reshaped to ``wide``, is permuted to ``output_order``."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """The labels of an equation's three tensors, and what each label is for."""

    left: str
    right: str
    output: str

    @classmethod
    def of(cls, equation: str) -> _Labels | None:
        """The labels, or None for an equation that is no product of two tensors in pairs."""
        inputs, arrow, output = equation.replace(" ", "").partition("->")
        left, comma, right = inputs.partition(",")
        if not arrow:
            output = "".join(sorted(label for label in left + right if (left + right).count(label) == 1))
        found = cls(left, right, output)
        return found if comma and found._are_products() else None

    def _are_products(self) -> bool:
        terms = (self.left, self.right, self.output)
        if not all(term.isalpha() or not term for term in terms) or any(len(set(term)) != len(term) for term in terms):
            return False
        alone = set(self.left) ^ set(self.right)
        # A label of one tensor only must stay: a sum over it would need an operation of its own.
        return alone <= set(self.output) <= set(self.left) | set(self.right)

    @property
    def batches(self) -> str:
        return "".join(label for label in self.left if label in self.right and label in self.output)

    @property
    def rows(self) -> str:
        return "".join(label for label in self.left if label not in self.right)

    @property
    def columns(self) -> str:
        return "".join(label for label in self.right if label not in self.left)

    @property
    def sums(self) -> str:
        return "".join(label for label in self.left if label in self.right and label not in self.output)


def _match(first: Node, around: Surroundings) -> Match | None:
    arguments = _contraction(first, around.graph)
    return None if arguments is None else in_place_of_last(CONTRACT, arguments, (first,))


CONTRACTION = Rewrite(
    name="contraction",
    title="an einsum that is a product of matrices",
    begins=frozenset({"aten.einsum.default"}),
    makes=frozenset({CONTRACT}),
    match=_match,
)


def _contraction(node: Node, graph: Graph) -> Mapping[str, Argument] | None:
    """The arguments of the contraction that an einsum is, or None where it is none."""
    equation, tensors = node.arguments["equation"], node.arguments["tensors"]
    if not isinstance(equation, str) or not isinstance(tensors, RefList):
        return None
    values = [value for value in tensors.values if value is not None]
    shapes = [kind.shape for value in values if isinstance(kind := graph.type_of(value), TensorType)]
    labels = _Labels.of(equation)
    if labels is None or len(values) != 2 or len(shapes) != 2:
        return None
    sizes = _sizes(labels, shapes)
    if sizes is None:
        return None
    left, right = labels.batches + labels.rows + labels.sums, labels.batches + labels.columns + labels.sums
    wide = labels.batches + labels.rows + labels.columns
    return {
        "self": Ref(values[0]),
        "other": Ref(values[1]),
        "left_order": _order(labels.left, left),
        "left_shape": _matrix(sizes, labels.batches, labels.rows, labels.sums),
        "right_order": _order(labels.right, right),
        "right_shape": _matrix(sizes, labels.batches, labels.columns, labels.sums),
        "wide": tuple(sizes[label] for label in wide),
        "output_order": _order(wide, labels.output),
    }


def _sizes(labels: _Labels, shapes: Sequence[tuple[int, ...]]) -> Mapping[str, int] | None:
    """The size of each label; None where one stands for two sizes, so that PyTorch would broadcast."""
    sizes: dict[str, int] = {}
    for term, shape in zip((labels.left, labels.right), shapes, strict=True):
        if len(term) != len(shape):
            return None
        for label, size in zip(term, shape, strict=True):
            if sizes.setdefault(label, size) != size:
                return None
    return sizes


def _order(before: str, after: str) -> tuple[int, ...]:
    return tuple(before.index(label) for label in after)


def _matrix(sizes: Mapping[str, int], *groups: str) -> tuple[int, ...]:
    return tuple(prod(sizes[label] for label in group) for group in groups)
