"""Whether a text is a report of tests by the schema of somebody who reads them: Jenkins's plugin for xUnit."""

from pathlib import Path
from xml.etree import ElementTree as Xml

import xmlschema

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "junit-10.xsd")


def check_junit(text: str) -> Xml.Element:
    """The suites of a text that obeys the schema, is of one suite, and counts its cases right."""
    suites = Xml.fromstring(text)  # noqa: S314  # written here
    SCHEMA.validate(suites)
    (suite,) = suites
    for attribute, path in (("tests", "testcase"), ("failures", ".//failure"), ("skipped", ".//skipped")):
        assert int(suite.attrib[attribute]) == len(suite.findall(path))
    # The schema leaves these free, and other servers do not: properties come first, and a case is of a class.
    assert [child.tag for child in suite] == ["properties"] + ["testcase"] * len(suite.findall("testcase"))
    assert all(case.get("classname") for case in suite.iter("testcase"))
    return suites
