"""The body that a caller of the extension's functions gives, as JSON, as a form, or in parts with files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from urllib3.filepost import encode_multipart_formdata

from pipedrive_fdw.errors import WriteError, quoted
from pipedrive_fdw.plan.row_changes import form_text, is_carried

# The bytes, None for no body, and their content type.
Body = tuple[Any, str]
_ENCODINGS = ("json", "form", "multipart")
_FILE = {"file_name", "content"}


def encode_body(encoding: str, body: Any) -> Body:
    """*body* as it is sent. In parts, {"file_name": …, "content": base64} is a file.

    Raises WriteError for another encoding, and for a body that has no such form.
    """
    if encoding not in _ENCODINGS:
        raise WriteError(
            f"{quoted(encoding)} is not an encoding of a body", hint=f"Encodings: {', '.join(_ENCODINGS)}."
        )
    if body is None or encoding == "json":
        return None if body is None else orjson.dumps(body), "application/json"
    if not isinstance(body, dict):
        raise WriteError(f"a body that is sent as {encoding} must be a jsonb object")
    if encoding == "form":
        texts = {name: form_text(value) for name, value in body.items()}
        return urlencode(texts).encode(), "application/x-www-form-urlencoded"
    return encode_multipart_formdata([(name, _part(name, value)) for name, value in body.items()])


def _part(name: str, value: Any) -> Any:
    if isinstance(value, dict) and set(value) == _FILE:
        return _file(name, value)
    return form_text(value)


def _file(name: str, value: Mapping[str, Any]) -> tuple[str, bytes, str]:
    file_name, content = value["file_name"], value["content"]
    if not isinstance(file_name, str) or not is_carried(file_name):
        raise WriteError(
            f"the file {name} cannot be sent",
            detail="Its file_name is empty, or has a quote, a backslash or a control character, which "
            "uploads may change. Nothing was sent.",
            hint="Send it under another name.",
        )
    try:
        return (
            file_name,
            base64.b64decode("".join(str(content).split()), validate=True),
            "application/octet-stream",
        )
    except binascii.Error:
        raise WriteError(
            f"the file {name} cannot be sent",
            detail="Its content is not base64. Nothing was sent.",
            hint="Use encode(bytes, 'base64').",
        ) from None
