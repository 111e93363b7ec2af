"""The requests that the extension's functions send, by the C function that they all call."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pipedrive_fdw.addresses import check_written_segment
from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.describe import column_comment, table_comment
from pipedrive_fdw.catalog.functions import ARGUMENTS
from pipedrive_fdw.catalog.model import Listing, Operation, Table
from pipedrive_fdw.catalog.operations import METHODS, price
from pipedrive_fdw.errors import (
    AccessError,
    NotFoundError,
    PipedriveError,
    ReadOnlyError,
    WriteError,
    sentences,
)
from pipedrive_fdw.extension.bodies import Body, encode_body
from pipedrive_fdw.extension.copies import declarations
from pipedrive_fdw.extension.import_schema import defined_fields
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.options import MAPPING, SERVER, Options, read_options, with_session
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.session.account_sessions import forget, session_for
from pipedrive_fdw.session.list_pages import list_pages
from pipedrive_fdw.session.request_scope import Params, RequestScope
from pipedrive_fdw.session.sent_request import noted
from pipedrive_fdw.session.session import Guards
from pipedrive_fdw.values.jsontext import check_exact, parse_exact, to_json
from pipedrive_fdw.values.shapes import Place, check, tidied
from pipedrive_fdw.write.returning import key_text
from pipedrive_fdw.write.transaction import TRANSACTION

# A POST that makes a record beside the one that its path names.
_DUPLICATES = re.compile(r"^(/[^/]+)/[^/]+/duplicate$")
_PATH = re.compile(r"(?:/api)?/v([12])((?:/[^/]+)+)")
_MOST_CHARACTERS, _SHOWN = 2_000, 100
# What a page of a search can hold, that of all kinds of records less.
_HITS = 500
_HITS_OF_ALL = 100
Values = Mapping[str, Any]


def answered(
    server: Mapping[str, str], mapping: Mapping[str, str], text: str, *, read_only: bool = False
) -> str:
    """The JSON that answers a function of the extension, '' for NULL.

    *server* and *mapping* are the options of both, *read_only* tells whether the transaction is. *text*
    is a JSON object: with ``catalogue`` it asks for the texts of COMMENTs, with ``copies`` for how copies
    of the named table, or of all (null), are kept, with ``fields`` for the keys of the custom fields that
    the records of the named table may have, with ``passed_over`` for what of the named table the statement
    was refused since it asked last (the parents of its rows, or its records if it has no parent), with
    ``usage`` for what the session has spent, with ``forget`` it removes what is kept of the account,
    otherwise it is a request as for ``send``.
    Raises WriteError for a text of another form.
    """
    options = read_options({**server, **mapping}, (SERVER, MAPPING))
    try:
        request = parse_exact(text)
    except ValueError as error:
        raise WriteError("the request cannot be read", detail=sentences(str(error))) from None
    if not isinstance(request, dict):
        raise WriteError(f"a request must be a jsonb object, and is {beginning(text, _SHOWN)}")
    if "catalogue" in request:
        return orjson.dumps(list(_comments(options))).decode()
    if "copies" in request:
        return declarations(options, request["copies"])
    if "fields" in request:
        return orjson.dumps(defined_fields(options, str(request["fields"]))).decode()
    if "passed_over" in request:
        keys = session_for(options).passed_over.current().pop(request["passed_over"], set())
        return orjson.dumps(sorted(keys)).decode()
    if "usage" in request:
        return orjson.dumps(session_for(options).usage()).decode()
    if "forget" in request:
        return str(forget(options))
    data = send(options, request, read_only=read_only)
    return "" if data is None else to_json(data)


def send(options: Options, request: Values, *, read_only: bool = False) -> Any:
    """Sends *request* at once, whatever the write mode; the ``data`` of the API's answer.

    It has the members method and path, and may have query, body, encoding (how the body is sent) and want:
    with GET "pages" for the items of all pages of a search, "file" for the bytes of the answer in base64.
    Raises WriteError for a request that cannot be sent, ReadOnlyError for a write where the transaction is
    *read_only*, and the API's error with the rows that the statement has written before.
    """
    method = str(request.get("method")).upper()
    if method not in METHODS:
        given = beginning(repr(request.get("method")), _SHOWN)
        raise WriteError(f"{given} is not a method", hint=f"Methods: {', '.join(METHODS)}.")
    version, path = _parsed(str(request.get("path")))
    if method != "GET" and not options.updatable:
        raise WriteError(
            f"{method} {path} is forbidden here",
            detail="The option updatable of the server is 'false'.",
            hint="ALTER SERVER … OPTIONS (SET updatable 'true').",
        )
    if method != "GET" and read_only:
        raise ReadOnlyError(
            f"{method} {path} is not possible in a read-only transaction",
            hint="Use a transaction that is READ WRITE, on the primary server.",
        )
    query, body = _exact(request, "query"), _exact(request, "body")
    bodies, many = _bodies(method, version, path, body)
    op = Operation(path, price(version, method, path), version, method)
    params, want = _parameters(method, query), str(request.get("want"))
    if method != "GET" and want == "pages":
        want = ""
    encoding = str(request.get("encoding", "json"))
    answers = []
    for left, body in zip(reversed(range(len(bodies))), bodies):
        try:
            answers.append(_sent(options, op, params, encode_body(encoding, body), want))
        except PipedriveError as error:
            error.detail = sentences(error.detail, f"{left} more were not sent" if left else "")
            raise
    return answers if many else answers[0]


def _exact(request: Values, name: str) -> Any:
    value = request.get(name)
    try:
        check_exact(value)
        orjson.dumps(value)
    except (ValueError, orjson.JSONEncodeError) as error:
        raise WriteError(f"{name} cannot be sent", detail=sentences(str(error))) from None
    return value


def _comments(options: Options) -> Iterator[dict[str, str | None]]:
    """The COMMENT of each table (column_name is None) and of each column."""
    for table in tables_of(options.api_version).values():
        yield {"table_name": table.name, "column_name": None, "comment": table_comment(table)}
        for column in (*table.columns, ATTRS):
            comment = column_comment(table, column)
            yield {"table_name": table.name, "column_name": column.name, "comment": comment}


def _sent(options: Options, op: Operation, params: Params, body: Body, want: str) -> Any:
    """The ``data`` of one request. Raises the API's error with the rows that the statement wrote before."""
    try:
        with TRANSACTION.reported():
            data = _data(options, op, params, body, want)
    except PipedriveError as error:
        raise _explained(error, options, op.path) from None
    if op.method != "GET":
        keys = _keys(data)
        for key in keys or ["done"]:
            TRANSACTION.wrote(op.method, f"/v{op.version}{op.path}", key)
            if op.method == "POST" and keys:
                _note_made(options, op.path, key)
    return data


def _keys(data: Any) -> list[str]:
    """The keys of the records that the *data* of an answer tells: of one, or of several that were deleted."""
    told = data.get("id", data.get("ids")) if isinstance(data, dict) else None
    return [key_text(one) for one in (told if isinstance(told, list) else [told]) if one is not None]


def _note_made(options: Options, path: str, key: str) -> None:
    """Tells the scans that are under way of the record with this *key* that was made at *path*."""
    collection, session = _DUPLICATES.sub(r"\1", path), session_for(options)
    for table in tables_of(options.api_version).values():
        if table.key == ("id",) and any(listing.path == collection for listing in table.listings):
            session.created(table.name, key)


def _data(options: Options, op: Operation, params: Params, body: Body, want: str) -> Any:
    options = with_session(options, setting)
    guards = Guards(options.max_tokens_per_query, options.reserve_tokens)
    requests = RequestScope(session_for(options), guards, noted=noted(options))
    try:
        if want == "pages":
            return _every_page(requests, op, params)
        answer = requests.send(op, op.path, *body, params=params, file=want == "file").answer()
        if want == "file":
            return base64.b64encode(answer.body).decode()
        payload = answer.payload
        # One operation (GET /filters/helpers) answers without an envelope.
        return payload.get("data") if "data" in payload or "success" in payload else payload
    finally:
        requests.close()


def _explained(error: PipedriveError, options: Options, path: str) -> PipedriveError:
    """*error*, with a hint where Pipedrive has removed the operations of *path*."""
    if isinstance(error, (AccessError, NotFoundError)):
        for table in tables_of(options.api_version).values():
            if table.removed and _family(table) == path.split("/")[1]:
                error.hint = sentences(table.needs)
    return error


def _every_page(requests: RequestScope, op: Operation, params: Params) -> Any:
    """The ``data`` of a search with the ``items`` of all its pages."""
    limit = str(_HITS_OF_ALL if op.path == "/itemSearch" else _HITS)
    call = Call(op, op.path, (*params, ("limit", limit)))
    first = requests.ask(call)
    bare = isinstance(first.get("data"), list)  # the search of one field
    listing = Listing(op.path, op.tokens, op.version, op.method, rows="" if bare else "items")
    pages = list_pages(requests, listing, call, first=first)
    items = [item for page in pages for item in page]
    return {**({} if bare else first["data"]), "items": items}


def _family(table: Table) -> str:
    return table.listings[0].path.split("/")[1]


def _parsed(path: str) -> tuple[int, str]:
    """'/v1/deals/summary' → (1, '/deals/summary'). Raises WriteError for what is not a path of the API."""
    try:
        if len(path) > _MOST_CHARACTERS:
            raise ValueError(f"it has more than {_MOST_CHARACTERS} characters")
        found = _PATH.fullmatch(path)
        if found is None:
            raise ValueError("it does not begin with /v1/ or /v2/, or one of its parts is empty")
        for segment in found[2].split("/")[1:]:
            check_written_segment(segment)
    except ValueError as error:
        raise WriteError(
            f"{beginning(path, _SHOWN)!r} is not a path of the API",
            detail=sentences(str(error).capitalize()),
            hint="It begins with /v1/ or /v2/, like '/v2/deals/7'; parameters belong in the argument query.",
        ) from None
    return int(found[1]), found[2]


def _bodies(method: str, version: int, path: str, body: Any) -> tuple[list[Any], bool]:
    """The bodies to be sent, one request each, and whether *body* lists them.

    Raises WriteError where an argument of a function is not what the API takes.
    """
    for argument in ARGUMENTS:
        given = isinstance(body, dict) and argument.name in body
        if given and argument.sent_by(method, version, path):
            place = Place(f"{argument.name} of {method} /v{version}{path}", argument.name)
            check(argument.shape, body[argument.name], None, place)
            value = tidied(argument.shape, body[argument.name])
            return (value, True) if argument.each else ([{**body, argument.name: value}], False)
    return [body], False


def _parameters(method: str, query: Any) -> Params:
    """A jsonb object as query parameters: null is left out, but of a DELETE; an array is a comma list."""
    if query is None:
        return ()
    if not isinstance(query, dict):
        raise WriteError("query must be a jsonb object", hint="""Like '{"status": "open"}'.""")
    for name, value in query.items():
        fault = _unsaid(method, value)
        if fault:
            raise WriteError(
                f"the parameter {name} is {fault}",
                detail="Pipedrive might read it as if it were not given. Nothing was sent.",
                hint=f"Give {name} at least one value and no NULL, or leave it out.",
            )
    return tuple((name, _text(value)) for name, value in query.items() if value is not None)


def _unsaid(method: str, value: Any) -> str:
    """What is wrong with a parameter that Pipedrive might read as if it were not given.

    Without ids, DELETE of the products of a deal deletes up to 100 of them.
    """
    if isinstance(value, list) and (not value or None in value):
        return f"a list {'with NULL in it' if value else 'without a value'}"
    if method == "DELETE" and value in (None, "", [""]):
        return "NULL" if value is None else "empty"
    return ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()
