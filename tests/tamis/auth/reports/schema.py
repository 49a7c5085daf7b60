"""schema - the structure of aggregate reports as tables: RFC 9990 appendix A, RFC 7489 appendix C.

An element is its children in a row ("sequence") or in any order ("all"), each with how often it may stand; or the words
that its text may be; or a pattern of its text.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

ANY = r"(?s).*"
NUMBER = r"[0-9]+"
POLICY = "none|quarantine|reject"
VERDICT = "pass|fail"
RESULT = "none|pass|fail|policy|neutral|temperror|permerror"
ONE, MAYBE, SOME, MANY = (1, 1), (0, 1), (1, 10**9), (0, 10**9)

Children = dict[str, tuple[int, int]]
Shape = tuple[str, Children] | str

_SHARED: dict[str, Shape] = {
    "report_metadata/org_name": ANY,
    "report_metadata/email": ANY,
    "report_metadata/extra_contact_info": ANY,
    "report_metadata/report_id": ANY,
    "report_metadata/error": ANY,
    "report_metadata/generator": ANY,
    "report_metadata/date_range": ("all", {"begin": ONE, "end": ONE}),
    "date_range/begin": NUMBER,
    "date_range/end": NUMBER,
    "feedback/version": r"1\.0",
    "policy_published/domain": ANY,
    "policy_published/p": POLICY,
    "policy_published/sp": POLICY,
    "policy_published/adkim": "r|s",
    "policy_published/aspf": "r|s",
    "policy_published/fo": ANY,
    "feedback/record": ("sequence", {"row": ONE, "identifiers": ONE, "auth_results": ONE}),
    "record/row": ("all", {"source_ip": ONE, "count": ONE, "policy_evaluated": ONE}),
    "row/source_ip": r"[0-9a-f.:]+",
    "row/count": NUMBER,
    "row/policy_evaluated": ("sequence", {"disposition": ONE, "dkim": ONE, "spf": ONE, "reason": MANY}),
    "policy_evaluated/dkim": VERDICT,
    "policy_evaluated/spf": VERDICT,
    "policy_evaluated/reason": ("all", {"type": ONE, "comment": MAYBE}),
    "reason/comment": ANY,
    "identifiers/header_from": ANY,
    "identifiers/envelope_from": ANY,
    "dkim/domain": ANY,
    "dkim/selector": ANY,
    "dkim/result": RESULT,
    "spf/domain": ANY,
}

RFC9990: dict[str, Shape] = _SHARED | {
    "feedback": (
        "sequence",
        {
            "version": MAYBE,
            "report_metadata": ONE,
            "policy_published": ONE,
            "extension": MAYBE,
            "record": SOME,
        },
    ),
    "feedback/report_metadata": (
        "all",
        {
            "org_name": ONE,
            "email": ONE,
            "extra_contact_info": MAYBE,
            "report_id": ONE,
            "date_range": ONE,
            "error": MAYBE,
            "generator": MAYBE,
        },
    ),
    "feedback/policy_published": (
        "all",
        {"domain": ONE, "p": ONE}
        | dict.fromkeys(["sp", "np", "adkim", "aspf", "discovery_method", "fo", "testing"], MAYBE),
    ),
    "policy_published/np": POLICY,
    "policy_published/discovery_method": "psl|treewalk",
    "policy_published/testing": "y|n",
    "policy_evaluated/disposition": "none|pass|quarantine|reject",
    "reason/type": "local_policy|mailing_list|other|policy_test_mode|trusted_forwarder",
    "record/identifiers": ("all", {"header_from": ONE, "envelope_from": MAYBE, "envelope_to": MAYBE}),
    "record/auth_results": ("sequence", {"dkim": MANY, "spf": MAYBE}),
    "auth_results/dkim": ("all", {"domain": ONE, "selector": ONE, "result": ONE, "human_result": MAYBE}),
    "auth_results/spf": ("all", {"domain": ONE, "scope": MAYBE, "result": ONE, "human_result": MAYBE}),
    "spf/scope": "mfrom",
    "spf/result": f"{RESULT}|softfail",
}

RFC7489: dict[str, Shape] = _SHARED | {
    "feedback": (
        "sequence",
        {"version": ONE, "report_metadata": ONE, "policy_published": ONE, "record": SOME},
    ),
    "feedback/report_metadata": (
        "sequence",
        {
            "org_name": ONE,
            "email": ONE,
            "extra_contact_info": MAYBE,
            "report_id": ONE,
            "date_range": ONE,
            "error": MANY,
        },
    ),
    "feedback/policy_published": (
        "all",
        {"domain": ONE, "adkim": MAYBE, "aspf": MAYBE, "p": ONE, "sp": MAYBE, "pct": ONE, "fo": MAYBE},
    ),
    "policy_published/pct": NUMBER,
    "policy_evaluated/disposition": POLICY,
    "reason/type": "forwarded|sampled_out|trusted_forwarder|mailing_list|local_policy|other",
    "record/identifiers": ("all", {"envelope_to": MAYBE, "envelope_from": ONE, "header_from": ONE}),
    "record/auth_results": ("sequence", {"dkim": MANY, "spf": SOME}),
    "auth_results/dkim": ("all", {"domain": ONE, "selector": MAYBE, "result": ONE, "human_result": MAYBE}),
    "auth_results/spf": ("all", {"domain": ONE, "scope": ONE, "result": ONE}),
    "spf/scope": "helo|mfrom",
    "spf/result": "none|neutral|pass|fail|softfail|temperror|permerror",
}


def complaints(
    element: Element, shapes: dict[str, Shape], namespace: str = "", parent: str = ""
) -> list[str]:
    """Where *element* is not of its shape."""
    space, _, name = element.tag.rpartition("}")
    path = f"{parent}/{name}" if parent else name
    if space.removeprefix("{") != namespace:
        return [f"{path}: in the namespace {space}"]
    shape = shapes.get(path)
    if shape is None:
        return [f"{path}: is not known"]
    if isinstance(shape, str):
        text = element.text or ""
        return [] if not len(element) and re.fullmatch(shape, text) else [f"{path}: {text!r}"]
    order, children = shape
    names = [child.tag.rpartition("}")[2] for child in element]
    wrong = [f"{path}: {one} is not known" for one in names if one not in children]
    wrong += [
        f"{path}: {one} stands {names.count(one)} times"
        for one, (least, most) in children.items()
        if not least <= names.count(one) <= most
    ]
    if order == "sequence" and names != sorted(names, key=list(children).index):
        wrong.append(f"{path}: order")
    for child in element:
        wrong += complaints(child, shapes, namespace, name)
    return wrong
