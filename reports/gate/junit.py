"""junit.xml in the form that pytest writes with junit_family=xunit2, for CI systems that show test results.

One testsuite for each suite and head. A gated metric is a testcase: `failure` when it regressed, `skipped`
when it is inconclusive. A video that is missing, invalid or failed is a testcase with an `error`, and so
is what keeps a suite from being compared. Numbers are properties of the testsuite.
"""

from __future__ import annotations

import datetime
import platform
from xml.etree import ElementTree

from reports.gate.reading import LOST
from reports.gate.result import Compared, Result
from reports.gate.verdicts import INCONCLUSIVE, REGRESSED
from reports.gate.words import metric_sentence, sentence, verdict_text, xml_text

MOST_ERRORS = 200
NUMBERS = ("base", "head", "difference", "low", "high", "margin", "scenes", "p", "adjusted", "smallest")


def junit(result: Result, now: datetime.datetime) -> bytes:
    """The whole file."""
    root = ElementTree.Element("testsuites", name="simbench")
    for part in result.compared:
        root.append(_suite(result, part, now))
    if not result.compared:
        counts = _counts(errors=1, tests=1) if result.absent else _counts(skipped=1, tests=1)
        case = _case(
            _element(root, "testsuite", name="simbench", **counts, **_place(now)), "simbench", "baseline"
        )
        if result.absent:
            _element(case, "error", message=sentence(result)).text = xml_text(sentence(result))
        else:
            _element(case, "skipped", type="simbench.skip", message=sentence(result))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _suite(result: Result, part: Compared, now: datetime.datetime) -> ElementTree.Element:
    pair = part.pair
    version = next((str(side.version) for side in (pair.head, pair.base) if side is not None), "")
    name = f"{pair.suite}@{version}" + (f" {part.head}" if len(result.heads) > 1 else "")
    suite = ElementTree.Element("testsuite", name=xml_text(name))
    properties = _element(suite, "properties")
    for found in part.gated:
        for number in NUMBERS:
            value = getattr(found, number)
            if value is not None:
                _element(properties, "property", name=f"{found.metric}.{number}", value=repr(value))
    _element(properties, "property", name="verdict", value=part.verdict)
    for found in part.gated:
        case = _case(suite, pair.suite, found.metric)
        text = f"{metric_sentence(part, found)}: {verdict_text(found)}"
        if found.verdict == REGRESSED:
            _element(case, "failure", message=text).text = xml_text(text)
        elif found.verdict == INCONCLUSIVE:
            _element(case, "skipped", type="simbench.skip", message=text)
    for _, why in part.problems:
        _element(_case(suite, pair.suite, "comparable"), "error", message=why).text = xml_text(why)
    _lost(suite, part)
    kinds = {kind: len(suite.findall(f"testcase/{kind}")) for kind in ("error", "failure", "skipped")}
    counts = _counts(kinds["error"], kinds["failure"], kinds["skipped"], len(suite.findall("testcase")))
    suite.attrib.update({**counts, **_place(now)})
    return suite


def _lost(suite: ElementTree.Element, part: Compared) -> None:
    if part.pair.head is None:
        return
    lost = [(place, why) for place, why in sorted(part.pair.head.videos.items()) if why[0] in LOST]
    for (_, case, sample), (status, reason) in lost[:MOST_ERRORS]:
        text = f"{status}: {reason}"
        element = _element(_case(suite, part.pair.suite, f"{case}_{sample}"), "error", message=text)
        element.text = xml_text(text)
    if len(lost) > MOST_ERRORS:
        text = f"{len(lost) - MOST_ERRORS} more videos are missing, invalid or failed"
        _element(_case(suite, part.pair.suite, "others"), "error", message=text).text = text


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return _element(suite, "testcase", classname=classname, name=name, time="0.000")


def _element(parent: ElementTree.Element, kind: str, **attributes: str) -> ElementTree.Element:
    safe = {key: xml_text(value) for key, value in attributes.items()}
    return ElementTree.SubElement(parent, kind, safe)


def _counts(errors: int = 0, failures: int = 0, skipped: int = 0, tests: int = 0) -> dict[str, str]:
    return {
        "errors": str(errors),
        "failures": str(failures),
        "skipped": str(skipped),
        "tests": str(tests),
    }


def _place(now: datetime.datetime) -> dict[str, str]:
    return {"time": "0.000", "timestamp": now.isoformat(), "hostname": platform.node() or "unknown"}
