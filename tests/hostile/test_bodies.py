"""Answers that are too large, too deep, packed too often, or say numbers that are none: a clear error or the
right value, in bounded time and memory; after a write nothing but that its outcome is unknown."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from pipedrive_fdw.api.client import Answer, ApiToken, Client, Signed, Spent
from pipedrive_fdw.api.transport import MAX_BODY, RequestsTransport
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.custom_fields.columns import custom_columns
from pipedrive_fdw.custom_fields.field import read_fields
from pipedrive_fdw.errors import ConnectError, OptionError, OutcomeUnknownError, PipedriveError, ProtocolError
from pipedrive_fdw.extension.import_schema import imported_table
from pipedrive_fdw.options import read_options
from pipedrive_fdw.values.codec import CODECS
from pipedrive_fdw.values.jsontext import check_exact, doubles, parse_exact, parse_json, parse_row, to_json
from tests.hostile.answers import as_json, odd_value
from tests.hostile.raw import response, serving
from tests.hostile.unlimited import Unlimited

# urllib3 leaves the sockets of answers that it cannot read to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
MEBIBYTE = 2**20
GOOD = b'{"success": true, "data": [{"id": 1}]}'


@pytest.fixture
def transport() -> Iterator[RequestsTransport]:
    made = RequestsTransport(5, 20)
    yield made
    made.close()


def client(transport: Any, address: str) -> Client:
    credential = ApiToken(Signed({"x-api-token": "a-token-of-the-tests"}, address), "k" * 64)
    return Client(credential, transport, Unlimited(None, "k" * 64, "c" * 64), lambda seconds, exchange: None)


def called(transport: RequestsTransport, address: str, method: str = "GET") -> Answer | PipedriveError:
    """What one call gives."""
    try:
        return client(transport, address).call(
            method, 2, "/deals", tokens=1, exchange=Exchange(), spent=Spent(), body=b"{}"
        )
    except PipedriveError as error:
        return error


def outcome(transport: RequestsTransport, given: bytes, method: str = "GET") -> Answer | PipedriveError:
    """What one call gives whose answers are all *given*."""
    with serving(lambda head, body: given) as address:
        return called(transport, address, method)


def body_of(payload: Any) -> bytes:
    return json.dumps(payload).encode()


# ---- what is packed


def packed(body: bytes, *encodings: str) -> bytes:
    for encoding in encodings:
        body = gzip.compress(body, 9) if encoding == "gzip" else zlib.compress(body, 9)
    return response(body, "200 OK", f"Content-Encoding: {', '.join(encodings)}")


def bare(body: bytes) -> bytes:
    """Deflate without zlib's header, as some servers send it."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    return made.compress(body) + made.flush()


def chunked(body: bytes, size: int, *headers: str) -> bytes:
    """*body* in chunks of *size* bytes."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return response(chunks + b"0\r\n\r\n", "200 OK", "Transfer-Encoding: chunked", *headers)


LONG = body_of({"success": True, "data": [{"id": n, "name": str(n * 7919 % 10_007)} for n in range(20_000)]})
FORMS = {
    "gzip": gzip.compress(LONG),
    "gzip in three parts": b"".join(map(gzip.compress, (LONG[:9], LONG[9:70_000], LONG[70_000:]))),
    "deflate": zlib.compress(LONG),
    "bare deflate": bare(LONG),
    "plain": LONG,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [0, 7, 4_099, 65_536, 10**7])
def test_an_answer_is_read_in_every_form(transport: RequestsTransport, form: str, size: int) -> None:
    """*size* is that of a chunk, 0 for an answer that is none of chunks."""
    encoding = form.replace("bare ", "").partition(" ")[0]
    headers = () if form == "plain" else (f"Content-Encoding: {encoding}",)
    given = chunked(FORMS[form], size, *headers) if size else response(FORMS[form], "200 OK", *headers)
    answer = outcome(transport, given)
    assert isinstance(answer, Answer) and answer.data == json.loads(LONG)["data"]


@pytest.mark.parametrize(
    "given",
    [
        packed(GOOD, "gzip", "gzip"),
        packed(GOOD, "deflate", "gzip"),
        packed(GOOD, *["gzip"] * 50),
        response(GOOD, "200 OK", "Content-Encoding: br"),
        response(GOOD, "200 OK", "Content-Encoding: zstd"),
        response(GOOD, "200 OK", "Content-Encoding: rot13"),
        response(gzip.compress(GOOD), "200 OK", "Content-Encoding: gzip", "Content-Encoding: gzip"),
    ],
    ids=["gzip twice", "deflate and gzip", "fifty times", "br", "zstd", "rot13", "two headers"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_answer_that_is_packed_otherwise_is_refused(
    transport: RequestsTransport, given: bytes, method: str
) -> None:
    error = outcome(transport, given, method)
    assert isinstance(error, ProtocolError if method == "GET" else OutcomeUnknownError)
    assert "compressed" in error.message


def test_only_what_is_understood_is_asked_for(transport: RequestsTransport) -> None:
    heads: list[bytes] = []

    def answer(head: bytes, body: bytes) -> bytes:
        heads.append(head.lower())
        return response(GOOD)

    with serving(answer) as address:
        client(transport, address).call("GET", 2, "/deals", tokens=1, exchange=Exchange(), spent=Spent())
    assert b"\r\naccept-encoding: gzip, deflate\r\n" in heads[0] + b"\r\n"


@pytest.mark.parametrize("cut", [1, 8, 20])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_packed_answer_that_ends_early_is_no_answer(
    transport: RequestsTransport, cut: int, method: str
) -> None:
    given = response(
        gzip.compress(body_of({"success": True, "data": ["x"] * 50}))[:-cut],
        "200 OK",
        "Content-Encoding: gzip",
    )
    error = outcome(transport, given, method)
    assert isinstance(error, ConnectError if method == "GET" else OutcomeUnknownError)


@pytest.mark.parametrize("name", ["Set-Cookie", "Set-Cookie2"])
@pytest.mark.parametrize("value", [f"a=b; max-age={'9' * 400}", "a=b; expires=" + "9" * 60_000, '"' * 60_000])
def test_cookies_are_not_read(transport: RequestsTransport, name: str, value: str) -> None:
    """Of odd ones Python writes a traceback to the server's log, as a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = outcome(transport, response(GOOD, "200 OK", f"{name}: {value}"))
    assert isinstance(answer, Answer) and answer.data == [{"id": 1}]
    assert name.lower() not in answer.headers


# ---- memory

MEASURE = """
import re, sys
from pipedrive_fdw.api.client import ApiToken, Client, Signed, Spent
from pipedrive_fdw.api.limits import Limits
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.api.transport import RequestsTransport
from pipedrive_fdw.errors import PipedriveError
from pipedrive_fdw.values.jsontext import parse_json

address, method = sys.argv[1:]
credential = ApiToken(Signed({"x-api-token": "a-token-of-the-tests"}, address), "k" * 64)
client = Client(credential, RequestsTransport(5, 60), Limits(None, "k", "c"), lambda seconds, exchange: None)

def call(path, method):
    try:
        client.call(method, 2, path, tokens=1, exchange=Exchange(), spent=Spent(), body=b"{}")
        return "done"
    except PipedriveError as error:
        return error.message

def peak():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1])

call("/first", "GET")
before = peak()
said = call("/bomb", method)
print((peak() - before) // 1024)
print(said)
"""


def measured(bomb: bytes, method: str = "GET") -> tuple[int, str]:
    """(MiB that a process grew by, what it said) while it took the answer *bomb*."""
    with serving(lambda head, body: bomb if b"/bomb" in head else response(GOOD)) as address:
        done = subprocess.run(  # noqa: S603 - our own
            [sys.executable, "-c", MEASURE, address, method], capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
    grown, said = done.stdout.splitlines()
    return int(grown), said


BOMBS = (
    "gzip", "gzip twice", "gzip behind a redirect", "a redirect without end", "gzip of an error",
    "many lists",
    "many objects", "many numbers", "deep",
    "a line of a chunk without end", "a chunk of a negative size", "chunks of negative sizes",
    "trailers without end", "something behind deflate", "something behind deflate in chunks",
)  # fmt: skip


@cache
def bombs() -> dict[str, bytes]:
    zeros = gzip.compress(bytes(256 * MEBIBYTE), 9)
    twice = gzip.compress(gzip.compress(bytes(1024 * MEBIBYTE), 9), 9)
    lists = b'{"data":[' + b"[]," * (8 * MEBIBYTE) + b"[]]}"
    objects = b'{"data":[' + b'{"a":1},' * (3 * MEBIBYTE) + b"{}]}"
    numbers = b'{"data":[' + b"1," * (12 * MEBIBYTE) + b"1]}"
    in_chunks = "Transfer-Encoding: chunked"
    deflated = zlib.compress(GOOD + bytes(MEBIBYTE)) + b"x" * MEBIBYTE
    location = ("302 Found", "Location: /elsewhere", "Content-Encoding: gzip")
    return {
        "gzip": response(zeros, "200 OK", "Content-Encoding: gzip"),
        "gzip twice": response(twice, "200 OK", "Content-Encoding: gzip, gzip"),
        "gzip behind a redirect": response(zeros, *location),
        "a redirect without end": response(bytes(200 * MEBIBYTE), "302 Found", "Location: /elsewhere"),
        "gzip of an error": response(zeros, "400 Bad Request", "Content-Encoding: gzip"),
        "many lists": response(gzip.compress(lists, 1), "200 OK", "Content-Encoding: gzip"),
        "many objects": response(gzip.compress(objects, 1), "200 OK", "Content-Encoding: gzip"),
        "many numbers": response(gzip.compress(numbers, 1), "200 OK", "Content-Encoding: gzip"),
        "deep": response(b'{"data":' + b"[" * 4_000_000 + b"]" * 4_000_000 + b"}"),
        "a line of a chunk without end": response(b"0" * 150 * MEBIBYTE, "200 OK", in_chunks),
        "a chunk of a negative size": response(b"-1\r\n" + bytes(150 * MEBIBYTE), "200 OK", in_chunks),
        "chunks of negative sizes": response(b"-1\r\n" * (30 * MEBIBYTE), "200 OK", in_chunks),
        "trailers without end": response(
            b"1\r\n{\r\n0\r\n" + (b"x" * 60_000 + b": y\r\n") * 2_000, "200 OK", in_chunks
        ),
        "something behind deflate": response(deflated, "200 OK", "Content-Encoding: deflate"),
        "something behind deflate in chunks": chunked(deflated, 65_536, "Content-Encoding: deflate"),
    }


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_bomb_takes_no_more_than_64_mebibytes_above_the_largest_page(name: str, method: str) -> None:
    began = time.monotonic()
    grown, said = measured(bombs()[name], method)
    assert grown <= MAX_BODY // MEBIBYTE + 64
    assert said != "done"
    assert method == "GET" or said.startswith("pipedrive outcome unknown: ") or "refuses the request" in said
    assert time.monotonic() - began < 60


def test_a_large_page_is_read() -> None:
    records = [{"id": n, "note": "ü" * 20_000} for n in range(500)]
    grown, said = measured(response(json.dumps(records, ensure_ascii=False).join(['{"data":', "}"]).encode()))
    assert said == "done" and grown <= MAX_BODY // MEBIBYTE + 64


# ---- depth, numbers, texts


@pytest.mark.parametrize("levels", [2, 50, 100])
def test_json_of_some_levels_is_read_and_written_again(levels: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
        text = f"{opening * levels}1{closing * levels}"
        assert json.loads(to_json(parse_json(text.encode()))) == json.loads(text)


@pytest.mark.parametrize("levels", [202, 300, 1000, 10_000, 1_000_000])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("form", ["[]", "{}", "[{}]", "siblings", "odd number"])
def test_json_of_very_many_levels_is_refused(
    transport: RequestsTransport, levels: int, method: str, form: str
) -> None:
    opening, closing = {
        "[]": ("[", "]"),
        "{}": ('{"a":', "}"),
        "[{}]": ('[{"a":', "}]"),
        "siblings": ("[[],", "]"),
        "odd number": ("[123456789012345678901234567890,", "]"),
    }[form]
    pairs = levels // 2 if form == "[{}]" else levels
    given = response(f'{{"success": true, "data": {opening * pairs}1{closing * pairs}}}'.encode())
    error = outcome(transport, given, method)
    assert isinstance(error, ProtocolError if method == "GET" else OutcomeUnknownError)
    assert len(str(error)) < 2_000


def test_brackets_in_texts_are_no_levels() -> None:
    for text in ("[" * 5_000, "]" * 5_000, '\\"[{' * 5_000, "{}" * 300_000):
        payload = {"data": [{"id": 1, "note": text}]}
        assert parse_json(body_of(payload)) == payload


@pytest.mark.parametrize(
    "digits",
    ["123456789012345678901234567890", "-123456789012345678901234567890", "18446744073709551616",
     "-9223372036854775809", "0.1234567890123456789012345", "1234567890123.4567890123456789",
     "1" * 5_000, "1e400", "-1e400", "12345678901234567890e300"],
)  # fmt: skip
def test_a_number_of_many_digits_keeps_them(digits: str) -> None:
    value = parse_json(f'{{"data": [{{"id": 1, "value": {digits}}}]}}'.encode())["data"][0]["value"]
    assert Decimal(str(CODECS["numeric"].load(value))) == Decimal(digits)
    assert Decimal(CODECS["text"].load(value)) == Decimal(digits)
    assert Decimal(to_json({"value": value})[9:-1].strip('"')) == Decimal(digits)


@pytest.mark.parametrize(
    "digits",
    ["1e131071", "9" * 131_072, "0." + "0" * 16_365 + "1" * 18, "1e-999999", "0e999999", "-0e-999999"],
    ids=lambda digits: digits[:20],
)  # fmt: skip
def test_what_was_read_can_be_written(digits: str) -> None:
    for more in ("1", "123456789012345678901234567890"):
        value = parse_json(f"[{digits}, {more}]".encode())
        assert parse_json(to_json(value).encode()) == value


@pytest.mark.parametrize(
    "digits",
    ["1e131072", "-1.5E+999999999", "1e99999999999999999999", "-2.5E+99999999999999999999",
     "1e" + "9" * 5_000, "9" * 131_073, "0." + "0" * 16_366 + "1" * 18],
    ids=lambda digits: digits[:20],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_number_beyond_all_types_is_no_json(transport: RequestsTransport, digits: str, method: str) -> None:
    given = response(f'{{"success": true, "data": [{{"id": 1, "value": {digits}}}]}}'.encode())
    error = outcome(transport, given, method)
    assert isinstance(error, ProtocolError if method == "GET" else OutcomeUnknownError)


@pytest.mark.parametrize(
    "digits", ["1e131072", "-1.5E+999999999", "1e99999999999999999999", "1e-99999999999999999999"]
)
@pytest.mark.parametrize("parse", [parse_exact, parse_row])
def test_a_number_that_a_user_gives_beyond_all_types_is_not_sent(parse: Any, digits: str) -> None:
    with pytest.raises(ValueError):
        check_exact(doubles(parse(f'{{"value": {digits}}}')))


@pytest.mark.parametrize("levels", [201, 400, 950, 10_000])
@pytest.mark.parametrize("parse", [parse_exact, parse_row])
def test_what_a_user_gives_has_no_more_levels_than_an_answer(parse: Any, levels: int) -> None:
    pairs = 199
    assert parse(f'{{"a": {"[" * pairs}1{"]" * pairs}}}')["a"]
    with pytest.raises(ValueError, match="levels|deeply"):
        parse(f'{{"a": {"[" * levels}1{"]" * levels}}}')


@pytest.mark.parametrize(
    "digits", ["0", "-0", "1", "9007199254740993", "9223372036854775807", "1.5", "1e5", "0.1"]
)
def test_other_numbers_are_what_they_were(digits: str) -> None:
    assert parse_json(digits.encode()) == json.loads(digits)
    assert parse_json(b"[1e400," + digits.encode() + b"]")[1] == json.loads(digits)


def test_a_value_that_a_type_cannot_hold_is_a_value_error_and_nothing_else() -> None:
    chance = random.Random(1)
    for codec in CODECS.values():
        for _ in range(2_000):
            try:
                codec.load(parse_json(as_json(odd_value(chance))))
            except ValueError as error:
                assert len(str(error)) < 500


@pytest.mark.parametrize("digits", ["9" * 30, "9" * 100_000, "²", "٣" * 5_000_00])
def test_what_no_bigint_is_is_refused_at_once(digits: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError):
        CODECS["bigint"].load(digits)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("body", [b'{"data": [NaN]}', b'{"data": [Infinity]}', b'{"data": [-Infinity]}',
                                  b'{"data": ["\\ud800", NaN]}', b'\xff{"data": []}', b"", b"\x00" * 1000,
                                  b'{"data": []}{"data": []}'])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_no_json_is_no_answer(transport: RequestsTransport, body: bytes, method: str) -> None:
    if body == b"" and method == "POST":
        return  # done, and nothing to say
    error = outcome(transport, response(body), method)
    assert isinstance(error, ProtocolError if method == "GET" else OutcomeUnknownError)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'["\\ud800"]', ["?"]),
        (b'["\\udc00\\ud800x"]', ["??x"]),
        (b'["\\ud83d\\ude00"]', ["😀"]),
        (b'["\\\\ud800"]', ["\\ud800"]),
        (b'["\\\\\\ud800"]', ["\\?"]),
        (b'["\\ud83d\\ud83d\\ude00"]', ["?😀"]),
        (b'[1.5, "\\ud800"]', [1.5, "?"]),
    ],
)
def test_halves_of_characters_become_replacements(body: bytes, value: Any) -> None:
    assert parse_json(body) == value


def test_values_of_five_megabytes_are_read(transport: RequestsTransport) -> None:
    value = 'a\u00e9\u4e2d😀[{"\\' * 600_000
    answer = outcome(transport, response(body_of({"success": True, "data": [{"id": 1, "note": value}]})))
    assert isinstance(answer, Answer) and answer.data[0]["note"] == value


# ---- headers

ODD_NUMBERS = ["nan", "inf", "-inf", "infinity", "²", "1²", "٣", "9" * 30, "9" * 5_000, "1e999", "-1", "",
"0x10",
               "1_000", " 7 ", "7.5.1", "Tue, 01 Jan 2030 00:00:00 GMT"]  # fmt: skip
NUMBERS = ["x-ratelimit-limit", "x-ratelimit-reset", "x-ratelimit-remaining",
"x-daily-ratelimit-token-remaining",
           "x-daily-ratelimit-token-limit", "retry-after"]  # fmt: skip


def header(name: str, value: str) -> str:
    return f"{name}: {value}" if value.isascii() else f"{name}: {value.encode().decode('latin-1')}"


@pytest.mark.parametrize("value", ODD_NUMBERS, ids=lambda value: ascii(value)[:30])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_header_that_is_no_number_spoils_no_answer(
    transport: RequestsTransport, name: str, value: str
) -> None:
    for method in ("GET", "POST"):
        answer = outcome(transport, response(GOOD, "200 OK", header(name, value)), method)
        assert isinstance(answer, Answer) and answer.data == [{"id": 1}]
        for status in ("429 Too Many Requests", "503 Service Unavailable"):
            error = outcome(transport, response(b"{}", status, header(name, value)), method)
            assert isinstance(error, PipedriveError)


@pytest.mark.parametrize(
    "value", ["²", "٣", "9" * 30, "9" * 5_000, "-5", "1, 2", "x", "nan"], ids=lambda v: ascii(v)[:20]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_length_that_is_none_is_an_error_or_the_answer(
    transport: RequestsTransport, value: str, method: str
) -> None:
    result = outcome(transport, response(GOOD, "200 OK", header("Content-Length", value)), method)
    if isinstance(result, Answer):
        assert result.data == [{"id": 1}]
    else:
        assert method == "GET" or isinstance(result, OutcomeUnknownError)


@pytest.mark.parametrize(
    "location",
    ["http://[", "http://[::1/x", "http://a\u2100b/", "//", "?", "\\\\evil", "javascript:x", "/" * 60_000,
     "http://user:pw@[v1.x]/", "http://x:99999999/"],
    ids=lambda location: ascii(location)[:30],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_not_looked_at(transport: RequestsTransport, location: str, method: str) -> None:
    given = response(b"{}", "303 See Other", header("Location", location))
    error = outcome(transport, given, method)
    assert isinstance(error, ProtocolError if method == "GET" else OutcomeUnknownError)
    assert "redirect" in error.message


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 2\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\x1b[31m: \x07\r\nno colon\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 9\r\n\r\nnot zlib!",
    ],
    ids=lambda given: ascii(given)[2:40],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_bytes_that_are_no_answer_are_a_clear_error(
    transport: RequestsTransport, given: bytes, method: str
) -> None:
    error = outcome(transport, given, method)
    if b"no colon" in given:  # what follows such a line is taken for the body
        assert isinstance(error, Answer) and error.payload == {}
        return
    assert isinstance(error, PipedriveError)
    assert method == "GET" or isinstance(error, OutcomeUnknownError)
    assert not [c for c in str(error).replace("\n", "") if ord(c) < 32 or 127 <= ord(c) < 160]


# ---- definitions of fields


def fields(count: int, name: str, kind: str = "varchar") -> list[dict[str, Any]]:
    return [
        {"field_code": f"{n:040x}", "field_name": name.format(n), "field_type": kind, "is_custom_field": True}
        for n in range(count)
    ]


@pytest.mark.parametrize("kind", ["varchar", "monetary", "timerange"])
@pytest.mark.parametrize("name", ["Same", "", "x" * 70 + "{}", "_" * 80, "尺" * 40, "a" * 1_000_000])
def test_four_thousand_fields_of_one_label_get_their_names_at_once(name: str, kind: str) -> None:
    count = 40 if len(name) > 1_000 else 4_000
    began = time.monotonic()
    columns = custom_columns(read_fields(fields(count, name, kind)), ["id"])
    assert time.monotonic() - began < 5
    names = [column.name for column in columns]
    assert len(set(names)) == len(names) >= count
    assert max(len(one.encode()) for one in names) <= 63


def test_an_import_of_too_many_columns_says_so() -> None:
    found = read_fields(fields(4_000, "Same"))
    with pytest.raises(OptionError, match="would have .* columns, and PostgreSQL allows 1600"):
        imported_table(TABLES["deals"], read_options({}), {}, found)


@pytest.mark.parametrize(
    "odd",
    ["a'b", "a\\'b", "a\0b", "a\nb", "\x1b[31m", "a b", 'a"b', "é", "x" * 500, "", "a;b", "a)b"],
    ids=ascii,
)
def test_a_key_or_type_that_could_leave_its_quotes_is_no_field_of_that_name(odd: str) -> None:
    """Both stand in the statement that an import makes."""
    key = {"field_code": odd, "field_name": "x", "field_type": "varchar", "is_custom_field": True}
    kind = {"field_code": "f" * 40, "field_name": "x", "field_type": odd, "is_custom_field": True}
    assert read_fields([key]) == ()
    (field,) = read_fields([kind])
    assert field.kind == "unknown"
