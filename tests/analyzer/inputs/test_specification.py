import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import ElementType, PerTensor, TensorType
from nnapi_check.analyzer.inputs.specification import InputSpec, needed_options, order_by_name, parse_input_spec

PLAIN = [
    kind
    for kind in ElementType
    if kind not in (ElementType.OTHER, ElementType.QUINT8, ElementType.QINT8, ElementType.QINT32)
]
types = st.builds(TensorType, st.sampled_from(PLAIN), st.lists(st.integers(0, 999), max_size=5).map(tuple))
names = st.none() | st.from_regex(r"[a-z_][a-z0-9_]{0,9}(\.[0-9])?", fullmatch=True)


@given(st.builds(InputSpec, types, names))
def test_text_written_and_read_back_is_equal(spec: InputSpec) -> None:
    assert parse_input_spec(str(spec)) == spec


def test_reads_name_type_and_shape() -> None:
    spec = parse_input_spec(" pixels = i64[1, 3,7 ] ")

    assert spec == InputSpec(TensorType(ElementType.INT64, (1, 3, 7)), "pixels")


def test_reads_a_scalar() -> None:
    assert parse_input_spec("f32[]").type.shape == ()


def test_reads_the_parameters_of_a_quantized_input() -> None:
    spec = parse_input_spec("quint8(0.5,128)[1,3]")

    assert spec.type.quant == PerTensor(0.5, 128)
    assert parse_input_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "not an input specification"),
        ("1,3,224,224", "write element type and shape"),
        ("[1,3,224,224]", "write element type and shape"),
        ("[f32[3,7]]", "such as 'xs.0="),
        ("images=[f32[3,7], f32[3,9]]", "such as 'xs.0="),
        ("(f32[3,7],)", "such as 'xs.0="),
        ("{'x': f32[3]}", "such as 'xs.0="),
        ("f32", "not an input specification"),
        ("float[1,3]", "'float' is not an element type"),
        ("other[1]", "'other' is not an element type"),
        ("f32[1,-3]", "whole number"),
        ("f32[1,x]", "whole number"),
        ("f32[1,,3]", "whole number"),
        ("f32[2147483648]", "2\\^31"),
        ("quint8[1,3]", "needs scale and zero point"),
        ("f32(0.5,1)[1]", "has no scale and zero point"),
        ("quint8(x,1)[1]", "scale must be a number"),
        ("quint8(0.5,1.5)[1]", "zero point a whole number"),
        ("quint8(-1,0)[1]", "must be positive"),
        ("quint8(nan,0)[1]", "must be positive"),
    ],
)
def test_says_what_is_wrong(text: str, found: str) -> None:
    with pytest.raises(InputError, match=found):
        parse_input_spec(text)


def test_named_specifications_go_to_their_places() -> None:
    a, b, c = parse_input_spec("f32[1]"), parse_input_spec("x=f32[2]"), parse_input_spec("f32[3]")

    assert order_by_name([a, b, c], ["w", "x", "y"]) == (a, b, c)
    assert order_by_name([b, a, c], ["w", "x", "y"]) == (a, b, c)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["z=f32[1]", "f32[1]"], "no input 'z'; its inputs are x, y"),
        (["x=f32[1]", "x=f32[2]"], "'x' is given twice"),
        (["f32[1]"], "number of inputs is 2 \\(x, y\\), but 1 are given"),
    ],
)
def test_says_which_input_does_not_fit(texts: list[str], found: str) -> None:
    with pytest.raises(InputError, match=found):
        order_by_name([parse_input_spec(text) for text in texts], ["x", "y"])


def test_needed_options_name_every_input() -> None:
    assert needed_options(["a", "b.0"]) == "--input 'a=f32[1,3,224,224]' --input 'b.0=f32[1,3,224,224]'"
