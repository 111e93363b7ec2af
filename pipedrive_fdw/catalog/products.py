"""Products and their variations (API v2)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import (
    ADD_TIME,
    BY_FILTER,
    BY_IDS,
    CUSTOM_FIELDS,
    FILTER_ID,
    ID,
    ROW_ID,
    SINCE,
    UPDATE_TIME,
    VISIBLE_TO,
    add,
    change,
    parent,
    ref,
    remove,
    writable,
)
from pipedrive_fdw.catalog.model import Column, Filter, Get, Listing, Parent, Table
from pipedrive_fdw.values.shapes import NUMBER, TEXT, Shape, list_of, object_of


def _prices(owner: str) -> Shape:
    """Prices; answers name in each the record that it belongs to, under *owner*."""
    price = object_of(currency=TEXT, price=NUMBER, cost=NUMBER, direct_cost=NUMBER, notes=TEXT)
    return list_of(price.requiring("currency").showing(owner))


PRODUCTS = Table(
    name="products",
    doc="Products.",
    columns=(
        ID,
        *writable(
            Column("name", "text", "Name.", required=True),
            Column("code", "text", "Code."),
            Column("unit", "text", "Unit."),
            Column("tax", "numeric", "Tax in percent."),
        ),
        Column("is_deleted", "boolean", "Always false here."),
        Column("is_linkable", "boolean", "Whether it can be added to deals.", insert=True, update=True),
        VISIBLE_TO,
        ref("owner_id", "users", "The user who owns the product.", insert=True, update=True),
        ADD_TIME,
        UPDATE_TIME,
        *writable(
            Column("description", "text", "Description."),
            Column("category", "text", "Option id of the category.", sent="number"),
            Column(
                "billing_frequency",
                "text",
                "one-time, annually, semi-annually, quarterly, monthly or weekly.",
            ),
            Column("billing_frequency_cycles", "bigint", "How many times it is billed."),
            Column("prices", "jsonb", "Prices, one for each currency.", shape=_prices("product_id")),
        ),
        FILTER_ID,
        CUSTOM_FIELDS,
    ),
    listings=(
        Listing(
            "/products",
            tokens=10,
            filters=(BY_FILTER, BY_IDS, Filter("owner_id", share=0.1), SINCE),
            sorts=("id", "name", "add_time", "update_time"),
            custom=True,
        ),
    ),
    get=Get("/products/{id}", tokens=1),
    hidden=(("is_deleted", True),),
    insert=add("/products"),
    update=change("/products/{id}"),
    delete=remove("/products/{id}"),
    independent=True,
    custom_fields="product",
    rows=1_000,
)

PRODUCT_VARIATIONS = Table(
    name="product_variations",
    doc="Variations of products.",
    columns=(
        ID,
        parent("product_id", "products", "The product.", insert=True, required=True),
        *writable(
            Column("name", "text", "Name.", required=True),
            Column(
                "prices", "jsonb", "Prices, one for each currency.", shape=_prices("product_variation_id")
            ),
        ),
        ROW_ID,
    ),
    listings=(Listing("/products/{product_id}/variations", tokens=10),),
    key=("product_id", "id"),
    parent=Parent("products", "product_id"),
    insert=add("/products/{product_id}/variations"),
    update=change("/products/{product_id}/variations/{id}"),
    delete=remove("/products/{product_id}/variations/{id}"),
    needs="the account needs the plan Growth or above",
    rows=1_000,
)

TABLES = (PRODUCTS, PRODUCT_VARIATIONS)
