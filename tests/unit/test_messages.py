"""The prose of errors: texts of others become sentences of ours, and a wrong name brings up the right one."""

from __future__ import annotations

import ast
from pathlib import Path

import orjson
import pytest

from pipedrive_fdw.api.client import reason, status_error
from pipedrive_fdw.api.transport import Request, Response
from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.custom_fields.field import FieldOption
from pipedrive_fdw.custom_fields.writing import option_id
from pipedrive_fdw.errors import OptionError, WriteError, closest, did_you_mean, sentences
from pipedrive_fdw.extension.import_schema import import_schema
from pipedrive_fdw.options import IMPORT, SERVER, read_options
from pipedrive_fdw.plan.row_changes import insertion
from pipedrive_fdw.table.binding import bind, table_named

PACKAGE = Path(__file__).resolve().parents[2] / "pipedrive_fdw"
SEE = "Please check developers.pipedrive.com for more information about Pipedrive API."


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("one", "two"), "one. two."),
        (("one.", "two"), "one. two."),
        (("Really?", "No!", "Well…", "3.5"), "Really? No! Well… 3.5."),
        (("", " padded \n", ""), "padded."),
        (("wait...", "go"), "wait... go."),
        ((), ""),
    ],
)
def test_each_sentence_has_one_end(parts: tuple[str, ...], text: str) -> None:
    assert sentences(*parts) == text


@pytest.mark.parametrize("error", ["Scope and URL mismatch", "Scope and URL mismatch.", "Why?", ""])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 415, 429, 500, 503])
def test_what_the_api_says_is_joined_without_a_second_full_stop(error: str, status: int) -> None:
    payload = {"success": False, "error": error, "error_info": SEE, "code": "NOT_SO"}
    assert reason(payload).endswith("about Pipedrive API. code NOT_SO.")
    body = orjson.dumps(payload)
    found = status_error(Request("GET", "https://x/api/v2/deals", (), {}), Response(status, {}, body, 0.0))
    for text in (found.message, found.detail, found.hint):
        assert ".." not in text.replace("...", "")
        assert "?." not in text
    assert found.detail.endswith(".")


def test_no_text_of_others_is_ended_by_hand() -> None:
    """An f-string that puts a full stop behind an error's text doubles the one that it may have."""
    names = {"error", "reason", "why", "detail", "exc"}
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            for part, after in zip(node.values, node.values[1:]):
                inside = {n.id for n in ast.walk(part) if isinstance(n, ast.Name)}
                ends = isinstance(after, ast.Constant) and str(after.value).startswith(".")
                if isinstance(part, ast.FormattedValue) and inside & names and ends:
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []


# ---- names that are nearly right


@pytest.mark.parametrize(
    ("wrong", "known", "right"),
    [
        ("deal", TABLES, "deals"),
        ("Deals", TABLES, "deals"),
        ("organisations", TABLES, "organizations"),
        ("activites", TABLES, "activities"),
        ("xyzzy", TABLES, ""),
        ("alpha", ["Alpha", "Beta"], "Alpha"),
    ],
)
def test_what_was_meant_is_asked(wrong: str, known: list[str], right: str) -> None:
    assert did_you_mean(wrong, known) == (f'Did you mean "{right}"?' if right else "")


def test_the_likeliest_stand_first() -> None:
    assert closest("ab", ["abd", "ab", "x"], 2) == ["ab", "abd"]


def column(name: str) -> object:
    class Definition:
        column_name = name
        type_name = base_type_name = "text"
        options: dict[str, str] = {}  # noqa: RUF012

    return Definition()


@pytest.mark.parametrize(
    "make",
    [
        lambda: read_options({"company_domian": "x"}, (SERVER,)),
        lambda: read_options({"custom_field": "false"}, (IMPORT,)),
        lambda: table_named("deal", TABLES),
        lambda: bind(TABLES["deals"], {"titel": column("titel")}),  # type: ignore[dict-item]
        lambda: imported("limit", ["deal"]),
        lambda: imported("except", ["activites", "persons"]),
        lambda: read_options({"odd_values": "nul"}),
        lambda: read_options({"archived": "excluded"}),
        lambda: option_id("colour", "gren", [FieldOption(1, "red"), FieldOption(2, "green")]),
    ],
    ids=[
        "option",
        "import option",
        "table",
        "column",
        "limit to",
        "except",
        "value",
        "another value",
        "label",
    ],
)
def test_every_wrong_name_brings_up_the_right_one(make: object) -> None:
    wanted = {
        "company_domain", "custom_fields", "deals", "title", "activities", "null", "exclude", "green"
    }  # fmt: skip
    with pytest.raises((OptionError, WriteError)) as caught:
        make()  # type: ignore[operator]
    found = caught.value.hint.partition('Did you mean "')[2].partition('"?')[0]
    assert found in wanted
    assert ".." not in caught.value.hint


def imported(restriction: str, names: list[str], version: str = "v2") -> list[str]:
    options = read_options({"api_version": version, "custom_fields": "false"}, (SERVER, IMPORT))
    made = import_schema("pipedrive", restriction, names, options, {}, lambda table: ())
    return [table.name for table in made]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_except_takes_the_tables_of_either_version(version: str) -> None:
    left_out = ("projects", "deals")
    wanted = [name for name in imported("", [], version) if name not in left_out]
    assert imported("except", list(left_out), version) == wanted


# ---- ways out


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://acme.pipedrive.com/api/v2", "https://acme.pipedrive.com"),
        ("https://acme.pipedrive.com/v1/", "https://acme.pipedrive.com"),
        ("https://acme.pipedrive.com/api", "https://acme.pipedrive.com"),
        ("https://api.pipedrive.com/v1", "https://api.pipedrive.com"),
        ("https://proxy.example/api/v2", "https://proxy.example"),
        ("https://proxy.example/api/v1/deals", "https://proxy.example"),
        ("https://proxy.example/v2", "https://proxy.example"),
        ("https://proxy.example/crm/api/v2/", "https://proxy.example/crm"),
        ("http://127.0.0.1:8080/api/v2", "http://127.0.0.1:8080"),
    ],
)
def test_a_base_url_does_not_repeat_the_path_of_the_api(url: str, right: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_options({"base_url": url})
    assert f"use '{right}'" in caught.value.hint
    assert read_options({"base_url": right}).base_url == right


@pytest.mark.parametrize(
    "url", ["https://acme.pipedrive.com", "https://proxy.example/crm", "https://proxy.example/v1/crm"]
)
def test_a_path_of_a_proxy_is_kept(url: str) -> None:
    assert read_options({"base_url": url + "/"}).base_url == url


def test_insert_tells_the_way_that_update_tells() -> None:
    with pytest.raises(WriteError) as caught:
        insertion(TABLES["activities"], {"subject": "x", "person_id": 7}, {})
    assert "set it through participants" in caught.value.detail
    assert ATTRS.name not in caught.value.hint
