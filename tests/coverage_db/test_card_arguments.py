"""Every argument that a card names is one of its op's schema: a card of another is refused when it is loaded."""

from pathlib import Path

import pytest

from nnapi_check.coverage_db.card_arguments import OURS, named_arguments, schema_arguments
from nnapi_check.coverage_db.card_reading import load_cards
from nnapi_check.coverage_db.cards import FirstOutput
from nnapi_check.coverage_db.checks import CardError, Compare, Relation
from nnapi_check.coverage_db.known_schemas import SchemaList, read_schema_list, schema_list_text
from tests.cards import cards

SCHEMAS = {"aten.neg.default": "aten::neg(Tensor self) -> Tensor"}


def loaded(folder: Path, requires: str = "", example: str = 'self = "f32[3]"', emits: str = '"NEG"') -> None:
    (folder / "ops").mkdir()
    (folder / "torch_schemas.txt").write_text(schema_list_text(SchemaList("2.14", SCHEMAS)), encoding="utf-8")
    op = '["aten.neg.default"]\nsummary = "The negative."\n[["aten.neg.default".ways]]\nname = "operation"\n'
    lines = f'emits = [{emits}]\nrequires = [{requires}]\nexamples = [{{ name = "a vector", {example} }}]\n'
    (folder / "ops" / "sign.toml").write_text(op + lines, encoding="utf-8")
    load_cards(folder / "ops")


def test_a_card_that_names_the_schemas_arguments_is_loaded(tmp_path: Path) -> None:
    check = '{ kind = "at-most", arg = "prod(output.shape)", other = "self.numel" }'

    loaded(tmp_path, f'{{ id = "small", check = {check}, because = "Why.", fix = "How." }}')


@pytest.mark.parametrize(
    ("changes", "name", "where"),
    [
        (
            {
                "requires": '{ id = "plain", check = { kind = "equals", arg = "self.rank", other = "min(x.rank, 4)" }, '
                'because = "Why.", fix = "How." }'
            },
            "x",
            "requires plain",
        ),
        ({"example": 'input = "f32[3]"'}, "input", "example a vector"),
        ({"example": 'self = "f32[3]", args = { dim = 1 }'}, "dim", "example a vector"),
        ({"emits": '{ operation = "NEG", of = "other" }'}, "other", "emits NEG"),
    ],
)
def test_an_argument_that_the_op_has_not_is_refused(
    changes: dict[str, str], name: str, where: str, tmp_path: Path
) -> None:
    with pytest.raises(CardError) as raised:
        loaded(tmp_path, **changes)

    assert f"sign.toml: aten.neg.default, way operation, {where}: the op has no argument '{name}'" in str(raised.value)


def test_an_op_with_ways_that_is_not_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCHEMAS, "aten.abs.default", SCHEMAS["aten.neg.default"])
    monkeypatch.delitem(SCHEMAS, "aten.neg.default")

    with pytest.raises(CardError, match="so its arguments are not known"):
        loaded(tmp_path)


def test_only_ops_of_this_project_name_their_arguments_themselves() -> None:
    named = {card.op for card in cards().values() if card.arguments}

    assert named == {op for op in cards() if op.startswith(f"{OURS}.")}


def test_every_kind_of_place_that_names_arguments_is_looked_at() -> None:
    (card,) = (card for card in cards().values() if card.op == "aten.scatter.src")

    places = {where.split(", ")[1].split()[0] for _, where in named_arguments(card)}

    assert {"requires", "example"} <= places


def test_names_are_read_from_schemas_with_lists_as_defaults() -> None:
    schema = "aten::conv2d(Tensor input, SymInt[2] stride=[1, 1], str padding='a', *, int? groups=1) -> Tensor"

    assert schema_arguments(schema) == {"input", "stride", "padding", "groups"}


def test_packed_parameters_are_what_they_hold() -> None:
    found = schema_arguments(read_schema_list().schemas["quantized.linear.default"])

    assert {"input", "weight", "bias", "output_scale", "output_zero_point"} <= found


NORMS = {
    "aten.norm.default": "aten::norm(Tensor input, float eps, bool fast=True) -> Tensor",
    "aten.native_norm.default": "aten::native_norm(Tensor input, int N, float e) -> (Tensor, Tensor)",
}


def norms(folder: Path, first_output: str) -> FirstOutput:
    (folder / "ops").mkdir()
    (folder / "torch_schemas.txt").write_text(schema_list_text(SchemaList("2.14", NORMS)), encoding="utf-8")
    card = '["aten.native_norm.default"]\nsummary = "A norm."\nbecomes = ["aten.norm.default"]\nwhen = "it is alone"\n'
    path = folder / "ops" / "norms.toml"
    path.write_text(f'{card}first_output = {first_output}\n["aten.norm.default"]\nsummary = "A norm."\ngap = "Why."\n')
    found = load_cards(folder / "ops")["aten.native_norm.default"].first_output
    assert found is not None
    return found


def test_a_first_output_that_gives_the_other_ops_arguments_is_loaded(tmp_path: Path) -> None:
    found = norms(tmp_path, '{ without = ["N"], renamed = { e = "eps" }, given = { fast = false } }')

    read_as = found.call.arguments({"input": "x", "N": "n", "e": "e"}, str)
    assert read_as == {"input": "x", "eps": "e", "fast": "False"}


def test_where_a_first_output_stands_for_another_op_is_a_check_of_its_card(tmp_path: Path) -> None:
    call = 'without = ["N"], renamed = { e = "eps" }, given = { fast = false }'

    found = norms(tmp_path, f'{{ {call}, where = {{ kind = "equals", arg = "input.rank + N", value = 4 }} }}')

    assert found.where == Compare(Relation.EQUALS, "input.rank + N", 4)


@pytest.mark.parametrize(
    ("first_output", "told"),
    [
        ('{ without = ["N"], given = { fast = false } }', "gives ['e', 'fast', 'input'], but aten.norm.default has"),
        ('{ without = ["M", "N"], renamed = { e = "eps" } }', "the op has no arguments ['M']"),
        ('{ without = ["N"], where = { kind = "known", arg = "x.rank" } }', "the op has no arguments ['x']"),
    ],
)
def test_a_first_output_that_gives_others_is_refused(first_output: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(CardError) as raised:
        norms(tmp_path, first_output)

    assert told in str(raised.value)
