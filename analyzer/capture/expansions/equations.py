"""Sums of products as an equation says (einsum): as permutations, sums, and products of two tensors each."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_letters

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands


@dataclass(frozen=True, slots=True)
class _Term:
    """A tensor of an equation: what it is called in the body, a label and a size for each dimension."""

    name: str
    labels: str
    sizes: tuple[int, ...]

    def without(self, labels: str) -> _Term:
        """The sum over some labels; where they stand for one place alone, that place."""
        dims = [place for place, label in enumerate(self.labels) if label in labels]
        if not dims:
            return self
        kept = [place for place in range(len(self.labels)) if place not in dims]
        sizes = tuple(self.sizes[place] for place in kept)
        is_alone = all(self.sizes[place] == 1 for place in dims)
        name = f"{self.name}.reshape({list(sizes)})" if is_alone else f"torch.sum({self.name}, {dims})"
        return _Term(name, "".join(self.labels[place] for place in kept), sizes)

    def ordered(self, labels: str) -> str:
        """The tensor with its dimensions in another order."""
        order = [self.labels.index(label) for label in labels]
        return self.name if order == sorted(order) else f"{self.name}.permute({order})"


@expands("aten.einsum.default")
def einsum(call: Call) -> str | None:
    """Two tensors at a time, the first two first, as PyTorch multiplies them without a path of its own."""
    equation = call.arguments["equation"]
    if not isinstance(equation, str) or call.arguments.get("path") is not None:
        return None
    found = _terms(equation, call)
    if found is None:
        return None
    terms, output = found
    first, *others = terms
    if not others:
        return first.without("".join(set(first.labels) - set(output))).ordered(output)
    for place, other in enumerate(others):
        kept = output + "".join(term.labels for term in others[place + 1 :])
        first = _product(first, other, kept, output if place == len(others) - 1 else None)
    # One product of two tensors that share what is summed is read as it stands.
    return None if first.name == _called(equation.replace(" ", ""), "tensors[0]", "tensors[1]") else first.name


def _terms(equation: str, call: Call) -> tuple[list[_Term], str] | None:
    """The tensors and the labels of the result, without dots; None where a label stands twice in a tensor."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    written = inputs.split(",")
    kinds = call.tensors("tensors")
    if len(written) != len(kinds):
        return None
    free = [label for label in ascii_letters if label not in equation]
    counts = [
        kind.rank - len(text.replace("...", "")) if "..." in text else 0
        for text, kind in zip(written, kinds, strict=True)
    ]
    if any(count < 0 for count in counts) or max(counts) > len(free):
        return None
    dots = "".join(free[: max(counts)])
    terms = []
    for place, (text, kind, count) in enumerate(zip(written, kinds, counts, strict=True)):
        labels = text.replace("...", dots[len(dots) - count :])
        if len(labels) != kind.rank or len(set(labels)) != len(labels) or not all(map(str.isalpha, labels)):
            return None
        terms.append(_Term(f"tensors[{place}]", labels, kind.shape))
    if arrow:
        return terms, output.replace("...", dots)
    every = "".join(term.labels for term in terms)
    return terms, dots + "".join(sorted(label for label in set(every) - set(dots) if every.count(label) == 1))


def _product(left: _Term, right: _Term, kept: str, output: str | None) -> _Term:
    """The product of two tensors, summed over the labels of both that are not kept any more."""
    # What only one of them has is summed before, and what has one place there is the same for all of the other.
    left, right = (_alone(left, right, kept), _alone(right, left, kept))
    sizes = {**dict(zip(left.labels, left.sizes, strict=True)), **dict(zip(right.labels, right.sizes, strict=True))}
    labels = output if output is not None else "".join(label for label in sizes if label in kept)
    name = _called(f"{left.labels},{right.labels}->{labels}", left.name, right.name)
    return _Term(name, labels, tuple(sizes[label] for label in labels))


def _alone(term: _Term, other: _Term, kept: str) -> _Term:
    sizes = dict(zip(other.labels, other.sizes, strict=True))
    return term.without(
        "".join(
            label
            for label, size in zip(term.labels, term.sizes, strict=True)
            if (label not in sizes and label not in kept) or (size == 1 and sizes.get(label, 1) > 1)
        )
    )


def _called(equation: str, left: str, right: str) -> str:
    return f'torch.einsum("{equation}", [{left}, {right}])'
