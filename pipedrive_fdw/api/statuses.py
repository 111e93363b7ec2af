"""The error of an answer without data: by its status, with Pipedrive's own words."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pipedrive_fdw.api.retry import is_daily, retry_after
from pipedrive_fdw.api.transport import Request, Response
from pipedrive_fdw.errors import (
    AccessError,
    ApiError,
    AuthError,
    BurstLimitError,
    DailyLimitError,
    NotFoundError,
    OutcomeUnknownError,
    PipedriveError,
    ProtocolError,
    sentences,
)
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.values.jsontext import parse_json, to_json

# How much is shown of what the API says.
_REASON = 500
_BEGINNING = 80
_DONE = {"POST": "created or changed", "DELETE": "deleted"}


def unknown(request: Request, error: PipedriveError) -> PipedriveError:
    """*error* of a read as it is; of a write, which may have been done, that nobody knows."""
    if request.is_read:
        return error
    done = _DONE.get(request.method, "changed")
    return OutcomeUnknownError(
        f"a record may or may not have been {done}: {error.message.partition(': ')[2]}",
        detail=error.detail,
        hint="Look for the record in Pipedrive (a new one is among the newest) before sending it again."
        if request.method == "POST"
        else "Look at the record in Pipedrive before sending it again.",
    )


def first_byte(body: bytes) -> bytes:
    """What *body* begins with, behind a byte order mark and white space."""
    return body[:_REASON].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]


def no_json_error(where: str, response: Response) -> ProtocolError:
    """The error of an answer that is not Pipedrive's own: a page of HTML, or anything else."""
    if first_byte(response.body) != b"<":
        start = beginning(response.body, _BEGINNING).strip()
        return ProtocolError(
            "the answer is not JSON",
            detail=f"{where} gave status {response.status} and {len(response.body)} bytes, "
            f"beginning {start!r}",
            hint="Something between here and Pipedrive seems to have answered. Check company_domain and "
            "base_url; try again in some minutes.",
        )
    return ProtocolError(
        "the answer is an HTML page instead of JSON",
        detail=f"{where} gave status {response.status} and {len(response.body)} bytes of HTML",
        hint="Check company_domain and base_url. A status 403 of Cloudflare means that too many refused "
        "requests were repeated; wait some minutes.",
    )


def reason(payload: Any) -> str:
    """The reason that an envelope gives, shortened; empty where it gives none."""
    if not isinstance(payload, dict):
        return ""
    parts = [_said(payload[name]) for name in ("error", "error_info", "message") if payload.get(name)]
    if payload.get("errors"):  # of webhooks: {"subscription_url": ["invalid or non-reachable URL"]}
        parts.append(_said(payload["errors"]))
    parts += [f"{name} {_said(payload[name])}" for name in ("code", "field_code") if payload.get(name)]
    return beginning(sentences(*parts), _REASON)


def _said(value: Any) -> str:
    return beginning(value if isinstance(value, str) else to_json(value), _REASON)


def status_error(request: Request, response: Response) -> PipedriveError:
    """The error of an answer whose status is not of the 2xx."""
    path = urlsplit(request.url).path
    where = f"{request.method} {path} gave status {response.status}"
    status = response.status
    try:
        payload = parse_json(response.body)
    except ValueError:
        payload = None
    why = reason(payload)
    detail = f"{where}: {why}" if why else where
    if not isinstance(payload, dict) and status in (403, 404, 410):
        # What is said of the record or the table is Pipedrive's to say
        return no_json_error(f"{request.method} {path}", response)
    if status == 401:
        return _auth_error("authorization" in request.headers, detail)
    if status == 429:
        return _limit_error(response, detail)
    if status in (402, 403, 410, 415):
        return AccessError(f"the API refuses the request (status {status})", detail, status=status)
    if status == 404 and isinstance(payload, dict):
        hint = "" if why else "Check company_domain and base_url."
        return NotFoundError(
            "the API has nothing there (status 404)", detail, hint, status, payload.get("success") is False
        )
    if 300 <= status < 400:
        return ProtocolError(
            "the API answered with a redirect, which is not followed with a credential",
            detail,
            "Check company_domain and base_url.",
        )
    if status >= 500:
        return ApiError(
            f"Pipedrive has an internal error (status {status})", detail, "Try again later.", status
        )
    return ApiError(f"the API refuses the request (status {status})", detail, status=status)


def _auth_error(oauth: bool, detail: str) -> AuthError:
    if oauth:
        return AuthError(
            "neither the access token nor a new one is accepted",
            detail,
            "Has the app been uninstalled, or its user been deactivated? `python -m pipedrive_fdw authorize` "
            "asks for consent again.",
            401,
        )
    return AuthError(
        "the API token is not accepted",
        detail,
        "Is it the token of this account? Pipedrive shows that under Personal preferences > API. Correct it "
        "where it is kept: ALTER USER MAPPING … OPTIONS (SET api_token '…'), or in the secrets_file.",
        401,
    )


def _limit_error(response: Response, detail: str) -> ApiError:
    daily = is_daily(response.headers, response.body)
    if daily is None:
        return DailyLimitError(
            "too many requests, or the day's API tokens are used up",
            sentences(detail, "Pipedrive does not say which it is, so nothing was sent again"),
            "Try again in some seconds; the table api_usage shows the tokens that were last reported.",
            429,
        )
    if daily:
        left = int(retry_after(response.headers) or 0)
        when = (
            f" It resets in {left // 3600} h {left % 3600 // 60} min." if left else " It resets at midnight."
        )
        return DailyLimitError(
            "the day's API tokens of the company are used up",
            detail,
            f"Wait for the reset or add tokens in Pipedrive.{when}",
            429,
        )
    return BurstLimitError(
        "too many requests in two seconds, even after waiting",
        detail,
        "Other programs seem to use the same token. Try again.",
        429,
    )
