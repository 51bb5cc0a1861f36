"""What is written about a package is read back equal, and damaged text is refused in words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, PerTensor, TensorType
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.packaging.manifest import (
    HeldValue,
    Manifest,
    ManifestError,
    PartRecord,
    read_manifest,
    write_manifest,
)

small = st.integers(0, 1000)
shapes = st.lists(st.integers(1, 9), max_size=4).map(tuple)
plain = st.builds(
    lambda value, shape: Border(
        value, TensorType(ElementType.INT64, shape), TensorType(ElementType.INT32, shape or (1,))
    ),
    small,
    shapes,
)
scales = st.floats(1e-6, 10.0)
quantized = st.builds(
    lambda value, scale, zero: Border(
        value,
        TensorType(ElementType.QINT8, (1, 3, 7, 9), PerTensor(scale, zero - 128)),
        TensorType(ElementType.QUINT8, (1, 7, 9, 3), PerTensor(scale, zero)),
        (0, 2, 3, 1),
    ),
    small,
    scales,
    st.integers(0, 255),
)
borders = st.lists(plain | quantized, max_size=3).map(tuple)
held = st.builds(HeldValue, small, small, st.sampled_from([(), (0, 2, 3, 1)]))
records = st.builds(
    PartRecord,
    st.from_regex(r"nnapi_part_[0-9]{1,3}", fullmatch=True),
    borders,
    borders,
    st.lists(small, max_size=3).map(tuple),
    st.lists(held, max_size=3).map(tuple),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
manifests = st.builds(
    Manifest,
    st.lists(records, max_size=2).map(tuple),
    st.integers(0, 2),
    st.booleans(),
    st.dictionaries(st.text(max_size=3), json_values, max_size=2),
)


@given(manifests)
def test_what_is_written_is_read_back_equal(manifest: Manifest) -> None:
    assert read_manifest(write_manifest(manifest)) == manifest


def document() -> dict[str, object]:
    record = PartRecord(
        "nnapi_part_0",
        (Border(0, TensorType(ElementType.FLOAT32, (2,), NOT_QUANTIZED), TensorType(ElementType.FLOAT32, (2,))),),
        (),
    )
    found = json.loads(write_manifest(Manifest((record,), 1, False)))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no JSON"),
        ("[]", "where a table was wanted"),
        ("{}", "lacks 'format'"),
        (json.dumps({**document(), "format": 99}), "format 99, wanted 1"),
        (json.dumps({**document(), "parts": 3}), "wanted a list"),
        (json.dumps({**document(), "parts": [{"name": 3}]}), "where text was wanted"),
        (json.dumps({**document(), "preference": "fast"}), "where a whole number was wanted"),
        (json.dumps(document()).replace('"f32"', '"f33"'), "element type 'f33'"),
        (json.dumps(document()).replace('"dtype"', '"scale": "x", "dtype"'), "where a number was wanted"),
    ],
)
def test_damaged_text_is_refused(text: str, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        read_manifest(text)


def test_a_border_between_forms_of_different_size_is_refused() -> None:
    border = Border(0, TensorType(ElementType.FLOAT32, (1, 3, 7)), TensorType(ElementType.FLOAT32, (1, 3, 7)))
    text = write_manifest(Manifest((PartRecord("part", (border,), ()),), 1, is_relaxed=False))
    document = json.loads(text)
    document["parts"][0]["inputs"][0]["torch"]["shape"][0] += 1

    with pytest.raises(ManifestError, match="a border that is none"):
        read_manifest(json.dumps(document))
