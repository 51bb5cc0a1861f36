"""Products of matrices, distances, and what is counted along them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from operator import itemgetter

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands
from nnapi_check.analyzer.graph import ElementType
from nnapi_check.analyzer.nnapi_types import MAX_RANK

_MOST_DIFFERENCES = 1 << 22
_EUCLIDEAN_BY_PRODUCT = 25
_SIZES_OF_THREE = 4
_SIZES_OF_IMAGES = 4


@expands("aten.trace.default")
def trace(_call: Call) -> str:
    """The sum of the diagonal."""
    return "torch.sum(torch.diagonal(self, 0, -2, -1))"


@expands("aten.dist.default")
def dist(call: Call) -> str:
    """The norm of the difference."""
    return f"torch.linalg.vector_norm(self - other, {_order(call)})"


def _order(call: Call) -> str:
    return repr(call.number("p"))


@expands("aten.cdist.default", "aten._cdist_forward.default")
def cdist(call: Call) -> str | None:
    """The norms of all differences; for many rows the squares from products, as PyTorch computes them."""
    first, second = call.tensor("x1"), call.tensor("x2")
    if ElementType.FLOAT64 in (first.dtype, second.dtype):
        return None
    (*_, rows, _), (*_, others, width) = first.shape, second.shape
    mode = call.arguments["compute_mode"]
    many = max(rows, others) > _EUCLIDEAN_BY_PRODUCT
    if call.number("p") == 2 and (mode == 1 or (mode in (None, 0) and many)):
        ones = "torch.ones_like"
        return (
            "one = torch.sum(torch.square(x1), [-1], True)\n"
            "two = torch.sum(torch.square(x2), [-1], True)\n"
            f"left = torch.cat([x1 * -2.0, one, {ones}(one)], -1)\n"
            f"right = torch.cat([x2, {ones}(two), two], -1)\n"
            "torch.sqrt(torch.clamp(torch.matmul(left, right.transpose(-2, -1)), min=0.0))"
        )
    if call.outputs[0].numel * width > _MOST_DIFFERENCES:
        return None
    return f"torch.linalg.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), {_order(call)}, [-1])"


@expands("aten.scaled_dot_product_attention.default")
def attention(call: Call) -> str | None:
    """Of more dimensions than an operand has: one for all heads of all windows, as none reads what another does."""
    shapes = {name: call.tensor(name).shape for name in ("query", "key", "value")}
    before = shapes["query"][:-2]
    if len(before) + 2 <= MAX_RANK or any(shape[:-2] != before for shape in shapes.values()):
        return None
    lead = [before[0], prod(before[1:])]
    given = [f"{name}.reshape({[*lead, *shape[-2:]]})" for name, shape in shapes.items()]
    if call.has("attn_mask"):
        mask = call.tensor("attn_mask").shape
        # A mask is for all heads, or for each.
        mask_lead = [1, 1] if prod(mask[:-2]) == 1 else lead if mask[:-2] == before else None
        if mask_lead is None or len(mask) < 2:
            return None
        given.append(f"attn_mask.reshape({[*mask_lead, *mask[-2:]]})")
    options = [f"dropout_p={call.number('dropout_p')!r}", f"is_causal={call.truth('is_causal')}"]
    if call.arguments.get("scale") is not None:
        options.append(f"scale={call.number('scale')!r}")
    called = f"torch._C._nn.scaled_dot_product_attention({', '.join([*given, *options])})"
    return f"{called}.reshape({list(call.outputs[0].shape)})"


@expands("aten.tensordot.default")
def tensordot(call: Call) -> str | None:
    """A product of two matrices: what is kept of the first, what is summed, and what is kept of the second."""
    first, second = call.tensor("self"), call.tensor("other")
    here = [dim % first.rank for dim in call.integers("dims_self")]
    there = [dim % second.rank for dim in call.integers("dims_other")]
    if any(first.shape[a] != second.shape[b] for a, b in zip(here, there, strict=True)):
        return None
    rows = [dim for dim in range(first.rank) if dim not in here]
    columns = [dim for dim in range(second.rank) if dim not in there]
    summed = prod(first.shape[dim] for dim in here)
    left = f"self.permute({rows + here}).reshape({[prod(first.shape[dim] for dim in rows), summed]})"
    right = f"other.permute({there + columns}).reshape({[summed, prod(second.shape[dim] for dim in columns)]})"
    return f"torch.mm({left}, {right}).reshape({list(call.outputs[0].shape)})"


@expands("aten.kron.default")
def kron(call: Call) -> str:
    """Every element of the first times the whole of the second."""
    first, second = call.tensor("self").shape, call.tensor("other").shape
    rank = max(len(first), len(second))
    pairs = zip([1] * (rank - len(first)) + list(first), [1] * (rank - len(second)) + list(second), strict=True)
    left, right = [], []
    for a, b in pairs:
        left += [a, 1]
        right += [1, b]
    return f"(self.reshape({left}) * other.reshape({right})).reshape({list(call.outputs[0].shape)})"


@expands("aten.linalg_multi_dot.default", "aten.chain_matmul.default")
def multi_dot(call: Call) -> str:
    """Products in the order of the fewest multiplications."""
    name = "tensors" if "tensors" in call.arguments else "matrices"
    shapes = [kind.shape for kind in call.tensors(name)]
    last = shapes[-1]
    sizes = [shapes[0][0] if len(shapes[0]) == 2 else 1, *(s[0] for s in shapes[1:]), last[1] if len(last) == 2 else 1]
    if len(shapes[0]) == 1:
        sizes[1] = shapes[0][0]
    return _chain(name, sizes)


def _chain(name: str, sizes: Sequence[int]) -> str:
    @cache
    def best(first: int, last: int) -> tuple[int, str]:
        if first == last:
            return 0, f"{name}[{first}]"
        found = []
        # Of three, PyTorch multiplies the first two where it is all the same, and of more the last ones.
        for cut in sorted(range(first, last), reverse=len(sizes) == _SIZES_OF_THREE):
            (cost, left), (more, right) = best(first, cut), best(cut + 1, last)
            whole = cost + more + sizes[first] * sizes[cut + 1] * sizes[last + 1]
            found.append((whole, f"torch.matmul({left}, {right})"))
        return min(found, key=itemgetter(0))

    return best(0, len(sizes) - 2)[1]


@expands("aten.matrix_power.default", "aten.linalg_matrix_power.default")
def matrix_power(call: Call) -> str | None:
    """Squares of squares, and the products of those that the power has."""
    power = call.integer("n")
    if power < 1:
        return None
    lines, found, square = [], "", "self"
    while power:
        if power % 2:
            found = f"torch.matmul({found}, {square})" if found else square
            lines.append(f"found{power} = {found}")
            found = f"found{power}"
        power //= 2
        if power:
            lines.append(f"square{power} = torch.matmul({square}, {square})")
            square = f"square{power}"
    return "\n".join([*lines, f"{found}.clone()" if found == "self" else found])


@expands("aten.conv_tbc.default")
def conv_tbc(call: Call) -> str:
    """A convolution of signals whose time comes first and whose channels come last."""
    return (
        "signal = self.permute([1, 2, 0])\n"
        f"torch.conv1d(signal, weight.permute([2, 1, 0]), bias, padding=[{call.integer('pad')}]).permute([2, 0, 1])"
    )


@expands("aten.affine_grid_generator.default")
def affine_grid(call: Call) -> str | None:
    """The places of an image's pixels, each times the matrix of its image."""
    size = call.integers("size")
    if len(size) != _SIZES_OF_IMAGES:
        return None
    count, _, height, width = size
    x, y = (_places(length, corners=call.truth("align_corners")) for length in (width, height))
    return (
        f"across = ({x}).unsqueeze(0).expand({[height, width]})\n"
        f"down = ({y}).unsqueeze(1).expand({[height, width]})\n"
        "places = torch.stack([across, down, torch.ones_like(across)], -1)\n"
        f"places = places.reshape({[1, height * width, 3]}).expand({[count, height * width, 3]})\n"
        f"torch.matmul(places, theta.transpose(1, 2)).reshape({[count, height, width, 2]})"
    )


def _places(length: int, *, corners: bool) -> str:
    """The places of pixels along an axis from -1 to 1, which are the middles of the outermost ones or their edges."""
    if length == 1:
        return "torch.zeros([1])"
    return f"torch.linspace(-1.0, 1.0, {length})" + ("" if corners else f" * {(length - 1) / length!r}")
