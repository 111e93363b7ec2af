"""Answers whose framing is spoilt on the wire: the answer that was meant, or a clear error; no other answer.

``HOSTILE_ANSWERS`` says how many are tried (200).
"""

from __future__ import annotations

import gzip
import json
import os
import random
import time
import zlib

import pytest

from pipedrive_fdw.api.client import Answer
from pipedrive_fdw.api.transport import RequestsTransport
from pipedrive_fdw.errors import OutcomeUnknownError
from tests.hostile.raw import serving
from tests.hostile.test_bodies import bare, called

ANSWERS = int(os.environ.get("HOSTILE_ANSWERS", "200"))
DATA = [{"id": number, "name": str(number * 7919 % 10_007)} for number in range(300)]
BODY = json.dumps({"success": True, "data": DATA}).encode()
PACKED = {
    b"": BODY,
    b"gzip": gzip.compress(BODY),
    b"GZIP ": gzip.compress(BODY[:700]) + gzip.compress(BODY[700:]),
    b"deflate": zlib.compress(BODY),
    b"identity": BODY,
    b" deflate": bare(BODY),
}
# In the place of a chunk's size, of which %x stands for the right one
SIZES = (
    b"-1", b"-%x", b"0x%x", b"+%x", b"%x ", b" %x", b"0000%x", b"%x;name=value", b"%x;" + b"y" * 60_000,
    b"%x;" + b"y" * 200_000, b"f" * 40, b"7" * 5_000, b"", b"1_0", b"zz", b"%x%x", b"\xff", b"\x00%x",
)  # fmt: skip
HEADERS = (
    b"Content-Length: -1", b"Content-Length: 99999999", b"Content-Length: x", b"Content-Length: 1e9",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
    b"Content-Encoding: gzip", b"Content-Encoding: br", b"X: " + b"y" * 70_000, b"Connection: close",
    b"X: y\r\n folded", b"no colon", b": nameless", b"X\x00Y: z", b"Trailer: X", b"Keep-Alive: timeout=-1",
)  # fmt: skip
STATUS = (
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/2 200",
    b"HTTP/1.1 2000 OK",
    b"ICY 200 OK",
)


def in_chunks(body: bytes, chance: random.Random, spoilt: bool) -> bytes:
    found, start = [], 0
    odd = chance.randrange(6) if spoilt else -1
    while start < len(body):
        part = body[start : start + chance.choice((1, 50, 3_000, 10**6))]
        start += len(part)
        size = chance.choice(SIZES) if len(found) == odd else b"%x"
        end = (
            chance.choice((b"", b"\n", b"\r", b"xx"))
            if len(found) == odd and chance.random() < 0.3
            else b"\r\n"
        )
        found.append(size.replace(b"%x", b"%x" % len(part)) + b"\r\n" + part + end)
    last = chance.choice((b"", b"0", b"0\r\n", b"0\r\nX: y\r\n\r\n")) if odd > len(found) else b"0\r\n\r\n"
    return b"".join(found) + last


def spoilt(chance: random.Random) -> tuple[bytes, bool]:
    """An answer as it is sent, and whether it is as it should be."""
    encoding, body = chance.choice(list(PACKED.items()))
    how = chance.choice(("status", "header", "chunk", "cut", "more", "nothing", "interim"))
    status = chance.choice(STATUS) if how == "status" else STATUS[0]
    headers = [b"Content-Type: application/json"]
    headers += [b"Content-Encoding: " + encoding] if encoding else []
    if how == "chunk" or chance.random() < 0.5:
        headers.append(b"Transfer-Encoding: chunked")
        body = in_chunks(body, chance, how == "chunk")
    elif chance.random() < 0.8:
        headers.append(b"Content-Length: %d" % len(body))
    else:
        headers.append(b"Connection: close")
    if how == "header":
        headers.insert(chance.randrange(len(headers) + 1), chance.choice(HEADERS))
    if how == "interim":
        status = b"HTTP/1.1 100 Continue\r\n\r\n" * chance.choice((1, 3, 2_000)) + status
    sent = b"\r\n".join((status, *headers, b"", body))
    if how == "cut":
        sent = sent[: chance.randrange(len(sent))]
    if how == "more":
        sent += chance.choice((b"\r\n", b"x" * 1_000, bytes(200_000), sent))
    return sent, how == "nothing"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_spoilt_answer_is_the_one_that_was_meant_or_an_error(method: str) -> None:
    sent, right = b"", False
    with serving(lambda head, body: sent) as address:
        for seed in range(ANSWERS // 2):
            sent, right = spoilt(random.Random(seed))  # noqa: S311
            transport = RequestsTransport(1, 1)
            began = time.monotonic()
            found = called(transport, address, method)
            transport.close()
            assert time.monotonic() - began < 20, (seed, sent[:300])
            if isinstance(found, Answer):
                assert found.data == DATA, (seed, sent[:300])
            else:
                assert not right, (seed, found, sent[:300])
                assert method == "GET" or isinstance(found, OutcomeUnknownError), (seed, found)
