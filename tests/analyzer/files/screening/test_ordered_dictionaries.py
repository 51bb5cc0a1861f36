"""Dictionaries that keep an order, as programs of before PyTorch 2.8 hold their weights, are read as what they hold."""

import collections
import pickle

import pytest

from nnapi_check.analyzer.files.screening.pickle_reading import Made, Name, PickleError, Sequence, read_pickle

ORDERED = Name("collections", "OrderedDict")


def dumped(value: object) -> bytes:
    return pickle.dumps(value, protocol=2)


def test_keys_and_values_are_held_in_order() -> None:
    found = read_pickle(dumped(collections.OrderedDict(weight=1, bias=2)))

    assert isinstance(found.root, Made)
    assert found.root.name == ORDERED
    assert found.root.held is not None
    assert list(found.root.held.pairs()) == [("weight", 1), ("bias", 2)]
    assert found.names == {ORDERED}


def test_what_a_state_says_of_itself_is_left_out() -> None:
    state = collections.OrderedDict(weight=1)
    state.__dict__["_metadata"] = {"": {"version": 1}}

    found = read_pickle(dumped(state))

    assert isinstance(found.root, Made)
    assert found.root.held is not None
    assert found.root.held.items == ["weight", 1]


def test_a_state_with_anything_else_is_refused() -> None:
    state = collections.OrderedDict(weight=1)
    state.__dict__["forward"] = 1

    with pytest.raises(PickleError, match="calls what is no name"):
        read_pickle(dumped(state))


def test_what_is_put_into_a_dictionary_twice_is_refused() -> None:
    once = dumped(collections.OrderedDict(weight=1)).removesuffix(b".")
    twice = once + b"(X\x01\x00\x00\x00bK\x02u."

    with pytest.raises(PickleError, match="adds to what is no list or dictionary"):
        read_pickle(twice)


def test_a_dictionary_in_itself_is_refused() -> None:
    alone: dict[str, object] = collections.OrderedDict()
    alone["a"] = alone
    inside: dict[str, object] = collections.OrderedDict()
    inside["a"] = (inside,)

    for value in (alone, inside):
        with pytest.raises(PickleError, match="in use already"):
            read_pickle(dumped(value))


def test_calls_of_another_class_hold_nothing() -> None:
    data = dumped(collections.OrderedDict(weight=1)).replace(b"OrderedDict", b"Counter")

    with pytest.raises(PickleError, match="adds to what is no list or dictionary"):
        read_pickle(data)


def test_depth_counts_through_them() -> None:
    value: object = 1
    for _ in range(200):
        value = collections.OrderedDict(a=value)

    with pytest.raises(PickleError, match="nested more than"):
        read_pickle(dumped(value))


def test_a_plain_dictionary_is_one_still() -> None:
    found = read_pickle(dumped({"a": 1}))

    assert isinstance(found.root, Sequence)
    assert found.root.is_mapping
