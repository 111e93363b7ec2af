"""What links records: followers, participants, the persons of deals and organizations, relationships."""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.common import (
    ADD_TIME,
    ID,
    ROW_ID,
    SINCE,
    UNTIL,
    UPDATE_TIME,
    add,
    change,
    parent,
    ref,
    remove,
    writable,
)
from pipedrive_fdw.catalog.contacts import PERSONS
from pipedrive_fdw.catalog.model import NONE, OFFSET, Column, Filter, Get, Listing, Parent, Table


def _followers(what: str, column: str, table: str, rows: int, count: str = "followers_count") -> Table:
    """The table of the users who follow rows of *table*; *column* names the followed one, whose column
    *count* says how many they are."""
    path = f"/{table}/{{{column}}}/followers"
    return Table(
        name=f"{what}_followers",
        doc=f"Users who follow {what}s.",
        columns=(
            parent(column, table, f"The {what}.", insert=True, required=True),
            ref("user_id", "users", "The user.", not_null=True, insert=True, required=True),
            Column("add_time", "timestamptz", "Since when."),
            ROW_ID,
        ),
        listings=(Listing(path, tokens=10),),
        key=(column, "user_id"),
        parent=Parent(table, column, count=count),
        insert=add(path),
        delete=remove(path + "/{user_id}"),
        rows=rows,
    )


DEAL_FOLLOWERS = _followers("deal", "deal_id", "deals", 10_000)
PERSON_FOLLOWERS = _followers("person", "person_id", "persons", 10_000)
ORGANIZATION_FOLLOWERS = _followers("organization", "org_id", "organizations", 10_000)
PRODUCT_FOLLOWERS = _followers("product", "product_id", "products", 1_000, count="")

USER_FOLLOWERS = Table(
    name="user_followers",
    doc="Users who follow users.",
    columns=(
        parent("user_id", "users", "The user who is followed."),
        ref("follower_user_id", "users", "The user who follows.", source="user_id", not_null=True),
        Column("add_time", "timestamptz", "Since when."),
        ROW_ID,
    ),
    listings=(Listing("/users/{user_id}/followers", tokens=10),),
    key=("user_id", "follower_user_id"),
    parent=Parent("users", "user_id"),
    rows=20,
)

DEAL_PARTICIPANTS = Table(
    name="deal_participants",
    doc="Persons who take part in deals.",
    columns=(
        ID,
        parent("deal_id", "deals", "The deal.", insert=True, required=True),
        ref(
            "person_id",
            "persons",
            "The person.",
            source="id:person_id",
            body="person_id",
            insert=True,
            required=True,
        ),
        ADD_TIME,
        Column("active_flag", "boolean", "Whether the link is active."),
        Column("related_item_data", "jsonb", "The deal: {deal_id, title}."),
        Column("person", "jsonb", "The person as API v1 shows it."),
        ref("added_by_user_id", "users", "The user who added it.", source="id:added_by_user_id"),
        Column("related_item_type", "text", "Always deal."),
        Column("related_item_id", "bigint", "Id of the deal."),
        ROW_ID,
    ),
    listings=(
        Listing("/deals/{deal_id}/participants", tokens=10, version=1, paging=OFFSET, null_is_empty=True),
    ),
    key=("deal_id", "id"),
    parent=Parent("deals", "deal_id", count="participants_count"),
    insert=add("/deals/{deal_id}/participants", 1),
    delete=remove("/deals/{deal_id}/participants/{id}", 1),
)

_PERSON_COLUMNS = tuple(
    c._replace(insert=False, update=False, required=False) for c in PERSONS.columns if c.name != "filter_id"
)
_PERSON_LIST = replace(
    PERSONS.listings[0],
    filters=(Filter("owner_id", share=0.1), Filter("org_id", share=0.002), SINCE, UNTIL),
)

DEAL_PERSONS = Table(
    name="deal_persons",
    doc="Persons linked to deals: the columns of persons, once for each deal.",
    columns=(parent("deal_id", "deals", "The deal."), *_PERSON_COLUMNS, ROW_ID),
    listings=(
        replace(
            _PERSON_LIST,
            filters=(Filter("deal_id", required=True, share=0.001), *_PERSON_LIST.filters),
            sorts=(),
        ),
    ),
    key=("deal_id", "id"),
    parent=Parent("deals", "deal_id"),
    hidden=PERSONS.hidden,
    custom_fields="person",
)

ORGANIZATION_PERSONS = Table(
    name="organization_persons",
    doc="Persons linked to an organization: the columns of persons.",
    columns=_PERSON_COLUMNS,
    listings=(replace(PERSONS.listings[0], filters=PERSONS.listings[0].filters[1:]),),
    get=PERSONS.get,
    hidden=PERSONS.hidden,
    present=("org_id",),
    custom_fields="person",
)

_SEEN = "Seen from org_id: "
ORGANIZATION_RELATIONSHIPS = Table(
    name="organization_relationships",
    doc="Relationships of organizations, one row for each of the two; written once.",
    columns=(
        ID,
        parent("org_id", "organizations", "The organization from which it is seen.", insert=True),
        *writable(
            Column("type", "text", "parent or related.", required=True),
            ref(
                "rel_owner_org_id",
                "organizations",
                "The organization that owns it; of type parent, the parent.",
                source="id:rel_owner_org_id",
                body="rel_owner_org_id",
                required=True,
            ),
            ref(
                "rel_linked_org_id",
                "organizations",
                "The organization that is linked; of type parent, the daughter.",
                source="id:rel_linked_org_id",
                body="rel_linked_org_id",
                required=True,
            ),
        ),
        ADD_TIME,
        UPDATE_TIME,
        Column("active_flag", "boolean", "Whether it is active."),
        Column("calculated_type", "text", f"{_SEEN}parent, daughter, sister or related."),
        ref("calculated_related_org_id", "organizations", f"{_SEEN}the other organization."),
        Column("related_organization_name", "text", f"{_SEEN}name of the other organization."),
        ROW_ID,
    ),
    listings=(
        Listing(
            "/organizationRelationships",
            tokens=20,
            version=1,
            paging=NONE,
            filters=(Filter("org_id", required=True, share=0.001),),
            null_is_empty=True,
        ),
    ),
    # A record found by its id does not say from which side it is seen.
    get=Get(
        "/organizationRelationships/{id}",
        tokens=2,
        version=1,
        lookup=False,
        parents=("rel_owner_org_id", "rel_linked_org_id"),
    ),
    key=("org_id", "id"),
    parent=Parent("organizations", "org_id"),
    insert=add("/organizationRelationships", 1),
    update=change("/organizationRelationships/{id}", 1, fields=("org_id",)),
    delete=remove("/organizationRelationships/{id}", 1),
    shared="id",
    rows=1_000,
)

TABLES = (
    DEAL_FOLLOWERS,
    PERSON_FOLLOWERS,
    ORGANIZATION_FOLLOWERS,
    PRODUCT_FOLLOWERS,
    USER_FOLLOWERS,
    DEAL_PARTICIPANTS,
    DEAL_PERSONS,
    ORGANIZATION_PERSONS,
    ORGANIZATION_RELATIONSHIPS,
)
