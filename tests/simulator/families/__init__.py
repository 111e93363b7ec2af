"""The API's objects, a module a family: declarations, and the few operations that need words of their own."""

from __future__ import annotations

from tests.simulator.families import (  # noqa: F401 - importing registers them
    admin,
    contacts,
    deal_children,
    deals,
    fields,
    figures,
    history,
    leads,
    mail,
    notes,
    products,
    projects,
    relations,
    rights,
    search,
    subscriptions,
    teams,
    users,
    v1_core,
    v1_projects,
    work,
)
