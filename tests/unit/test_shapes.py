"""Structured values: what is accepted, what is left out, and what the errors say."""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_fdw.errors import WriteError
from pipedrive_fdw.values.shapes import (
    BOOLEAN,
    DATE,
    INTEGER,
    NUMBER,
    SCALAR,
    TEXT,
    Place,
    Shape,
    form,
    list_of,
    map_of,
    nullable,
    object_of,
    open_object_of,
    prepared,
)

ADDRESS = object_of(value=TEXT, route=TEXT, number=NUMBER)
EMAILS = list_of(object_of(value=TEXT, primary=BOOLEAN).requiring("value").showing("id"))
SETTINGS = open_object_of(on=BOOLEAN, order=nullable(INTEGER), stages=map_of(list_of(TEXT)))
FORM = "is not of the form that Pipedrive takes"
PLACE = Place("column c of t", "c")


def sent(shape: Shape, value: Any, before: Any = None) -> Any:
    return prepared(shape, value, before, PLACE)


def refused(shape: Shape, value: Any, before: Any = None) -> tuple[str, str, str]:
    with pytest.raises(WriteError) as caught:
        sent(shape, value, before)
    error = caught.value
    assert error.message.startswith("pipedrive write: ")
    assert "column c of t" in error.message
    return error.message, error.detail, error.hint


@pytest.mark.parametrize(
    ("shape", "value", "before", "wanted"),
    [
        (ADDRESS, {"value": "a", "route": None}, None, {"value": "a"}),
        (ADDRESS, {"value": None, "route": None}, None, None),
        (ADDRESS, {}, None, {}),
        (ADDRESS, None, {"value": "a"}, None),
        # what stands there stays acceptable, whatever it is, and what the API does not know is left out
        (ADDRESS, {"value": "b", "more": 1, "number": "12"}, {"value": "a", "more": 1, "number": "12"},
         {"value": "b", "number": "12"}),
        (ADDRESS, "odd", "odd", "odd"),
        (EMAILS, [], [{"value": "a"}], []),
        (EMAILS, [{"value": "a", "id": 5}], None, [{"value": "a"}]),
        (EMAILS, [{"value": "b", "id": 5}], [{"value": "a"}], [{"value": "b"}]),
        # an element may move
        (EMAILS, [{"value": "n"}, {"value": "b", "id": 2}],
         [{"value": "a", "id": 1}, {"value": "b", "id": 2}], [{"value": "n"}, {"value": "b"}]),
        (EMAILS, [{"x": 1}, {"value": "b"}], [{"x": 1}], [{}, {"value": "b"}]),
        (SETTINGS, {"on": True, "order": None}, None, {"on": True, "order": None}),
        (SETTINGS, {"on": False, "far": 3}, {"on": True, "far": 3}, {"on": False, "far": 3}),
        (SETTINGS, {"on": None}, {"on": None}, {}),
        (SETTINGS, {"stages": {"7": ["won"], "8": []}}, None, {"stages": {"7": ["won"], "8": []}}),
        (list_of(SCALAR), [1, "a", True, 2.5], None, [1, "a", True, 2.5]),
        (DATE, "2028-02-29", None, "2028-02-29"),
    ],
)  # fmt: skip
def test_what_is_sent(shape: Shape, value: Any, before: Any, wanted: Any) -> None:
    assert sent(shape, value, before) == wanted


@pytest.mark.parametrize(
    ("shape", "value", "before", "words"),
    [
        (EMAILS, [{"adress": "ada@x"}], [{"value": "a"}],
         ('column c of t has no key "adress"', "It is in c[0]", "Valid keys: value, primary.")),
        (EMAILS, [{"valu": "a"}], None, ('no key "valu"', "c[0]", 'Did you mean "value"? Valid keys: value')),
        (EMAILS, [{"value": "a", "id": 6}], [{"value": "a", "id": 5}],
         ('the key "id" of column c of t cannot be set', "sets it itself", "Leave it out")),
        (EMAILS, [{"value": "a"}, {"primary": True}], None,
         ('lacks the key "value"', "c[1]", "{value, primary}")),
        (EMAILS, [{"value": None}], None, ('lacks the key "value"', "c[0]", "{value, primary}")),
        (EMAILS, {"value": "a"}, None,
         (FORM, 'c must be a list, and is {"value":"a"}', "[{value, primary}]")),
        (EMAILS, [None], None, (FORM, "c[0] must be an object, and is null", "{value, primary}")),
        (EMAILS, [{"value": 5}], None, (FORM, "c[0].value must be a text, and is 5", "")),
        (EMAILS, [{"value": "b", "primary": 1}], [{"value": "a", "primary": True}],
         (FORM, "c[0].primary must be true or false, and is 1", "")),
        (ADDRESS, {"number": True}, None, (FORM, "c.number must be a number, and is true", "")),
        (ADDRESS, {"value": "a", "more": 2}, {"value": "a", "more": 1}, ('no key "more"', "", "value, ro")),
        (SETTINGS, {"order": 1.5}, None, (FORM, "c.order must be a whole number, and is 1.5", "")),
        (SETTINGS, {"on": None}, {"on": True}, ("cannot be sent", "c.on cannot be null", "leave the key")),
        (SETTINGS, {"onn": True}, {"on": True}, ('no key "onn"', "", 'Did you mean "on"?')),
        (SETTINGS, {"stages": {"7": "won"}}, None, (FORM, "c.stages.7 must be a list", "")),
        (SETTINGS, {"stages": {"7": [1]}}, None, (FORM, "c.stages.7[0] must be a text", "")),
        (DATE, "31.12.2027", None, (FORM, 'c must be a date like 2026-01-31, and is "31.12.2027"', "")),
        (DATE, "2027-02-29", None, (FORM, "c must be a date", "")),
        (DATE, "infinity", None, (FORM, "c must be a date", "")),
        (DATE, 20270101, None, (FORM, "c must be a date", "")),
        (list_of(SCALAR), [[1]], None, (FORM, "c[0] must be a text, a number, true or false", "")),
    ],
)  # fmt: skip
def test_what_is_refused(shape: Shape, value: Any, before: Any, words: tuple[str, str, str]) -> None:
    message, detail, hint = refused(shape, value, before)
    assert words[0] in message
    assert words[1] in detail
    assert "Nothing was sent for this row." in detail
    assert words[2] in hint


def test_a_form_in_short() -> None:
    assert form(EMAILS) == "[{value, primary}]"
    assert form(EMAILS, answer=True) == "[{value, primary, id}]"
    nested = object_of(a=list_of(TEXT), b=list_of(object_of(c=TEXT)), d=object_of(e=TEXT))
    assert form(nested) == "{a, b: [{c}], d: {e}}"
