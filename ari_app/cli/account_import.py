"""Accounts from a CSV file: every fault is found before anything is kept."""

import csv
import io
from collections.abc import Collection
from datetime import datetime
from typing import Any

from ari_app.cli.output import language
from ari_app.domain.account import (
    Device,
    Role,
    check_device_number,
    check_email,
    check_login,
    check_name,
    check_password,
)
from ari_app.domain.numbers import TollPolicy
from ari_app.errors import (
    AlreadyExistsError,
    ColumnCountError,
    FileEncodingError,
    ImportRefusedError,
    KakehashiError,
    MissingColumnError,
    UnknownColumnError,
    UnknownWordError,
)
from web.language import error_text

COLUMNS = ("login", "role", "name", "agent", "device", "number", "email", "verified", "password")
REQUIRED = ("login", "role")
_TRUTH = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


def read_accounts(
    content: bytes, logins: Collection[str], company_numbers: Collection[str], toll: TollPolicy, now: datetime
) -> list[dict[str, Any]]:
    """The accounts of a CSV file, as columns of the table and `password`; `logins` exist already.

    Raises ImportRefusedError with every bad row by line and field.
    """
    faults: list[dict[str, Any]] = []
    reader = csv.DictReader(io.StringIO(_decode(content), newline=""), restkey="", restval=None)
    head = reader.fieldnames or []
    for column in REQUIRED:
        if column not in head:
            faults.append(_fault(1, MissingColumnError(field=column)))
    for column in head:
        if column not in COLUMNS:
            faults.append(_fault(1, UnknownColumnError(field=column, columns=", ".join(COLUMNS))))
    accounts: list[dict[str, Any]] = []
    if not faults:
        seen = set(logins)
        for row in reader:
            account, wrong = _read(row, seen, company_numbers, toll, now)
            accounts.append(account)
            faults += [_fault(reader.line_num, error) for error in wrong]
    if faults:
        raise ImportRefusedError(count=len(faults), rows=faults)
    return accounts


def _read(
    row: dict[str, Any], seen: set[str], company_numbers: Collection[str], toll: TollPolicy, now: datetime
) -> tuple[dict[str, Any], list[KakehashiError]]:
    """One account, and everything that is wrong with it."""
    if "" in row or None in row.values():
        return {}, [ColumnCountError()]
    cells = {column: (row.get(column) or "").strip() for column in COLUMNS}
    wrong: list[KakehashiError] = []

    def take(read: Any, *arguments: Any, **words: Any) -> Any:
        try:
            return read(*arguments, **words)
        except KakehashiError as error:
            wrong.append(error)
            return None

    device = take(_word, {word.value: word for word in Device}, cells["device"] or Device.EXTERNAL.value, "device")
    account = {
        "login": take(_new_login, cells["login"], seen),
        "role": take(_word, {word.value: word for word in Role}, cells["role"], "role"),
        "name": take(check_name, cells["name"] or cells["login"]),
        "agent": take(_word, _TRUTH, cells["agent"].lower(), "agent"),
        "device": device,
        "device_number": (
            take(check_device_number, cells["number"], device, company_numbers, toll)
            if cells["number"] and device
            else None
        ),
        "email": take(check_email, cells["email"]) if cells["email"] else None,
        "verified_at": now if take(_word, _TRUTH, cells["verified"].lower(), "verified") else None,
        "password": take(check_password, cells["password"]) if cells["password"] else None,
    }
    return account, wrong


def _new_login(text: str, seen: set[str]) -> str:
    login = check_login(text)
    if login in seen:
        raise AlreadyExistsError(field="login", value=login)
    seen.add(login)
    return login


def _word(words: dict[str, Any], text: str, field: str) -> Any:
    if text not in words:
        raise UnknownWordError(field=field, words=", ".join(filter(None, words)))
    return words[text]


def _fault(line: int, error: KakehashiError) -> dict[str, Any]:
    field = "number" if error.field == "device_number" else error.field
    return {"line": line, "field": field, "code": error.code, "message": error_text(error, language())}


def _decode(content: bytes) -> str:
    """UTF-8 with or without its mark; what is not UTF-8 is what a Japanese Excel writes, CP932."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp932")
    except UnicodeDecodeError:
        raise FileEncodingError(field="file") from None
