"""The body of an upload, read by the simulator's parser, which takes nothing but the strict form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.errors import WriteError
from pipedrive_fdw.plan.row_changes import encoded, insertion
from tests.simulator.checks import Form, read_body
from tests.simulator.refusal import Refusal
from tests.simulator.spec import operations

UPLOAD = operations()[1, "POST", "/files"]


def uploaded(name: str, content: bytes) -> Form:
    change = insertion(TABLES["files"], {"content": content, "file_name": name, "deal_id": 7}, {})
    body, content_type = encoded(change)
    assert body is not None
    form = read_body(UPLOAD, content_type, body)
    assert isinstance(form, Form)
    return form


@given(st.text(min_size=1), st.binary())
@example("a; b=c, (1) 100%.txt", b"\r\n--\r\n")
@example("Ärger 尺寸 🚀.pdf", b"")
@example("%22 &quot; =?utf-8?q?x?= it's", b"\r\n")
@example("\u2028\x85\u202e", b"--")
@example(" a/b ", b"\n")
@example('a"b', b"x")
@example("a\\b", b"x")
@example("a\r\nContent-Type: text/html\r\n\r\nb", b"x")
@example("tab\tbell\x07delete\x7f", b"x")
def test_a_name_arrives_as_it_is_or_is_refused(name: str, content: bytes) -> None:
    if any(char in '"\\\x7f' or char < " " for char in name):
        with pytest.raises(WriteError, match="column file_name of files cannot be sent"):
            uploaded(name, content)
        return
    form = uploaded(name, content)
    assert form.filenames == {"file": name}
    assert (form["file"], form["deal_id"]) == (content, "7")


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(WriteError, match="is empty"):
        uploaded("", b"x")


HEAD = b'Content-Disposition: form-data; name="file"; filename="a"'
GOOD = b"--b\r\n" + HEAD + b"\r\n\r\nx\r\n--b--\r\n"


@pytest.mark.parametrize(
    "body",
    [
        GOOD.replace(b"\r\n", b"\n"),
        GOOD.replace(b"--b--\r\n", b""),
        GOOD + b"more",
        b"before" + GOOD,
        GOOD.replace(b'"a"', b"a"),
        GOOD.replace(b'"a"', b'"a"b"'),
        GOOD.replace(b'"a"', rb'"a\"b"'),
        GOOD.replace(b'"a"', b'"a\tb"'),
        GOOD.replace(b'"a"', b"\"a\"; filename*=utf-8''b"),
        GOOD.replace(b'"a"', b'"\xff"'),
        GOOD.replace(b'"a"', b'""'),
        GOOD.replace(HEAD, HEAD + b"\r\n" + HEAD),
        GOOD.replace(HEAD, HEAD + b"\r\nnothing"),
        GOOD.replace(HEAD, b"Content-Type: text/plain"),
        GOOD.replace(b"--b--", b"--b\r\n" + HEAD + b"\r\n\r\ny\r\n--b--"),
        GOOD.replace(b"\r\n\r\n", b"\r\n"),
    ],
)
def test_the_simulator_takes_no_other_form(body: bytes) -> None:
    def read(given: bytes) -> Any:
        return read_body(UPLOAD, "multipart/form-data; boundary=b", given)

    assert read(GOOD)["file"] == b"x"
    with pytest.raises(Refusal):
        read(body)
