"""The file that tells a bank what to pay: ISO 20022 pain.001.001.09
(CustomerCreditTransferInitiationV09).

Elements, their order, lengths and patterns are those of the schema; for euros also those of the
European Payments Council's guidelines for it (EPC132-08: service level SEPA, charges SLEV, one
currency, 0.01 to 999,999,999.99, the Latin characters that every bank takes). The same
instruction is the same bytes.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from xml.etree import ElementTree as ET

from tradewind.core.errors import InvalidInput

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
NAME_MAX = 70
REMITTANCE_MAX = 140
PAYOUTS_MAX = 10_000
"""Of one file."""
_MOST_MINOR = 99_999_999_999
_SATURDAY = 5
_LETTERS = {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE"} | {
    "đ": "d",
    "Đ": "D",
    "ł": "l",
    "Ł": "L",
    "þ": "th",
    "Þ": "Th",
    "ð": "d",
    "&": "+",
    "_": "-",
}
_OTHERS = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")


class Account(NamedTuple):
    name: str
    iban: str
    bic: str = ""


class Transfer(NamedTuple):
    payout_id: str
    to: Account
    minor: int
    amount: str
    """A plain decimal of the currency."""
    remittance: str


class Instruction(NamedTuple):
    run_id: str
    created_at: datetime
    execute_on: date
    currency: str
    source: Account
    transfers: Sequence[Transfer]
    total: str


def pain_001(told: Instruction) -> bytes:
    """Return the file. Raises InvalidInput for what no bank would take."""
    if not 1 <= len(told.transfers) <= PAYOUTS_MAX:
        raise InvalidInput(f"a file holds 1 to {PAYOUTS_MAX:,} transfers")
    for each in told.transfers:
        if not 0 < each.minor <= _MOST_MINOR:
            raise InvalidInput(f"{each.amount} {told.currency} cannot be sent in one transfer")
    document = ET.Element("Document", xmlns=NAMESPACE)
    initiation = ET.SubElement(document, "CstmrCdtTrfInitn")
    count = str(len(told.transfers))
    header = ET.SubElement(initiation, "GrpHdr")
    created = told.created_at.astimezone(UTC)
    _add(header, "MsgId", reference(told.run_id))
    _add(header, "CreDtTm", f"{created:%Y-%m-%dT%H:%M:%SZ}")
    _add(header, "NbOfTxs", count)
    _add(header, "CtrlSum", told.total)
    _name(_part(header, "InitgPty"), told.source.name)
    payment = ET.SubElement(initiation, "PmtInf")
    _add(payment, "PmtInfId", reference(told.run_id))
    _add(payment, "PmtMtd", "TRF")
    _add(payment, "BtchBookg", "false")
    _add(payment, "NbOfTxs", count)
    _add(payment, "CtrlSum", told.total)
    is_sepa = told.currency == "EUR"
    if is_sepa:
        _add(_part(payment, "PmtTpInf", "SvcLvl"), "Cd", "SEPA")
    _add(_part(payment, "ReqdExctnDt"), "Dt", told.execute_on.isoformat())
    _name(_part(payment, "Dbtr"), told.source.name)
    account = _part(payment, "DbtrAcct")
    _add(_part(account, "Id"), "IBAN", told.source.iban)
    _add(account, "Ccy", told.currency)
    agent = _part(payment, "DbtrAgt", "FinInstnId")
    if told.source.bic:
        _add(agent, "BICFI", told.source.bic)
    else:
        _add(_part(agent, "Othr"), "Id", "NOTPROVIDED")
    _add(payment, "ChrgBr", "SLEV" if is_sepa else "SHAR")
    for each in told.transfers:
        _transfer(payment, each, told.currency)
    ET.indent(document)
    return ET.tostring(document, encoding="UTF-8", xml_declaration=True) + b"\n"


def reference(own_id: str) -> str:
    """Return an id of ours in characters that banks carry: at most 35 of them."""
    return latin(own_id, 35)


def latin(text: str, longest: int) -> str:
    """Return a text in the Latin characters that every bank takes; others become dots."""
    spelt = "".join(_LETTERS.get(each, each) for each in text)
    plain = "".join(
        each for each in unicodedata.normalize("NFKD", spelt) if not unicodedata.combining(each)
    )
    # A slash at either end, and two of them, mean something to banks.
    found = _OTHERS.sub(".", plain)[:longest].replace("//", "/.").strip("/ ")
    return found or "."


def next_banking_day(day: date) -> date:
    """Return that day, or the Monday behind it: banks do not execute on weekends."""
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return day


def _transfer(payment: ET.Element, told: Transfer, currency: str) -> None:
    one = ET.SubElement(payment, "CdtTrfTxInf")
    _add(_part(one, "PmtId"), "EndToEndId", reference(told.payout_id))
    amount = _add(_part(one, "Amt"), "InstdAmt", told.amount)
    amount.set("Ccy", currency)
    if told.to.bic:
        _add(_part(one, "CdtrAgt", "FinInstnId"), "BICFI", told.to.bic)
    _name(_part(one, "Cdtr"), told.to.name)
    _add(_part(one, "CdtrAcct", "Id"), "IBAN", told.to.iban)
    _add(_part(one, "RmtInf"), "Ustrd", latin(told.remittance, REMITTANCE_MAX))


def _name(party: ET.Element, name: str) -> None:
    _add(party, "Nm", latin(name, NAME_MAX))


def _part(parent: ET.Element, *names: str) -> ET.Element:
    for name in names:
        parent = ET.SubElement(parent, name)
    return parent


def _add(parent: ET.Element, name: str, text: str) -> ET.Element:
    found = ET.SubElement(parent, name)
    found.text = text
    return found
