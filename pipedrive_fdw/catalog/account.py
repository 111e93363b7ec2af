"""What an account keeps around its records: saved filters, goals and webhooks (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ADD_TIME, ID, UPDATE_TIME, add, change, ref, remove, writable
from pipedrive_fdw.catalog.model import NONE, Bulk, Column, Filter, Get, Listing, Table
from pipedrive_fdw.values.shapes import DATE, INTEGER, SCALAR, TEXT, list_of, nullable, object_of

_CONDITION = (
    object_of(
        object=TEXT,
        field_id=SCALAR,
        operator=TEXT,
        value=nullable(SCALAR),
        extra_value=nullable(SCALAR),
    )
    .requiring("object field_id operator")
    .showing("json_value_flag field_code")
)
_GROUP = object_of(glue=TEXT, conditions=list_of(_CONDITION)).requiring("glue")
_CONDITIONS = object_of(glue=TEXT, conditions=list_of(_GROUP)).requiring("glue conditions")

# Numbers are texts in the examples of the requests, and numbers in the answers.
_GOAL_TYPE = object_of(
    name=TEXT,
    params=object_of(
        pipeline_id=nullable(list_of(INTEGER)),
        stage_id=nullable(SCALAR),
        activity_type_id=nullable(list_of(INTEGER)),
    ),
).requiring("name")
_ASSIGNEE = object_of(id=SCALAR, type=TEXT).requiring("id type")
_DURATION = object_of(start=DATE, end=nullable(DATE)).requiring("start")
_OUTCOME = object_of(target=SCALAR, tracking_metric=TEXT, currency_id=INTEGER).requiring(
    "target tracking_metric"
)

FILTERS = Table(
    name="filters",
    doc="Saved filters.",
    columns=(
        ID,
        Column("name", "text", "Name.", insert=True, update=True, required=True),
        Column("filter_code", "text", "Code of a filter that Pipedrive made."),
        Column("is_editable", "boolean", "Whether the token's user may change it."),
        Column("active_flag", "boolean", "Always true here."),
        Column(
            "type",
            "text",
            "What it selects: deals, leads, org, people, products, activity or projects.",
            insert=True,
            required=True,
        ),
        Column("temporary_flag", "boolean", "Whether it is temporary."),
        ref("user_id", "users", "The user who owns it."),
        ADD_TIME,
        UPDATE_TIME,
        Column("visible_to", "bigint", "Visibility group id: 1, 3, 5 or 7."),
        Column("last_used_time", "timestamptz", "When it was last used."),
        Column("custom_view_id", "bigint", "Id of the list view that goes with it."),
        Column(
            "conditions",
            "jsonb",
            "The conditions, two levels; one more request a row.",
            extended=True,
            insert=True,
            update=True,
            required=True,
            shape=_CONDITIONS,
        ),
    ),
    listings=(
        Listing(
            "/filters",
            tokens=20,
            version=1,
            paging=NONE,
            filters=(
                Filter(
                    "type",
                    values=("deals", "leads", "org", "people", "products", "activity", "projects"),
                    share=0.2,
                ),
            ),
            null_is_empty=True,
        ),
    ),
    get=Get("/filters/{id}", tokens=2, version=1),
    hidden=(("active_flag", False),),
    insert=add("/filters", 1),
    update=change("/filters/{id}", 1, fields=("conditions",)),
    delete=remove("/filters/{id}", 1, bulk=Bulk("/filters", 10, 1, method="DELETE", ids="ids", answer="id")),
    rows=100,
)

GOALS = Table(
    name="goals",
    doc="Goals, everybody's, active or not.",
    columns=(
        Column("id", "text", "Identifier.", not_null=True),
        ref("owner_id", "users", "The user who made it."),
        *writable(
            Column("title", "text", "Title."),
            Column("type", "jsonb", "What is counted.", required=True, shape=_GOAL_TYPE),
            Column("assignee", "jsonb", "Whose goal it is.", required=True, shape=_ASSIGNEE),
            Column("interval", "text", "weekly, monthly, quarterly or yearly.", required=True),
            Column("duration", "jsonb", "The period.", required=True, shape=_DURATION),
            Column("expected_outcome", "jsonb", "The target.", required=True, shape=_OUTCOME),
        ),
        Column("is_active", "boolean", "Whether it is active."),
        Column("report_ids", "text[]", "Reports that show it."),
    ),
    # Without a criterion the operation gives only the token's own goals; every goal has one metric.
    listings=tuple(
        Listing(
            "/goals/find",
            tokens=20,
            version=1,
            paging=NONE,
            rows="goals",
            params={"is_active": "true" if active else "false", "expected_outcome.tracking_metric": metric},
            holds={"is_active": active},
        )
        for active in (True, False)
        for metric in ("quantity", "sum")
    ),
    insert=add("/goals", 1, answer="goal"),
    update=change("/goals/{id}", 1, answer="goal"),
    delete=remove("/goals/{id}", 1),
    needs="the token needs the OAuth scope goals:read, to change goals goals:full",
    rows=20,
)

WEBHOOKS = Table(
    name="webhooks",
    doc="Webhooks.",
    columns=(
        ID,
        Column("company_id", "bigint", "Id of the account."),
        ref("owner_id", "users", "The user who owns it."),
        ref("user_id", "users", "The user whose rights decide what is sent.", insert=True),
        Column("event_action", "text", "create, change, delete or *.", insert=True, required=True),
        Column("event_object", "text", "deal, person, …, or *.", insert=True, required=True),
        Column("subscription_url", "text", "Address that Pipedrive calls.", insert=True, required=True),
        Column("version", "text", "1.0 or 2.0.", insert=True),
        Column("is_active", "boolean", "Whether it is active."),
        ADD_TIME,
        Column("remove_time", "timestamptz", "When it was removed."),
        Column("type", "text", "general, application or automation."),
        Column("http_auth_user", "text", "User of the address's basic authentication.", insert=True),
        Column("http_auth_password", "text", "Password of the address's basic authentication.", insert=True),
        Column("remove_reason", "text", "Why it was removed."),
        Column("last_delivery_time", "timestamptz", "When it was last called."),
        Column("last_http_status", "bigint", "Status of the last call."),
        ref("admin_id", "users", "The administrator who made it."),
        Column("name", "text", "Name.", insert=True, required=True),
    ),
    listings=(Listing("/webhooks", tokens=10, version=1, paging=NONE, null_is_empty=True),),
    insert=add("/webhooks", 1),
    delete=remove("/webhooks/{id}", 1),
    needs="the token's user must be an administrator (OAuth scope admin or webhooks:full)",
    rows=10,
)

USER_CONNECTIONS = Table(
    name="user_connections",
    doc="Accounts elsewhere of the token's user: one row.",
    columns=(
        Column("google", "text", "Id of the Google account; NULL where there is none.", source="text:google"),
    ),
    listings=(Listing("/userConnections", tokens=20, version=1, paging=NONE, rows="*"),),
    key=(),
    rows=1,
)

BILLING_ADDONS = Table(
    name="billing_addons",
    doc="Add-ons that the company has; attrs contains everything that Pipedrive says about each.",
    columns=(Column("code", "text", "Code of the add-on."),),
    listings=(
        Listing("/billing/subscriptions/addons", tokens=20, version=1, paging=NONE, null_is_empty=True),
    ),
    key=("code",),
    rows=5,
)

API_USAGE = Table(
    name="api_usage",
    doc="Budget and burst window as last reported, and what this session has used; costs no request.",
    columns=(
        Column("tokens_left", "bigint", "Tokens left of the company's day, as last reported."),
        Column("tokens_a_day", "bigint", "Tokens of a whole day, as last reported."),
        Column("reported_at", "timestamptz", "When that was reported."),
        Column("burst_limit", "bigint", "Requests that two seconds allow, as last reported."),
        Column("session_requests", "bigint", "Requests that this session has sent."),
        Column("session_tokens", "bigint", "Tokens that they cost."),
        Column("session_remembered", "bigint", "Answers that this session did not have to ask for again."),
        Column("session_cached", "bigint", "Answers that this session had from the cache of all sessions."),
        Column("session_waited", "numeric", "Seconds that this session has waited for the limit."),
    ),
    listings=(),
    key=(),
    local=True,
    rows=1,
)

TABLES = (API_USAGE, FILTERS, GOALS, WEBHOOKS, USER_CONNECTIONS, BILLING_ADDONS)
