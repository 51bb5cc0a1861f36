"""Images of depth, height and width as images of height and width, one after the other."""

from __future__ import annotations

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands


@expands("aten.reflection_pad3d.default")
def reflection_pad3d(call: Call) -> str:
    """The cells beside the border, height and width first, then depth."""
    return _padded(call, "reflection_pad2d", call.integers("padding"))


@expands("aten.replication_pad3d.default")
def replication_pad3d(call: Call) -> str:
    """The cells of the border, height and width first, then depth."""
    return _padded(call, "replication_pad2d", call.integers("padding"))


def _padded(call: Call, op: str, pads: list[int]) -> str:
    left, right, top, bottom, front, back = pads
    images = f"torch.ops.aten.{op}({{}}, {[left, right, top, bottom]})"
    depths = f"torch.ops.aten.{op}({{}}, {[0, 0, front, back]})"
    return _in_turn(call, "self", images, depths)


@expands("aten.upsample_nearest3d.vec")
def upsample_nearest3d(call: Call) -> str:
    """The nearest cell along height and width, then along depth."""
    depth, height, width = call.outputs[0].shape[2:]
    of_depth, of_height, of_width = _scales(call)
    images = f"torch.ops.aten.upsample_nearest2d({{}}, {[height, width]}, {of_height}, {of_width})"
    depths = (
        f"torch.ops.aten.upsample_nearest2d({{}}, {[depth, height * width]}, {of_depth}, {1.0 if of_depth else None})"
    )
    return _in_turn(call, "input", images, depths)


@expands("aten.upsample_trilinear3d.vec")
def upsample_trilinear3d(call: Call) -> str:
    """Between cells along height and width, then along depth, which stands last for that."""
    batch, channels, before = call.tensor("input").shape[:3]
    depth, height, width = call.outputs[0].shape[2:]
    of_depth, of_height, of_width = _scales(call)
    corners, planes = call.truth("align_corners"), [batch, channels * before, *call.tensor("input").shape[3:]]
    return (
        f"planes = input.reshape({planes})\n"
        f"planes = torch.ops.aten.upsample_bilinear2d(planes, {[height, width]}, {corners}, {of_height}, {of_width})\n"
        f"rows = planes.reshape({[batch, channels, before, height * width]}).transpose(2, 3)\n"
        f"rows = rows.reshape({[batch, channels * height * width, before]})\n"
        f"rows = torch.ops.aten.upsample_linear1d(rows, [{depth}], {corners}, {of_depth})\n"
        f"rows = rows.reshape({[batch, channels, height * width, depth]}).transpose(2, 3)\n"
        f"rows.reshape({[batch, channels, depth, height, width]})"
    )


def _scales(call: Call) -> list[object]:
    scales = call.arguments["scale_factors"]
    return scales if isinstance(scales, list) else [None, None, None]


def _in_turn(call: Call, name: str, images: str, depths: str) -> str:
    """The planes of all depths as channels, then height and width as one dimension beside the depth."""
    *before, depth, height, width = call.tensor(name).shape
    made = list(call.outputs[0].shape)
    batch, channels = before if len(before) == 2 else (1, *before)
    planes = images.format(f"{name}.reshape({[batch, channels * depth, height, width]})")
    columns = depths.format(f"{planes}.reshape({[batch, channels, depth, made[-2] * made[-1]]})")
    return f"{columns}.reshape({made})"
