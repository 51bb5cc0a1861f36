"""Recipes compute what they say, at once and as TorchScript, and refuse what is impossible when they are made."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import ElementType, PerChannel, PerTensor, TensorType
from nnapi_check.analyzer.tensor_types import element_type, tensor_type
from nnapi_check.lowering.emission.recipe_types import RecipeError
from nnapi_check.lowering.emission.recipes import (
    Inline,
    PackedValue,
    Recipe,
    Weight,
    concatenate,
    from_call,
    full,
    leaves,
    weight,
)
from nnapi_check.lowering.packaging.constant_store import ConstantStore
from nnapi_check.lowering.packaging.package_source import OwnNames
from nnapi_check.lowering.packaging.recipe_torch import SourceWriter, evaluate, tensor_from_bytes
from nnapi_check.lowering.packaging.script_modules import add_attribute, define, named_type, new_module, wrapped

FILTER = torch.randn(5, 3, 2, 4, generator=torch.Generator().manual_seed(1))
VECTOR = torch.rand(5, generator=torch.Generator().manual_seed(2)) + 0.5
SIGNED = torch.quantize_per_tensor(FILTER, 0.02, 3, torch.qint8)
UNSIGNED = torch.quantize_per_tensor(FILTER, 0.02, 120, torch.quint8)
CHANNELS = torch.quantize_per_channel(FILTER, VECTOR.double() / 30, torch.zeros(5, dtype=torch.long), 0, torch.qint8)
TENSORS = (FILTER, VECTOR, SIGNED, UNSIGNED, CHANNELS)


def leaf(index: int) -> Weight:
    return weight(index, tensor_type(TENSORS[index]))


filters, vector, signed, unsigned, channels = (leaf(index) for index in range(len(TENSORS)))

CASES: dict[str, tuple[Recipe, Callable[[], torch.Tensor]]] = {
    "weight": (filters, lambda: FILTER),
    "permute": (filters.permute(0, 2, 3, 1), lambda: FILTER.permute(0, 2, 3, 1)),
    "permute-negative": (filters.permute(-1, 0, 1, 2), lambda: FILTER.permute(3, 0, 1, 2)),
    "transpose": (filters.transpose(0, -1), lambda: FILTER.transpose(0, 3)),
    "reshape": (filters.reshape(3, -1, 4), lambda: FILTER.reshape(3, 10, 4)),
    "unsqueeze": (vector.unsqueeze(-1), lambda: VECTOR.unsqueeze(1)),
    "flatten": (filters.flatten(), lambda: FILTER.flatten()),
    "expand": (vector.reshape(5, 1).expand(2, 5, 3), lambda: VECTOR.reshape(5, 1).expand(2, 5, 3)),
    "flip": (filters.flip(2, -1), lambda: FILTER.flip(2, 3)),
    "select": (filters.select(1, -1), lambda: FILTER[:, 2]),
    "slice": (filters.slice(3, 1, 99, 2), lambda: FILTER[..., 1::2]),
    "sum": (filters.sum(1, 2), lambda: FILTER.sum((1, 2))),
    "sum-keepdim": (filters.sum(-1, keepdim=True), lambda: FILTER.sum(3, keepdim=True)),
    "sqrt": (vector.sqrt(), lambda: VECTOR.sqrt()),
    "rsqrt": ((vector + 1e-5).rsqrt(), lambda: (VECTOR + 1e-5).rsqrt()),
    "reciprocal": (vector.reciprocal(), lambda: VECTOR.reciprocal()),
    "exp": (vector.exp(), lambda: VECTOR.exp()),
    "round": ((vector * 7.0).round(), lambda: (VECTOR * 7).round()),
    "clamp": (filters.clamp(-0.5, 0.25), lambda: FILTER.clamp(-0.5, 0.25)),
    "clamp-to-infinity": (filters.clamp(0.0, float("inf")), lambda: FILTER.clamp(min=0)),
    "negate": (-filters, lambda: -FILTER),
    "subtract-from": (1.0 - vector, lambda: 1 - VECTOR),
    "multiply-by": (2.0 * vector, lambda: 2 * VECTOR),
    "add-to": (2.0 + vector, lambda: 2 + VECTOR),
    "folded": (filters * (vector / 2.0).reshape(-1, 1, 1, 1), lambda: FILTER * (VECTOR / 2).reshape(-1, 1, 1, 1)),
    "cast": (filters.cast(ElementType.INT32), lambda: FILTER.to(torch.int32)),
    "cast-half": (filters.cast(ElementType.FLOAT16), lambda: FILTER.half()),
    "integers": (signed.integers(), lambda: SIGNED.int_repr()),
    "integers-per-channel": (channels.integers().permute(0, 2, 3, 1), lambda: CHANNELS.int_repr().permute(0, 2, 3, 1)),
    "rearranged-per-channel": (
        channels.permute(1, 2, 0, 3).unsqueeze(1),
        lambda: CHANNELS.int_repr().permute(1, 2, 0, 3).unsqueeze(1),
    ),
    "signed-storage": (signed.quantized_storage(), lambda: (SIGNED.int_repr().int() + 128).to(torch.uint8)),
    "unsigned-storage": (unsigned.quantized_storage(), lambda: UNSIGNED.int_repr()),
    "dequantize": (channels.dequantize(), lambda: CHANNELS.dequantize()),
    "quantized-permute": (unsigned.permute(0, 2, 3, 1).integers(), lambda: UNSIGNED.int_repr().permute(0, 2, 3, 1)),
    "quantized-bias": (
        vector.quantized_bias(0.013),
        lambda: torch.quantize_per_tensor(VECTOR, 0.013, 0, torch.qint32).int_repr(),
    ),
    "concatenate": (concatenate((vector, vector * 2.0), 0), lambda: torch.cat([VECTOR, VECTOR * 2])),
    "full": (full((2, 3), 1.5, ElementType.FLOAT32) * 2.0, lambda: torch.full((2, 3), 3.0)),
    "inline": (
        Inline(VECTOR.numpy().tobytes(), ElementType.FLOAT32, (5,)) + vector,
        lambda: VECTOR * 2,
    ),
    "one-of-several": (
        from_call("aten.split.Tensor", (filters, 2, 0), shape=(1, 3, 2, 4), dtype=ElementType.FLOAT32, output=2),
        lambda: FILTER[4:],
    ),
    "one-of-a-tuple": (
        from_call("aten.max.dim", (filters, 1), shape=(5, 2, 4), dtype=ElementType.INT64, output=1),
        lambda: FILTER.max(1).indices,
    ),
    "argument-by-name-only": (
        from_call("aten.to.dtype_layout", (vector, ElementType.FLOAT64), shape=(5,), dtype=ElementType.FLOAT64),
        lambda: VECTOR.double(),
    ),
}


def scripted(recipe: Recipe) -> torch.Tensor:
    module = new_module("RecipeTest")
    for index, tensor in enumerate(TENSORS):
        add_attribute(module, f"leaf{index}", named_type("Tensor"), tensor)
    store = ConstantStore(module, OwnNames())

    def weight_source(found: Weight | PackedValue) -> str:
        return f"self.leaf{found.value}"

    def inline_source(inline: Inline) -> str:
        return f"self.{store.attribute_of(tensor_from_bytes(inline.data, inline.dtype, inline.shape))}"

    writer = SourceWriter(weight_source, inline_source)
    name = writer.write(recipe)
    define(
        module, "\n".join(["def forward(self):", *(f"    {line}" for line in writer.lines), f"    return {name}", ""])
    )
    found = wrapped(module)()
    assert isinstance(found, torch.Tensor)
    return found


@pytest.mark.parametrize("name", CASES)
def test_evaluates_to_what_pytorch_computes(name: str) -> None:
    recipe, expected = CASES[name]

    found = evaluate(recipe, TENSORS.__getitem__)

    torch.testing.assert_close(found, expected().contiguous())
    assert (tuple(found.shape), element_type(found.dtype)) == (recipe.shape, recipe.dtype)
    assert found.is_contiguous()
    assert recipe.byte_length == found.numel() * found.element_size()


@pytest.mark.parametrize("name", CASES)
def test_torchscript_computes_the_same(name: str) -> None:
    recipe, _ = CASES[name]

    torch.testing.assert_close(scripted(recipe), evaluate(recipe, TENSORS.__getitem__), rtol=0, atol=0)


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_permutations_compose(first: list[int], second: list[int]) -> None:
    recipe = filters.permute(*first).permute(*second)

    assert torch.equal(evaluate(recipe, TENSORS.__getitem__), FILTER.permute(first).permute(second))


def test_what_changes_nothing_is_no_call() -> None:
    assert filters.permute(0, 1, 2, 3) is filters
    assert filters.reshape(5, 3, 2, 4) is filters
    assert filters.cast(ElementType.FLOAT32) is filters
    assert vector.expand(5) is vector


def test_equal_recipes_are_equal_and_written_once() -> None:
    writer = SourceWriter(lambda _: "self.w", lambda _: "self.i")

    first = writer.write(filters.permute(0, 2, 3, 1))
    second = writer.write(leaf(0).permute(0, 2, 3, 1))

    assert first == second
    assert len(writer.lines) == 3


def test_leaves_are_found_in_lists_and_calls() -> None:
    packed = from_call("quantized.conv2d_unpack.default", (PackedValue(7),), shape=(1,), dtype=ElementType.QINT8)

    assert list(leaves(concatenate((vector, vector * vector), 0))) == [vector, vector, vector]
    assert list(leaves(packed)) == [PackedValue(7)]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: filters.permute(0, 1, 2), "each of 4 dimensions once"),
        (lambda: filters.permute(0, 1, 2, 2), "each of 4 dimensions once"),
        (lambda: filters.reshape(7, 7), "wanted shape"),
        (lambda: filters.reshape(-1, 7), "wanted shape"),
        (lambda: filters.select(0, 5), "index is 5"),
        (lambda: filters.select(4, 0), "dim is 4"),
        (lambda: filters.unsqueeze(6), "dim is 6"),
        (lambda: filters + vector, "do not fit"),
        (lambda: vector.expand(2), "do not fit"),
        (lambda: vector + vector.cast(ElementType.INT32), "wanted the same type"),
        (lambda: vector.cast(ElementType.INT32) * 1.5, "no whole number"),
        (lambda: vector.cast(ElementType.INT32) / 2.0, "wanted floats"),
        (lambda: vector.cast(ElementType.INT32).sqrt(), "wanted floats"),
        (lambda: vector.cast(ElementType.QINT8), "no type of plain numbers"),
        (lambda: signed + 1, r"see integers\(\)"),
        (lambda: signed.cast(ElementType.FLOAT32), r"see integers\(\)"),
        (lambda: channels.slice(0, 0, 2), "quantized per channel"),
        (lambda: channels.reshape(3, -1), "does not keep dimension 0"),
        (lambda: filters.integers(), "wanted a quantized type"),
        (lambda: filters.dequantize(), "wanted a quantized type"),
        (lambda: filters.slice(0, 0, 2, 0), "step is 0"),
        (lambda: filters.sum(), "wanted dims"),
        (lambda: concatenate((), 0), "no parts"),
        (lambda: concatenate((filters, vector), 0), "does not fit"),
        (lambda: concatenate((vector,), 1), "dim is 1"),
        (lambda: full((2,), 1.0, ElementType.COMPLEX64), "no type of plain numbers"),
        (lambda: Inline(b"abc", ElementType.FLOAT32, (1,)), "wants 4"),
        (lambda: Inline(b"a", ElementType.QINT8, (1,)), "wanted plain numbers"),
    ],
)
def test_impossible_recipes_are_refused(make: Callable[[], object], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        make()


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (Weight(1, (4,), ElementType.FLOAT32), "declares f32 of shape"),
        (Weight(1, (5,), ElementType.FLOAT16), "declares f16"),
        (from_call("aten.exp.default", (vector,), shape=(4,), dtype=ElementType.FLOAT32), "declares f32 of shape"),
        (from_call("aten.no_such_op.default", (vector,), shape=(5,), dtype=ElementType.FLOAT32), "no such op"),
        (from_call("aten.exp", (vector,), shape=(5,), dtype=ElementType.FLOAT32), "no such op"),
        (from_call("aten.exp.default", (vector, 1), shape=(5,), dtype=ElementType.FLOAT32), "it takes 1"),
    ],
)
def test_what_a_recipe_declares_wrongly_is_found(recipe: Recipe, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        evaluate(recipe, TENSORS.__getitem__)


def test_quantization_follows_what_rearranges_and_ends_where_integers_begin() -> None:
    assert unsigned.permute(1, 0, 2, 3).quant == PerTensor(0.02, 120)
    assert isinstance(channels.quant, PerChannel)
    assert tensor_type(CHANNELS.int_repr()) == TensorType(ElementType.INT8, (5, 3, 2, 4), channels.integers().quant)
