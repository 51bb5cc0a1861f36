"""Roles of inputs: keywords for what the documents say of them in fixed words."""

from __future__ import annotations

import re

# Tried in order; an input that matches none has no role.
_WORDS = (
    (r"NCHW data layout", "nchw"),
    (r"one of the FuseCode|FuseCode value indicating the activation", "fuse_code"),
    (r"one of the PaddingCode|implicit padding scheme", "padding_code"),
    (r"stride when walking through input in the \W?width", "stride_width"),
    (r"stride when walking through input in the \W?height", "stride_height"),
    (r"padding on the left", "pad_left"),
    (r"padding on the right", "pad_right"),
    (r"padding on the top", "pad_top"),
    (r"padding on the bottom", "pad_bottom"),
    (r"specifying the filter width\b", "filter_width"),
    (r"specifying the filter height\b", "filter_height"),
    (r"specifying the dilation factor for width", "dilation_width"),
    (r"specifying the dilation factor for height", "dilation_height"),
    (r"specifying the filter\b", "filter"),
    (r"specifying the weights\b", "filter"),
    (r"^A 1-D tensor, of shape \[\w+\], specifying the bias", "bias"),
    (r"depthwise multiplier", "depth_multiplier"),
    (r"specifying the number of groups", "num_groups"),
    (r"specifying the output (?:tensor )?shape", "output_shape"),
    (r"specifying the output height of the output tensor", "output_height"),
    (r"specifying the output width of the output tensor", "output_width"),
    (r"specifying width_scale", "width_scale"),
    (r"specifying height_scale", "height_scale"),
    (r"^Align corners", "align_corners"),
    (r"^Half pixel centers", "half_pixel_centers"),
    (r"keep_dims", "keep_dims"),
    (r"the block sizes for each spatial dimension", "block_shape"),
    (r"specifying the block_size", "block_size"),
    (r"the paddings for each spatial dimension", "paddings"),
    (r"dimensions to reduce|dimensions to squeeze", "axes"),
    (r"^begin_mask", "begin_mask"),
    (r"^end_mask", "end_mask"),
    (r"^shrink_axis_mask", "shrink_axis_mask"),
    (r"^begin\b", "begin"),
    (r"^end\b", "end"),
    (r"^strides\b", "strides"),
    (r"^multiples\b", "multiples"),
    (r"^k,", "k"),
    (r"concatenation axis", "axis"),
    (r"specifying the (?:dimension|axis)|specifying the dimension index|axis along which", "axis"),
    (r"exponent, beta|specifying beta", "beta"),
    (r"^A scalar, specifying the bias", "bias"),
    (r"alpha", "alpha"),
    (r"specifying gamma", "gamma"),
    (r"specifying epsilon", "epsilon"),
    (r"radius of the normalization window", "radius"),
    (r"defining the shape of the output tensor", "shape"),
    (r"permutation of the dimensions", "perm"),
    (r"number of splits", "num_splits"),
    (r"value to use for padding", "pad_value"),
    (r"value to fill the output", "value"),
    (r"\badj_x\b", "adj_x"),
    (r"\badj_y\b", "adj_y"),
    (r"specifying the mode\. Options are", "mirror_mode"),
)


# What the shape of an output may follow, besides its inputs' shapes.
_SHAPING = ("keep_dims", "adj_x")


def role_of(text: str) -> str | None:
    """The role of an input by its words, or None where they are none of those known."""
    return next((role for words, role in _WORDS if re.search(words, text)), None)


def shaping_role_of(text: str) -> str | None:
    """The role of the input that an output's words name as deciding its shape, or None where they name none."""
    return next((role for role in _SHAPING if re.search(rf"\b{role}\b", text)), None)
