"""Arrays inside records as tables of their own: one row for each element.

Such a table is read by the operations of the table that it is nested in, and written by changing the
record's array. A row is known by its record's key and by what tells the elements apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pipedrive_fdw.catalog.activities import ACTIVITIES
from pipedrive_fdw.catalog.common import ROW_ID, change, ref, remove, writable
from pipedrive_fdw.catalog.contacts import PERSONS
from pipedrive_fdw.catalog.fields import (
    ACTIVITY_FIELDS,
    DEAL_FIELDS,
    ORGANIZATION_FIELDS,
    PERSON_FIELDS,
    PRODUCT_FIELDS,
    PROJECT_FIELDS,
)
from pipedrive_fdw.catalog.model import Column, Filter, Listing, Table, Write
from pipedrive_fdw.catalog.products import PRODUCT_VARIATIONS, PRODUCTS


def nested(
    outer: Table, array: str, name: str, doc: str, columns: tuple[Column, ...], tells: str, needs: str = ""
) -> Table:
    """The table of the elements of *array* in the rows of *outer*.

    The first of *columns* is the outer key, other outer ones begin with a slash in their source; *tells* is
    the column that tells the elements of one record apart. Without writes: see ``in_array``.
    """
    inner_key = columns[0].name
    outer_key = outer.key[-1]
    asked_for = next((c.include for c in outer.columns if c.name == array), False)
    # A filter selects records: what an element has under the same name is another thing.
    of_record = {c.name for c in columns if c.outer}

    def renamed(path: str) -> str:
        return path.replace("{" + outer_key + "}", "{" + inner_key + "}")

    def filters(listing: Listing) -> tuple[Filter, ...]:
        both = [
            f._replace(column=inner_key, param=f.name) if f.column == outer_key else f
            for f in listing.filters
        ]
        return tuple(f for f in both if f.column in of_record)

    listings = tuple(
        replace(li, filters=filters(li), sorts=(), custom=False, holds={}) for li in outer.listings
    )
    get = None
    if outer.get is not None:
        get = replace(outer.get, path=renamed(outer.get.path), key=inner_key, custom=False)
    parent = outer.parent
    return Table(
        name=name,
        doc=doc,
        columns=(*columns, ROW_ID),
        listings=listings,
        get=get,
        key=tuple(dict.fromkeys((*(() if parent is None else (parent.column,)), inner_key, tells))),
        parent=parent,
        hidden=outer.hidden,
        nested=array,
        asks=(array,) if asked_for else (),
        needs=needs or outer.needs,
        rows=outer.rows,
    )


def in_array(table: Table, path: str, array: str, version: int = 2) -> Table:
    """*table* written by changing *array* of the record at *path*."""
    write = change(path, version, array=array)
    return replace(table, insert=write, update=write, delete=write)


def contact(persons: Table, array: str, name: str, one: str, many: str, version: int = 2) -> Table:
    """The table *name* of the addresses in *array* of *persons*; *one* of them is called so, *many* so."""
    table = nested(
        persons,
        array,
        name,
        f"{many} of persons, one row each.",
        (
            ref(
                "person_id", "persons", "The person.", source="/id", not_null=True, insert=True, required=True
            ),
            *writable(
                Column("value", "text", f"{one}.", required=True),
                Column("primary", "boolean", "Whether it is the first to use.", single=True),
                Column("label", "text", "Kind: work, home or another."),
            ),
        ),
        "value",
    )
    return in_array(table, "/persons/{person_id}", array, version)


PRICE = writable(
    Column("currency", "text", "Currency code; one price for each.", required=True),
    Column("price", "numeric", "Price."),
    Column("cost", "numeric", "Cost."),
    Column("direct_cost", "numeric", "Direct cost."),
    Column("notes", "text", "Notes."),
)


def product_prices(products: Table, price: tuple[Column, ...], version: int = 2) -> Table:
    """The table of the prices of *products*, which have the columns *price*."""
    table = nested(
        products,
        "prices",
        "product_prices",
        "Prices of products, one row for each currency.",
        (
            ref(
                "product_id",
                "products",
                "The product.",
                source="/id",
                not_null=True,
                insert=True,
                required=True,
            ),
            *price,
        ),
        "currency",
    )
    return in_array(table, "/products/{product_id}", "prices", version)


PRODUCT_VARIATION_PRICES = in_array(
    nested(
        PRODUCT_VARIATIONS,
        "prices",
        "product_variation_prices",
        "Prices of product variations, one row for each currency.",
        (
            ref(
                "product_variation_id",
                "product_variations",
                "The variation.",
                source="/id",
                not_null=True,
                insert=True,
                required=True,
            ),
            PRODUCT_VARIATIONS.columns[1],
            *PRICE,
        ),
        "currency",
    ),
    "/products/{product_id}/variations/{product_variation_id}",
    "prices",
)

_ACTIVITY = ref(
    "activity_id", "activities", "The activity.", source="/id", not_null=True, insert=True, required=True
)

_PARTICIPANT = writable(
    ref("person_id", "persons", "The person.", required=True),
    Column("primary", "boolean", "Whether this is the primary participant.", single=True),
)
_ATTENDEE = writable(
    Column("email", "text", "E-mail address.", required=True),
    Column("name", "text", "Name."),
    Column("status", "text", "Whether the invitation was accepted."),
    Column("is_organizer", "boolean", "Whether this is the organizer."),
    ref("person_id", "persons", "The person."),
    ref("user_id", "users", "The user."),
)


def _renamed(columns: tuple[Column, ...], names: Mapping[str, str]) -> tuple[Column, ...]:
    return tuple(
        c._replace(source=names.get(c.name, c.source), body=names.get(c.name, c.body)) for c in columns
    )


def in_activities(
    activities: Table, names: Mapping[str, str] = MappingProxyType({}), version: int = 2
) -> tuple[Table, ...]:
    """Participants and attendees of *activities*; *names*: what their records call a column."""
    path = "/activities/{activity_id}"
    participants = nested(
        activities,
        "participants",
        "activity_participants",
        "Persons who take part in activities.",
        (_ACTIVITY, *_renamed(_PARTICIPANT, names)),
        "person_id",
    )
    attendees = nested(
        activities,
        "attendees",
        "activity_attendees",
        "Persons invited to activities by mail.",
        (_ACTIVITY, *_renamed(_ATTENDEE, names)),
        "email",
    )
    return (
        in_array(participants, path, "participants", version),
        in_array(attendees, path, "attendees", version),
    )


def field_options(what: str, fields: Table) -> Table:
    """The options of choices among *what*'s fields; where they are written, by operations of their own."""
    editable = fields.insert is not None
    path = f"{fields.listings[0].path}/{{field_code}}/options"
    table = nested(
        fields,
        "options",
        f"{what}_field_options",
        f"Options of the choices among the fields of {f'{what}s'.replace('ys', 'ies')}"
        + ("; only those of custom fields can be changed." if editable else "."),
        (
            Column(
                "field_code",
                "text",
                "Key of the field.",
                source="/field_code",
                not_null=True,
                references=f"{fields.name}.field_code",
                insert=editable,
                required=editable,
            ),
            Column("field_name", "text", "Name of the field.", source="/field_name"),
            Column(
                "is_custom_field",
                "boolean",
                "Whether the field was made in this account.",
                source="/is_custom_field",
            ),
            Column(
                "id",
                "bigint",
                "Identifier, as the columns that show the field have it; NULL where it is no number.",
                source="number:id",
            ),
            Column(
                "text_id",
                "text",
                "Identifier as text: of a status or a currency the only one.",
                source="id",
                body="id",
                sent="number",
            ),
            Column("label", "text", "Label.", insert=editable, update=editable, required=editable),
            Column("color", "text", "Colour."),
            Column("add_time", "timestamptz", "When it was created."),
            Column("update_time", "timestamptz", "When it was last changed."),
        ),
        "text_id",
    )
    if not editable:
        return replace(table, rows=200)
    return replace(
        table,
        insert=Write(path, 5, batch=True),
        update=change(path, batch=True, fields=("text_id", "label")),
        delete=remove(path, encoding="json", batch=True, fields=("text_id",)),
        frozen=(("is_custom_field", False),),
        rows=200,
    )


TABLES = (
    contact(PERSONS, "emails", "person_emails", "E-mail address", "E-mail addresses"),
    contact(PERSONS, "phones", "person_phones", "Phone number", "Phone numbers"),
    product_prices(PRODUCTS, PRICE),
    PRODUCT_VARIATION_PRICES,
    *in_activities(ACTIVITIES),
    field_options("deal", DEAL_FIELDS),
    field_options("person", PERSON_FIELDS),
    field_options("organization", ORGANIZATION_FIELDS),
    field_options("product", PRODUCT_FIELDS),
    field_options("project", PROJECT_FIELDS),
    field_options("activity", ACTIVITY_FIELDS),
)
