"""Subscriptions and their payments, as API v1 had them until 2025."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ADD_TIME, ID, UPDATE_TIME, add, change, parent, ref, remove
from pipedrive_fdw.catalog.model import NONE, Column, Get, Listing, Parent, Table
from pipedrive_fdw.values.shapes import DATE, NUMBER, TEXT, list_of, object_of

PAYMENTS = list_of(
    object_of(amount=NUMBER, description=TEXT, due_at=DATE).requiring("amount description due_at")
)
_GONE = (
    "Pipedrive removed the Subscriptions API in 2025; installments are in deal_installments, recurring "
    "revenue is billing_frequency of deal_products and products"
)

SUBSCRIPTIONS = Table(
    name="subscriptions",
    doc="Subscriptions of deals; Pipedrive removed their API in 2025.",
    columns=(
        ID,
        ref("user_id", "users", "The user who created it."),
        ref("deal_id", "deals", "The deal.", not_null=True, insert=True, required=True),
        Column("description", "text", "Description.", insert=True, update=True),
        Column("is_active", "boolean", "Whether it is active."),
        Column("cycles_count", "bigint", "Number of payments.", insert=True),
        Column("cycle_amount", "numeric", "Amount of a payment.", insert=True, update=True, required=True),
        Column("infinite", "boolean", "Whether it goes on until it is cancelled.", insert=True),
        Column("currency", "text", "Currency code.", insert=True, required=True),
        Column("cadence_type", "text", "weekly, monthly, quarterly or yearly.", insert=True, required=True),
        Column("start_date", "date", "First day.", insert=True, required=True),
        Column("end_date", "date", "Last day."),
        Column("lifetime_value", "numeric", "Sum of all payments."),
        Column("final_status", "text", "How it ended."),
        ADD_TIME,
        UPDATE_TIME,
        Column(
            "effective_date",
            "date",
            "Date from which an UPDATE applies; only written, and required there.",
            update=True,
            source="-",
        ),
        Column(
            "payments",
            "jsonb",
            "Further payments; only written.",
            insert=True,
            update=True,
            source="-",
            shape=PAYMENTS,
        ),
        Column(
            "update_deal_value",
            "boolean",
            "Whether the deal's value follows; only written.",
            insert=True,
            update=True,
            source="-",
        ),
    ),
    listings=(
        Listing(
            "/subscriptions/find/{deal_id}", tokens=20, version=1, paging=NONE, rows="*", null_is_empty=True
        ),
    ),
    get=Get("/subscriptions/{id}", tokens=20, version=1),
    parent=Parent("deals", "deal_id"),
    insert=add("/subscriptions/recurring", 1),
    update=change("/subscriptions/recurring/{id}", 1, fields=("id", "effective_date")),
    delete=remove("/subscriptions/{id}", 1),
    removed=True,
    needs=_GONE,
    rows=1_000,
)

SUBSCRIPTION_PAYMENTS = Table(
    name="subscription_payments",
    doc="Payments of subscriptions; Pipedrive removed their API in 2025.",
    columns=(
        ID,
        parent("subscription_id", "subscriptions", "The subscription."),
        ref("deal_id", "deals", "The deal."),
        Column("is_active", "boolean", "Whether it is active."),
        Column("amount", "numeric", "Amount."),
        Column("currency", "text", "Currency code."),
        Column("change_amount", "numeric", "Difference to the payment before."),
        Column("due_at", "date", "When it is due."),
        Column("revenue_movement_type", "text", "new, recurring, expansion, contraction, none or churn."),
        Column("payment_type", "text", "recurring, additional or installment."),
        Column("description", "text", "Description."),
        ADD_TIME,
        UPDATE_TIME,
    ),
    listings=(
        Listing(
            "/subscriptions/{subscription_id}/payments",
            tokens=20,
            version=1,
            paging=NONE,
            null_is_empty=True,
        ),
    ),
    parent=Parent("subscriptions", "subscription_id"),
    removed=True,
    needs=_GONE,
    rows=10_000,
)

TABLES = (SUBSCRIPTIONS, SUBSCRIPTION_PAYMENTS)
