"""Files uploaded from a real PostgreSQL: Pipedrive keeps the name and the content that were given."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount, literal
from tools.engine import Server


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=20, tables=("files",), burst=100_000) as live:
        yield live


def text(value: str) -> str:
    """A SQL literal of any text."""
    return "E'" + "".join(f"\\U{ord(char):08X}" for char in value) + "'"


def kept(account: LiveAccount, key: int) -> tuple[str, str]:
    (file,) = [f for f in account.simulator.account["files"] if f["id"] == key]
    return file["name"], file["_content"]


@pytest.mark.parametrize(
    "name",
    [
        "plain.txt",
        "Ärger 尺寸 🚀.pdf",
        "a; filename=b; c.txt",
        "it's 100%.txt",
        "%22.txt",
        "a/b:c*?<>|.txt",
        " blanks ",
        "=?utf-8?q?x?=",
        "line\u2028next\x85.txt",
        "ñ" * 200,
    ],
)
def test_a_file_is_kept_under_its_name(account: LiveAccount, name: str) -> None:
    ((key, shown),) = account.rows(
        f"INSERT INTO files (file_name, content, deal_id) VALUES ({text(name)}, '\\x00ff0d0a2d2d', 1) "
        "RETURNING id, name"
    )
    assert shown == name
    assert kept(account, key) == (name, "\x00\xff\r\n--")


@pytest.mark.parametrize(
    "name", ['a"b.txt', "a\\b.txt", "a\r\nb.txt", "a\nb", "a\rb", "a\tb", "\x7f", "\x01", ""]
)
def test_a_name_that_an_upload_may_change_is_refused(account: LiveAccount, name: str) -> None:
    account.simulator.reset()
    with pytest.raises(psycopg.Error) as caught:
        account.run(f"INSERT INTO files (file_name, content) VALUES ({text(name)}, 'x')")
    assert caught.value.diag.message_primary == "pipedrive write: column file_name of files cannot be sent"
    assert account.requests() == []
    # What the error advises
    key = account.value("INSERT INTO files (file_name, content) VALUES ('other', 'x') RETURNING id")
    account.run(f"UPDATE files SET name = {text(name)} WHERE id = {key}")
    assert kept(account, key) == (name, "x")
    assert account.value(f"SELECT name FROM files WHERE id = {key}") == name


def test_a_file_without_a_name_gets_one(account: LiveAccount) -> None:
    key = account.value(f"INSERT INTO files (content) VALUES ({literal('x')}) RETURNING id")
    assert kept(account, key) == ("file", "x")
