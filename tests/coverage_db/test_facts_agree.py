"""The text agrees with facts that were drawn from Android's sources by other means.

The oracle is a JSON file that knows nothing of our text. Each fact of ours is written in the JSON's own terms and the
two are compared as JSON, so that a key which we leave out, or add, is a disagreement too. The oracle ends with a level;
what came later is not compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.levels import load_levels
from nnapi_check.coverage_db.platform_facts import load_enumerations, load_types
from nnapi_check.coverage_db.spec import OperandFacts, OperandType, OperationFacts, QuantRule, QuantRuleKind, Signature
from tests.coverage_db.as_of_level import operations_as_of

FOLDER = os.environ.get("NNAPI_FACTS", "")

pytestmark = pytest.mark.skipif(not FOLDER, reason="NNAPI_FACTS does not name a folder that holds op_facts.json")

Json = dict[str, object]

RULES = {
    QuantRuleKind.SAME_AS_INPUTS: "same_as_inputs",
    QuantRuleKind.FIXED: "fixed",
    QuantRuleKind.FREE: "free",
    QuantRuleKind.SCALE_GREATER_THAN_PRODUCT: "scale_gt_product",
    QuantRuleKind.PAD_VALUE_UNDEFINED: "pad_value_undefined",
    QuantRuleKind.BIAS_SCALE_IS_PRODUCT: "bias_scale_is_product",
    QuantRuleKind.BIAS_SCALE_IS_ZERO: "bias_scale_zero",
    QuantRuleKind.CHANNEL_DIM: "channel_dim",
    QuantRuleKind.SAME_ACROSS_WEIGHTS: "same_across_weights",
}


@pytest.fixture(scope="module")
def oracle() -> dict[str, Json]:
    facts = json.loads((Path(FOLDER) / "op_facts.json").read_text(encoding="utf-8"))
    assert isinstance(facts, dict)
    return facts


def operations_of(oracle: dict[str, Json]) -> Sequence[dict[str, object]]:
    return cast("Sequence[dict[str, object]]", oracle["ops"])


def numbers(pairs: tuple[tuple[int, int], ...]) -> Json:
    return {str(count): level for count, level in pairs}


def types(pairs: tuple[tuple[OperandType, int], ...]) -> Json:
    return {kind.name: level for kind, level in pairs}


def without_nones(row: Json) -> Json:
    return {key: value for key, value in row.items() if value is not None}


def names(kinds: frozenset[OperandType]) -> list[str] | None:
    return sorted(kind.name for kind in kinds) or None


def rule_in_json(rule: QuantRule) -> Json:
    word = RULES.get(rule.kind) or f"{rule.kind.value.replace('-', '_')}{rule.index}"
    return without_nones(
        {
            "rule": word,
            "types": names(rule.types),
            "scale": rule.scale,
            "zero_point": rule.zero_point,
            "dim": rule.dim,
            "since": rule.since if rule.since > 1 else None,
            "until": rule.until if rule.until < 1000 else None,
            "when_main": names(rule.when_main),
            "when_filter": names(rule.when_filter),
        }
    )


def operand_in_json(operand: OperandFacts) -> Json:
    by_main = {"*" if main is None else main.name: kind.name for main, kind in operand.type_by_main}
    return without_nones(
        {
            "index": operand.index,
            "since": operand.since,
            "scalar": operand.is_scalar,
            "optional": operand.optional or None,
            "default": operand.default,
            "type": None if operand.type is None else operand.type.name,
            "type_by_main": by_main or None,
            "role": operand.role,
            "rank": operand.rank,
            "quant": [rule_in_json(rule) for rule in operand.quant] or None,
            "range": operand.span,
            "position": "last" if operand.is_last else None,
        }
    )


def output_in_json(operand: OperandFacts) -> Json:
    """The oracle names only those outputs scalars that are."""
    return {key: value for key, value in operand_in_json(operand).items() if (key, value) != ("scalar", False)}


def signature_in_json(signature: Signature) -> Json:
    return without_nones(
        {
            "name": signature.name,
            "since": signature.since,
            "counts": None if signature.is_variadic else numbers(signature.counts),
            "variadic": signature.is_variadic or None,
            "fixed_inputs": signature.fixed_inputs,
            "inputs": [operand_in_json(operand) for operand in signature.inputs],
        }
    )


def rank_in_json(facts: OperationFacts) -> Json | None:
    if facts.rank is None:
        return None
    later: Json = {"from_start": list(facts.rank.from_start), "other_ranks_since": facts.rank.other_since}
    limits: Json = {"min": facts.rank.min, "max": facts.rank.max}
    return limits | later if facts.rank.from_start else limits


def layout_in_json(facts: OperationFacts) -> Json | None:
    if facts.nchw_since is None:
        return None
    indices: Json = {signature.name: signature.index_of("nchw") for signature in facts.signatures}
    return {"since": facts.nchw_since, "optional": facts.nchw_optional, "input": without_nones(indices)}


def operation_in_json(facts: OperationFacts) -> Json:
    outputs: Json = {
        "counts": numbers(facts.output_counts) or None,
        "items": [output_in_json(operand) for operand in facts.outputs],
    }
    sometimes = without_nones(
        {
            "output_dtypes": types(facts.output_types) or None,
            "same_type_only": types(facts.same_type_only) or None,
            "since_from": facts.since_from or None,
            "dtypes_from": facts.types_from or None,
            "configurations": [
                without_nones(
                    {
                        "since": row.since,
                        "input": row.input.name,
                        "filter": row.filter.name,
                        "bias": row.bias.name,
                        "output": row.output.name,
                        "bias_scale": None if row.bias_scale is None else row.bias_scale.value,
                    }
                )
                for row in facts.configurations
            ]
            or None,
            "runtime_trims": [
                without_nones(
                    {"first": trim.first, "values": list(trim.values), "together": list(trim.together) or None}
                )
                for trim in facts.trims
            ]
            or None,
        }
    )
    always: Json = {
        "name": facts.name,
        "code": facts.code,
        "since": facts.since,
        "main_operand": {"kind": facts.main_kind, "index": facts.main_index},
        "dtypes": types(facts.types),
        "signatures": [signature_in_json(signature) for signature in facts.signatures],
        "outputs": outputs if facts.output_counts else outputs | {"variadic": True},
        "rank": rank_in_json(facts),
        "nchw": layout_in_json(facts),
        "zero": [
            {
                "what": zero.what,
                "since": zero.since,
                "inputs": [int(index) if index.isdigit() else index for index in zero.inputs] or None,
            }
            for zero in facts.zero
        ],
        "broadcast": facts.broadcasts,
        "variadic_inputs": any(signature.is_variadic for signature in facts.signatures),
    }
    return always | sometimes


def in_one_order(value: object) -> object:
    """Lists of types stand for sets; every other list keeps its order."""
    if isinstance(value, dict):
        return {
            key: sorted(inner) if key in ("types", "when_main", "when_filter") else in_one_order(inner)
            for key, inner in value.items()
        }
    return [in_one_order(inner) for inner in value] if isinstance(value, list) else value


def written(value: object) -> str:
    """JSON text, in which 1, 1.0 and true differ, as they do not in Python."""
    return json.dumps(in_one_order(value), sort_keys=True, indent=1)


def highest_level(oracle: dict[str, Json]) -> int:
    return max(int(level) for level in cast("Json", oracle["enums"]["FeatureLevelCode"]))


def operations_of_its_time(oracle: dict[str, Json]) -> dict[str, OperationFacts]:
    return operations_as_of(highest_level(oracle), load_operations())


def test_names_and_order_of_operations_agree(oracle: dict[str, Json]) -> None:
    ours = operations_of_its_time(oracle)

    assert list(ours) == [row["name"] for row in operations_of(oracle)]
    assert sum(facts.since <= 8 for facts in ours.values()) == 106


def test_every_fact_of_every_operation_agrees(oracle: dict[str, Json]) -> None:
    ours = operations_of_its_time(oracle)

    disagreements = [
        str(row["name"])
        for row in operations_of(oracle)
        if written(operation_in_json(ours[str(row["name"])])) != written(row)
    ]

    assert disagreements == []


def test_a_changed_fact_is_a_disagreement(oracle: dict[str, Json]) -> None:
    """The comparison sees what is equal to Python: a default of 0 for one of false."""
    convolution = next(row for row in operations_of(oracle) if row["name"] == "CONV_2D")
    changed = json.loads(json.dumps(convolution).replace('"default": false', '"default": 0', 1))

    assert changed == convolution
    assert written(changed) != written(convolution)


def test_operand_types_agree(oracle: dict[str, Json]) -> None:
    types_of_ours = [facts for facts in load_types() if facts.since <= highest_level(oracle)]
    since = cast("Json", oracle["enum_since"]["OperandCode"])
    aliases = {alias: facts.type.name for facts in types_of_ours for alias in facts.aliases}

    assert {facts.type.name: facts.type.value for facts in types_of_ours} == oracle["enums"]["OperandCode"]
    assert {facts.type.name: facts.since for facts in types_of_ours} == since
    assert oracle["aliases"] == {"OperandCode": aliases}


def test_operation_codes_agree(oracle: dict[str, Json]) -> None:
    ours = {facts.name: facts.code for facts in operations_of_its_time(oracle).values()}

    assert ours == oracle["enums"]["OperationCode"]


def test_feature_levels_agree(oracle: dict[str, Json]) -> None:
    last = highest_level(oracle)
    ours = {str(level.feature_level): level.c_value for level in load_levels() if level.feature_level <= last}

    assert ours == oracle["enums"]["FeatureLevelCode"]


def test_other_enumerations_agree(oracle: dict[str, Json]) -> None:
    last = highest_level(oracle)
    ours = {
        enumeration.name: {member.name: member.value for member in enumeration.members if member.since <= last}
        for enumeration in load_enumerations()
    }
    told_elsewhere = {"OperandCode", "OperationCode", "FeatureLevelCode"}

    assert ours == {name: members for name, members in oracle["enums"].items() if name not in told_elsewhere}


def test_levels_of_result_codes_agree(oracle: dict[str, Json]) -> None:
    results = next(enumeration for enumeration in load_enumerations() if enumeration.name == "ResultCode")
    last = highest_level(oracle)

    assert {member.name: member.since for member in results.members if member.since <= last} == oracle["enum_since"][
        "ResultCode"
    ]
    assert set(oracle["enum_since"]) == {"OperandCode", "ResultCode"}


def test_no_part_of_the_oracle_is_left_out(oracle: dict[str, Json]) -> None:
    documentation = {"format", "source", "checks"}

    assert set(oracle) - documentation == {"enums", "enum_since", "aliases", "ops"}
