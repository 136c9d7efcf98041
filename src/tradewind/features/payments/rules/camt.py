"""Reads statements of a bank: ISO 20022 camt.053 (BankToCustomerStatement), versions 02 to 13.

Element names are those of the message definition report; between versions those we read moved in
two places (`Sts/Cd`, `Dbtr/Pty/Nm`), and both are read. A file is hostile until parsed: a document
type definition is refused where it begins, so that no entity is declared, expanded or fetched.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import NamedTuple
from xml.parsers import expat

from tradewind.core.creditor_references import normalized
from tradewind.core.errors import InvalidInput
from tradewind.core.money import parse_nanos
from tradewind.features.payments.schemas import BankLine

FILE_MAX_BYTES = 1024 * 1024
LINES_MAX = 5_000
_DEPTH_MAX = 40
_ELEMENTS_MAX = 400_000
_TEXT_MAX = 500
_SPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.[0-9]{2}")


class StatementLine(NamedTuple):
    line: BankLine
    fingerprint: bytes
    """The same in every statement that has this booking."""


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, str]
    parts: list["_Element"] = field(default_factory=list["_Element"])
    texts: list[str] = field(default_factory=list[str])

    def every(self, path: str) -> Iterator["_Element"]:
        name, _, rest = path.partition("/")
        for part in self.parts:
            if part.name == name:
                if rest:
                    yield from part.every(rest)
                else:
                    yield part

    def text(self, *paths: str) -> str:
        """Return the text at the first of these paths that is there."""
        for path in paths:
            for found in self.every(path):
                return "".join(found.texts).strip()
        return ""


def read_statements(data: bytes) -> list[StatementLine]:
    """Return the bookings of a file. Raises InvalidInput for what is no camt.053 file."""
    if len(data) > FILE_MAX_BYTES:
        raise InvalidInput(f"the file is larger than {FILE_MAX_BYTES} bytes")
    document = _parsed(data)
    if document.name != "Document" or not _SPACE.fullmatch(document.attributes.get("xmlns", "")):
        raise InvalidInput("this is no camt.053 file", hint="ask the bank for camt.053 statements")
    lines: list[StatementLine] = []
    for statement in document.every("BkToCstmrStmt/Stmt"):
        account = _cut(statement.text("Acct/Id/IBAN", "Acct/Id/Othr/Id"))
        if not account:
            raise InvalidInput("a statement does not say of which account it is")
        seen: dict[bytes, int] = {}
        for entry in statement.every("Ntry"):
            if entry.text("Sts/Cd", "Sts") != "BOOK":
                continue  # Announced, and not booked yet: it comes again.
            for line in _lines_of(entry, account):
                digest = _digest(line)
                seen[digest] = seen.get(digest, 0) + 1
                lines.append(
                    StatementLine(line, sha256(digest + str(seen[digest]).encode()).digest())
                )
                if len(lines) > LINES_MAX:
                    raise InvalidInput(f"the file has more than {LINES_MAX} bookings")
    return lines


def _lines_of(entry: _Element, account: str) -> list[BankLine]:
    """Return the transfers of an entry. A bank may book many as one: where their amounts do not add
    up to it, it stays one.
    """
    whole = _line(entry, entry, account)
    details = list(entry.every("NtryDtls/TxDtls"))
    if len(details) == 1:
        return [_line(entry, details[0], account)._replace(nanos=whole.nanos)]
    lines = [_line(entry, part, account) for part in details]
    is_split = bool(lines) and sum(line.nanos for line in lines) == whole.nanos
    return lines if is_split and all(line.currency == whole.currency for line in lines) else [whole]


def _line(entry: _Element, part: _Element, account: str) -> BankLine:
    nanos, currency = _amount(part) or _amount(entry) or (0, "")
    if not currency:
        raise InvalidInput("a booking has no amount")
    direction = part.text("CdtDbtInd") or entry.text("CdtDbtInd")
    if direction not in {"CRDT", "DBIT"}:
        raise InvalidInput("a booking does not say whether it came in or left")
    structured = part.text("RmtInf/Strd/CdtrRefInf/Ref")
    free = " ".join("".join(each.texts) for each in part.every("RmtInf/Ustrd"))
    booked = entry.text("BookgDt/Dt", "BookgDt/DtTm")[:10]
    try:
        booked_on = date.fromisoformat(booked)
    except ValueError:
        raise InvalidInput("a booking has no date") from None
    return BankLine(
        account=account,
        booked_on=booked_on,
        nanos=nanos if direction == "CRDT" else -nanos,
        currency=currency,
        reference=normalized(structured),
        remittance=_cut(f"{structured} {free}"),
        payer=_cut(part.text("RltdPties/Dbtr/Pty/Nm", "RltdPties/Dbtr/Nm")),
        bank_reference=_cut(
            part.text("Refs/AcctSvcrRef") or entry.text("AcctSvcrRef") or part.text("Refs/TxId")
        ),
        is_reversal=entry.text("RvslInd") == "true",
    )


def _amount(part: _Element) -> tuple[int, str] | None:
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        for found in part.every(path):
            currency = found.attributes.get("Ccy", "")
            try:
                nanos = parse_nanos("".join(found.texts).strip())
            except ValueError:
                raise InvalidInput("an amount cannot be read") from None
            if nanos < 0 or not re.fullmatch(r"[A-Z]{3}", currency):
                raise InvalidInput("an amount cannot be read")
            return nanos, currency
    return None


def _digest(line: BankLine) -> bytes:
    """Hash what a booking is known by: what its bank calls it, else all that is said of it."""
    told = [line.account, line.booked_on.isoformat(), str(line.nanos), line.currency]
    told += [line.bank_reference] if line.bank_reference else [line.remittance, line.payer]
    return sha256("\n".join(told).encode()).digest()


def _cut(text: str) -> str:
    return "".join(
        character if character.isprintable() else " " for character in " ".join(text.split())
    )[:_TEXT_MAX]


def _parsed(data: bytes) -> _Element:
    """Return the root. Names are without prefixes: one message has one name space."""
    root = _Element("", {})
    open_elements, count = [root], 0
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > _ELEMENTS_MAX or len(open_elements) > _DEPTH_MAX:
            raise InvalidInput("the file has too many elements, or too deep ones")
        space, _, local = name.rpartition(" ")
        element = _Element(local, attributes)
        if len(open_elements) == 1:
            element.attributes = {**attributes, "xmlns": space}
        open_elements[-1].parts.append(element)
        open_elements.append(element)

    def end(_name: str) -> None:
        open_elements.pop()

    def text(characters: str) -> None:
        open_elements[-1].texts.append(characters)

    def refuse(*_: object) -> None:
        raise InvalidInput("the file declares a document type, which statements never do")

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise InvalidInput(f"the file is no XML: line {error.lineno}") from error
    return root.parts[0]
