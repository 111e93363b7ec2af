"""What hangs on deals: products, installments and discounts (API v2)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import (
    ADD_TIME,
    ID,
    ROW_ID,
    UPDATE_TIME,
    add,
    change,
    parent,
    ref,
    remove,
    writable,
)
from pipedrive_fdw.catalog.model import NONE, Bulk, Column, Filter, Listing, Parent, Table

_BY_DEALS = Filter("deal_id", "deal_ids", shape="in", most=100, required=True, share=0.001)
_DEAL = ref("deal_id", "deals", "The deal.", not_null=True, insert=True, required=True)

DEAL_PRODUCTS = Table(
    name="deal_products",
    doc="Products of deals.",
    columns=(
        ID,
        _DEAL,
        Column("sum", "numeric", "Price of all units after the discount."),
        *writable(Column("tax", "numeric", "Tax in percent.")),
        Column("name", "text", "Name of the product."),
        *writable(
            ref("product_id", "products", "The product.", required=True),
            ref("product_variation_id", "product_variations", "The variation of the product."),
        ),
        Column("order_nr", "bigint", "Position in the deal."),
        ADD_TIME,
        UPDATE_TIME,
        Column("comments", "text", "Comments.", insert=True, update=True),
        Column("currency", "text", "Currency code."),
        *writable(
            Column("discount", "numeric", "Discount, as discount_type says."),
            Column("discount_type", "text", "percentage or amount."),
            Column("quantity", "numeric", "Quantity.", required=True),
            Column("item_price", "numeric", "Price of one unit.", required=True),
            Column("tax_method", "text", "exclusive, inclusive or none."),
            Column("is_enabled", "boolean", "Whether the product is enabled for the deal."),
            Column(
                "billing_frequency",
                "text",
                "one-time, annually, semi-annually, quarterly, monthly or weekly.",
            ),
            Column("billing_frequency_cycles", "bigint", "How many times it is billed."),
            Column("billing_start_date", "date", "When billing begins."),
        ),
        ROW_ID,
    ),
    listings=(
        Listing(
            "/deals/products",
            tokens=10,
            filters=(_BY_DEALS,),
            sorts=("id", "deal_id", "add_time", "update_time", "order_nr"),
        ),
    ),
    key=("deal_id", "id"),
    parent=Parent("deals", "deal_id", count="products_count"),
    insert=add("/deals/{deal_id}/products", bulk=Bulk("/deals/{deal_id}/products/bulk", 25)),
    update=change("/deals/{deal_id}/products/{id}"),
    delete=remove(
        "/deals/{deal_id}/products/{id}",
        bulk=Bulk("/deals/{deal_id}/products", 15, method="DELETE", ids="ids", answer="ids"),
    ),
    needs="billing frequencies other than one-time need the plan Growth or above",
)

DEAL_INSTALLMENTS = Table(
    name="deal_installments",
    doc="Installments of deals.",
    columns=(
        ID,
        _DEAL,
        *writable(
            Column("amount", "numeric", "Amount, above 0.", required=True),
            Column("billing_date", "date", "When it is billed.", required=True),
            Column("description", "text", "Description.", required=True),
        ),
        ROW_ID,
    ),
    listings=(
        Listing(
            "/deals/installments",
            tokens=10,
            filters=(_BY_DEALS,),
            repeats="deal_ids",
            sorts=("id", "billing_date", "deal_id"),
        ),
    ),
    key=("deal_id", "id"),
    parent=Parent("deals", "deal_id"),
    insert=add("/deals/{deal_id}/installments"),
    update=change("/deals/{deal_id}/installments/{id}"),
    delete=remove("/deals/{deal_id}/installments/{id}"),
    needs="the account needs the plan Growth or above",
)

DEAL_DISCOUNTS = Table(
    name="deal_discounts",
    doc="Discounts on whole deals.",
    columns=(
        Column("id", "uuid", "Identifier.", not_null=True),
        parent("deal_id", "deals", "The deal.", insert=True, required=True),
        *writable(
            Column("type", "text", "percentage or amount.", required=True),
            Column("amount", "numeric", "Amount, above 0.", required=True),
            Column("description", "text", "Name.", required=True),
        ),
        Column("created_at", "timestamptz", "When it was created."),
        ref("created_by", "users", "The user who created it."),
        Column("updated_at", "timestamptz", "When it was last changed."),
        ref("updated_by", "users", "The user who last changed it."),
        ROW_ID,
    ),
    listings=(Listing("/deals/{deal_id}/discounts", tokens=10, paging=NONE),),
    key=("deal_id", "id"),
    parent=Parent("deals", "deal_id"),
    insert=add("/deals/{deal_id}/discounts"),
    update=change("/deals/{deal_id}/discounts/{id}"),
    delete=remove("/deals/{deal_id}/discounts/{id}"),
    rows=1_000,
)

TABLES = (DEAL_PRODUCTS, DEAL_INSTALLMENTS, DEAL_DISCOUNTS)
