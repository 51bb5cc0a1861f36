"""Output shapes of lookups, sampling and operations on boxes."""

from __future__ import annotations

from nnapi_check.lowering.nnapi.model import UNSPECIFIED
from nnapi_check.lowering.nnapi.shapes.patterns import Pattern, apply, bind
from nnapi_check.lowering.nnapi.shapes.shapes import (
    NOTHING,
    Inferred,
    ShapeCall,
    bad_value,
    compatible,
    infers,
    misfit,
    outputs,
    product,
    text,
    times,
)
from nnapi_check.lowering.nnapi.validation.faults import Rule

_FIXED_PATTERNS = {
    "AXIS_ALIGNED_BBOX_TRANSFORM": Pattern({0: "roi 4", 1: "roi delta", 2: "roi", 3: "batch 2"}, ("roi delta",)),
    "BOX_WITH_NMS_LIMIT": Pattern({0: "roi class", 1: "roi 4*class", 2: "roi"}, ("?", "? 4", "?", "?")),
    "RANDOM_MULTINOMIAL": Pattern({0: "batch class", 2: "2"}, ("batch @1",)),
}

_IMAGE = {False: "batch h w channel", True: "batch channel h w"}


@infers(*_FIXED_PATTERNS)
def infer_fixed_pattern(call: ShapeCall) -> Inferred:
    """Operations whose shapes do not depend on a flag."""
    if call.kind == "AXIS_ALIGNED_BBOX_TRANSFORM":
        deltas = call.dims(1)
        if deltas is not None and len(deltas) == 2 and isinstance(deltas[1], int) and deltas[1] % 4:
            return misfit(1, f"{deltas[1]} deltas", "4 deltas for each class")
    return apply(call, _FIXED_PATTERNS[call.kind])


@infers("EMBEDDING_LOOKUP")
def infer_embedding_lookup(call: ShapeCall) -> Inferred:
    """One slice of the values for each index."""
    lookups, values = call.dims(0), call.dims(1)
    if lookups is None or values is None:
        return NOTHING
    indices = call.integers(0)
    if indices is not None and isinstance(values[0], int):
        for index in indices:
            if not 0 <= index < values[0]:
                return bad_value(0, f"index {index}", f"0 to {values[0] - 1}")
    return outputs((lookups[0], *values[1:]))


@infers("HASHTABLE_LOOKUP")
def infer_hashtable_lookup(call: ShapeCall) -> Inferred:
    """One slice of the values for each key, and whether it was found."""
    lookups, values = call.dims(0), call.dims(2)
    if lookups is None or values is None:
        return NOTHING
    _, problems = bind(call, {1: "key", 2: " ".join(["key", *("?" for _ in values[1:])])})
    if problems:
        return Inferred(problems=problems)
    return outputs((lookups[0], *values[1:]), (lookups[0],))


@infers("LSH_PROJECTION")
def infer_lsh_projection(call: ShapeCall) -> Inferred:
    """One signature a hash function, or one bit a seed where the projection is dense."""
    functions = call.dims(0)
    if functions is None:
        return NOTHING
    if len(functions) != 2:
        return misfit(0, f"rank {len(functions)}", "rank 2: hash functions by seeds")
    if isinstance(functions[1], int) and functions[1] > 32:
        return misfit(0, f"{functions[1]} seeds", "at most 32 seeds")
    tensor, weights = call.dims(1), call.dims(2)
    if tensor is not None and weights is not None and not compatible(weights, tensor[:1]):
        return misfit(2, f"shape {text(weights)}", f"{text(tensor[:1])}, a weight for each input")
    if 2 in call.absent and call.integer(3) == 2:
        return misfit(2, "an operand without value", "weights, for the projection is dense", Rule.MISSING_VALUE)
    match call.integer(3):
        case 1 | 3:
            return outputs((functions[0],))
        case 2:
            return outputs((times(functions[0], functions[1]),))
        case None:
            return NOTHING
        case other:
            return bad_value(3, str(other), "1, 2 or 3")


@infers("ROI_ALIGN", "ROI_POOLING")
def infer_roi(call: ShapeCall) -> Inferred:
    """A patch of fixed size for every region."""
    nchw = call.flag("nchw")
    inputs = {1: "roi 4", 2: "roi"}
    if nchw is None:
        return apply(call, Pattern(inputs))
    patch = "roi channel @3 @4" if nchw else "roi @3 @4 channel"
    return apply(call, Pattern({0: _IMAGE[nchw], **inputs}, (patch,)))


@infers("HEATMAP_MAX_KEYPOINT")
def infer_heatmap(call: ShapeCall) -> Inferred:
    """The best score and place of every keypoint of every box, in square heatmaps."""
    nchw = call.flag("nchw")
    if nchw is None:
        return apply(call, Pattern({1: "box 4"}))
    heatmap = "box keypoint size size" if nchw else "box size size keypoint"
    dims = call.dims(0)
    if dims is not None and len(dims) == 4 and isinstance(dims[2], int) and dims[2] < 2:
        return misfit(0, f"a heatmap of size {dims[2]}", "at least size 2")
    return apply(call, Pattern({0: heatmap, 1: "box 4"}, ("box keypoint", "box keypoint 2")))


@infers("GENERATE_PROPOSALS")
def infer_generate_proposals(call: ShapeCall) -> Inferred:
    """As many boxes as remain, of every image."""
    nchw = call.flag("nchw")
    inputs = {2: "anchor 4", 3: "batch 2"}
    if nchw is not None:
        scores = "batch anchor h w" if nchw else "batch h w anchor"
        deltas = "batch 4*anchor h w" if nchw else "batch h w 4*anchor"
        inputs = {0: scores, 1: deltas, **inputs}
    return apply(call, Pattern(inputs, ("?", "? 4", "?")))


@infers("DETECTION_POSTPROCESSING")
def infer_detection_postprocessing(call: ShapeCall) -> Inferred:
    """A fixed number of detections, of several classes each unless regular suppression is used."""
    inputs = {0: "batch anchor class", 1: "batch anchor length", 2: "anchor 4"}
    deltas = call.dims(1)
    if deltas is not None and len(deltas) == 3 and isinstance(deltas[2], int) and deltas[2] < 4:
        return misfit(1, f"boxes of {deltas[2]} numbers", "at least 4 numbers")
    match call.flag(7):
        case True:
            count = "@8"
        case False:
            count = "@8*@9"
        case None:
            count = "?"
    return apply(call, Pattern(inputs, (f"batch {count}", f"batch {count} 4", f"batch {count}", "batch")))


@infers("FULLY_CONNECTED")
def infer_fully_connected(call: ShapeCall) -> Inferred:
    """A matrix of units, however many axes the input has."""
    _, problems = bind(call, {1: "unit size", 2: "unit"})
    if problems:
        return Inferred(problems=problems)
    dims, weights = call.dims(0), call.dims(1)
    if dims is None or weights is None:
        return NOTHING
    units, size = weights
    count = product(dims)
    if not isinstance(count, int) or not isinstance(size, int) or size == 0:
        return outputs((UNSPECIFIED, units))
    if count % size:
        return misfit(0, f"{count} elements", f"a multiple of {size}, the input size of the weights")
    return outputs((count // size, units))


@infers("BATCH_MATMUL")
def infer_batch_matmul(call: ShapeCall) -> Inferred:
    """Matrix products over leading axes that are equal."""
    left, right = call.dims(0), call.dims(1)
    adjoint_left, adjoint_right = call.flag("adj_x"), call.flag("adj_y")
    if left is None or right is None:
        return NOTHING
    if len(left) != len(right):
        return misfit(1, f"rank {len(right)}", f"rank {len(left)}, that of the other matrix")
    if len(left) < 2 or adjoint_left is None or adjoint_right is None:
        return NOTHING
    left_words = "inner rows" if adjoint_left else "rows inner"
    right_words = "columns inner" if adjoint_right else "inner columns"
    batch = " ".join(f"batch{axis}" for axis in range(len(left) - 2))
    pattern = Pattern(
        {0: f"{batch} {left_words}", 1: f"{batch} {right_words}"},
        (f"{batch} rows columns",),
    )
    return apply(call, pattern)
