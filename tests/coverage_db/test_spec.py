"""The numbers in code are those in the text."""

from __future__ import annotations

from enum import IntEnum

import pytest

from nnapi_check.coverage_db.platform_facts import load_enumerations
from nnapi_check.coverage_db.spec import FuseCode, PaddingCode, ResultCode


@pytest.mark.parametrize("kind", [FuseCode, PaddingCode, ResultCode])
def test_enum_equals_its_text(kind: type[IntEnum]) -> None:
    text = next(enumeration for enumeration in load_enumerations() if enumeration.name == kind.__name__)

    assert {member.name: member.value for member in text.members} == {member.name: member.value for member in kind}
