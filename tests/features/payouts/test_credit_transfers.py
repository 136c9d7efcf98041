"""The file for the bank against the rules of its schema, as far as they can be written down.

The rules are those of pain.001.001.09 with the European Payments Council's (EPC132-08) on them:
which elements, in which order, how often, and what their texts look like.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.errors import InvalidInput
from tradewind.core.ids import PayoutId, PayoutRunId
from tradewind.features.payouts.rules.credit_transfers import (
    NAMESPACE,
    Account,
    Instruction,
    Transfer,
    latin,
    next_banking_day,
    pain_001,
)

AT = datetime(2030, 4, 8, 9, 30, tzinfo=UTC)
LATIN = r"[A-Za-z0-9/\-?:().,'+ ]"
IBAN = r"[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{1,30}"
BIC = r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?"
AMOUNT = r"[0-9]{1,13}(\.[0-9]{1,5})?"


@dataclass
class Rule:
    """An element: its parts as (name, rule, least, most), or the pattern of its text."""

    parts: list[tuple[str, "Rule", int, int]] = field(default_factory=list)
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def reads(pattern: str, **attributes: str) -> Rule:
    return Rule(text=pattern, attributes=attributes)


def holds(*parts: tuple[str, Rule] | tuple[str, Rule, int, int]) -> Rule:
    return Rule([(*each, 1, 1) if len(each) == 2 else each for each in parts])


def max_text(longest: int) -> Rule:
    return reads(f"{LATIN}{{1,{longest}}}")


NAME = holds(("Nm", max_text(70)))
ACCOUNT = ("Id", holds(("IBAN", reads(IBAN))))
AGENT_BY_BIC = holds(("FinInstnId", holds(("BICFI", reads(BIC)))))
AGENT = holds(
    (
        "FinInstnId",
        holds(
            ("BICFI", reads(BIC), 0, 1),
            ("Othr", holds(("Id", reads("NOTPROVIDED"))), 0, 1),
        ),
    )
)
TRANSFER = holds(
    ("PmtId", holds(("InstrId", max_text(35), 0, 1), ("EndToEndId", max_text(35)))),
    ("Amt", holds(("InstdAmt", reads(AMOUNT, Ccy="[A-Z]{3}")))),
    ("CdtrAgt", AGENT_BY_BIC, 0, 1),
    ("Cdtr", NAME),
    ("CdtrAcct", holds(ACCOUNT)),
    ("RmtInf", holds(("Ustrd", max_text(140), 0, 1)), 0, 1),
)
DOCUMENT = holds(
    (
        "CstmrCdtTrfInitn",
        holds(
            (
                "GrpHdr",
                holds(
                    ("MsgId", max_text(35)),
                    ("CreDtTm", reads(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")),
                    ("NbOfTxs", reads("[0-9]{1,15}")),
                    ("CtrlSum", reads(AMOUNT)),
                    ("InitgPty", NAME),
                ),
            ),
            (
                "PmtInf",
                holds(
                    ("PmtInfId", max_text(35)),
                    ("PmtMtd", reads("TRF")),
                    ("BtchBookg", reads("true|false"), 0, 1),
                    ("NbOfTxs", reads("[0-9]{1,15}")),
                    ("CtrlSum", reads(AMOUNT)),
                    ("PmtTpInf", holds(("SvcLvl", holds(("Cd", reads("SEPA"))))), 0, 1),
                    ("ReqdExctnDt", holds(("Dt", reads(r"\d{4}-\d\d-\d\d")))),
                    ("Dbtr", NAME),
                    ("DbtrAcct", holds(ACCOUNT, ("Ccy", reads("[A-Z]{3}"), 0, 1))),
                    ("DbtrAgt", AGENT),
                    ("ChrgBr", reads("SLEV|SHAR")),
                    ("CdtTrfTxInf", TRANSFER, 1, 10_000),
                ),
                1,
                1_000,
            ),
        ),
    )
)


def broken(element: ET.Element, rule: Rule, path: str = "Document") -> list[str]:
    """Return what of an element the rule does not allow."""
    if not rule.parts:
        said = element.text or ""
        wrong = [] if re.fullmatch(rule.text, said) else [f"{path}: {said!r}"]
        if set(element.attrib) != set(rule.attributes):
            wrong.append(f"{path}: attributes {element.attrib}")
        wrong += [
            f"{path}/@{name}"
            for name, pattern in rule.attributes.items()
            if not re.fullmatch(pattern, element.get(name, ""))
        ]
        return wrong + ([f"{path} has parts"] if len(element) else [])
    wrong = [f"{path}: attributes"] if element.attrib else []
    left = list(element)
    for name, part, least, most in rule.parts:
        found = 0
        while left and left[0].tag == f"{{{NAMESPACE}}}{name}":
            wrong += broken(left.pop(0), part, f"{path}/{name}")
            found += 1
        if not least <= found <= most:
            wrong.append(f"{path}/{name}: {found} times")
    return wrong + [f"{path}/{each.tag}: not allowed here" for each in left]


def transfer(**more) -> Transfer:
    values = {
        "payout_id": str(PayoutId.new()),
        "to": Account("Acme Söhne & Co. <AG>", "DE89370400440532013000", "COBADEFFXXX"),
        "minor": 9_700,
        "amount": "97.00",
        "remittance": "Payout pyt_1 of acme",
    }
    return Transfer(**values | more)


def instruction(*transfers, **more) -> Instruction:
    values = {
        "run_id": str(PayoutRunId.new()),
        "created_at": AT,
        "execute_on": AT.date(),
        "currency": "EUR",
        "source": Account("Tradewind Hosting GmbH", "DE75512108001245126199"),
        "transfers": transfers or (transfer(),),
        "total": "97.00",
    }
    return Instruction(**values | more)


@pytest.mark.parametrize("currency", ["EUR", "CHF"])
@pytest.mark.parametrize("bic", ["", "COBADEFF"])
def test_the_file_keeps_the_rules_of_its_schema(currency, bic):
    to = Account("Zażółć gęślą jaźń 株式会社 //x/", "PL61109010140000071219812874", bic)
    told = instruction(transfer(to=to), transfer(), currency=currency, total="194.00")
    data = pain_001(told)
    assert data.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    root = ET.fromstring(data)
    assert root.tag == f"{{{NAMESPACE}}}Document"
    assert broken(root, DOCUMENT) == []
    assert pain_001(told) == data


def test_the_rules_find_what_is_wrong():
    root = ET.fromstring(pain_001(instruction()))
    [payment] = root[0].findall(f"{{{NAMESPACE}}}PmtInf")
    [payer], [method] = (payment.findall(f"{{{NAMESPACE}}}{name}") for name in ("Dbtr", "PmtMtd"))
    payment.remove(payer)
    method.text = "CHK"
    assert broken(root, DOCUMENT) == [
        "Document/CstmrCdtTrfInitn/PmtInf/PmtMtd: 'CHK'",
        "Document/CstmrCdtTrfInitn/PmtInf/Dbtr: 0 times",
    ]


def test_counts_and_sums_are_those_of_the_transfers():
    told = instruction(transfer(), transfer(minor=1, amount="0.01"), total="97.01")
    root = ET.fromstring(pain_001(told))
    amounts = [each.text for each in root.iter(f"{{{NAMESPACE}}}InstdAmt")]
    assert amounts == ["97.00", "0.01"]
    assert {each.text for each in root.iter(f"{{{NAMESPACE}}}CtrlSum")} == {"97.01"}
    assert {each.text for each in root.iter(f"{{{NAMESPACE}}}NbOfTxs")} == {"2"}


@pytest.mark.parametrize("minor", [0, -1, 100_000_000_000])
def test_what_no_bank_would_take_is_refused(minor):
    with pytest.raises(InvalidInput):
        pain_001(instruction(transfer(minor=minor)))
    with pytest.raises(InvalidInput):
        pain_001(instruction()._replace(transfers=()))


@given(st.text(max_size=200), st.integers(1, 140))
def test_any_name_becomes_latin(text, longest):
    found = latin(text, longest)
    assert re.fullmatch(f"{LATIN}{{1,{longest}}}", found)
    assert not found.startswith("/")
    assert "//" not in found


@pytest.mark.parametrize(
    ("day", "executed"),
    [
        (date(2030, 4, 5), date(2030, 4, 5)),
        (date(2030, 4, 6), date(2030, 4, 8)),
        (date(2030, 4, 7), date(2030, 4, 8)),
    ],
)
def test_banks_do_not_execute_on_weekends(day, executed):
    assert next_banking_day(day) == executed
