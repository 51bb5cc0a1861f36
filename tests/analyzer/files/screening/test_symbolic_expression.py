import pytest

from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.screening.symbolic_expression import check_expression

PLAIN = [
    "s0",
    "64",
    "2*s0 + 1",
    "Symbol('s77', positive=True, integer=True)",
    "Add(Mul(Integer(2), Symbol('s0', positive=True, integer=True)), Integer(-1))",
    "FloorDiv(Symbol('s0', integer=True), Integer(32))",
    "Max(1, Mod(s1, 7))",
    "(s0 - 3)//2 <= 17",
    "Pow(Symbol('s0', positive=True, integer=True), Integer(2))",
    "Mul(Pow(Add(Symbol('s0', integer=True), Integer(7)), Integer(2)), Pow(Max(1, s1), Integer(3)), Integer(99))",
    "1000*s0**2 + 2000*(s1 + 3000)**2 - 5000",
    "PowByNatural(4000*s0 + 1, 2)",
    "Pow(Pow(Pow(9, 8), 8), 8)",
    "Eq(s0, s1) & (u0 >= 2)",
    "IntTrueDiv(s0, 2)",
    "int_oo",
]
HARMFUL = [
    "__import__('os').system('true')",
    "s0.__class__",
    "exec('1')",
    "(lambda: 1)()",
    "[s0 for s0 in (1,)]",
    "s0; s1",
    "Symbol('s0').func('x')",
    "Symbol('__import__', integer=True)",
    "Symbol('s0', integer=exec)",
    "10**10**10",
    "(9*9*9*9)**(9*9*9*9*9*9*9*9)",
    "Pow(Pow(Pow(Integer(9), Integer(99)), Integer(99)), Integer(99))",
    "PowByNatural(9, 999999999)",
    "9**(9**8)",
    "2**8**8**8",
    "9**8**8 * s0",
    "Pow(9, Pow(9, 8))",
    "Pow(9, 8 * Pow(9, 8))",
    "Pow(9, 8)**(9**8)",
    "Pow(Pow(Pow(Pow(Pow(9, 8), 8), 8), 8), 8)",
    "((((9**8)**8)**8)**8)**8",
    "Pow(9",
    "Pow(9, ",
    "LShift(1, 99999999999)",
    "9" * 5000,
    "(" * 3000 + "s0" + ")" * 3000,
    "Sum(s0, (s0, 1, 99))",
    "s0(1)",
    "f'{s0}'",
    "",
    "s0 s1",
    "(s0",
    "os",
]


@pytest.mark.parametrize("text", PLAIN)
def test_sizes_as_pytorch_writes_them_are_accepted(text: str) -> None:
    check_expression(text)


@pytest.mark.parametrize("text", HARMFUL)
def test_what_python_could_make_more_of_is_refused(text: str) -> None:
    with pytest.raises(SuspectError, match="no plain expression"):
        check_expression(text)
