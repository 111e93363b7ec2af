"""Operations of the API that no table uses and no function sends, each with the reason.

They are named as in operations.json. A test holds this against the tables and functions;
docs/api-coverage.md shows it.
"""

from __future__ import annotations

from collections.abc import Mapping

# Operation → the command of the package that sends it.
COMMANDS: Mapping[str, str] = {
    "v1 GET /users/me": "check",
    "v1 GET /oauth/authorize": "authorize",
    "v1 POST /oauth/token": "authorize",
}

_APP = "only an installed messaging app may send it, not the user of a database"
_BY_NUMBER = (
    "takes numbers of fields, which version 2 does not have; DELETE FROM deal_fields and the like take keys"
)
LEFT_OUT: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "v1 POST /channels",
            "v1 DELETE /channels/{}",
            "v1 POST /channels/messages/receive",
            "v1 DELETE /channels/{channel-id}/conversations/{conversation-id}",
        ),
        _APP,
    ),
    **dict.fromkeys(
        tuple(f"v1 DELETE /{what}Fields" for what in ("deal", "person", "organization", "product")),
        _BY_NUMBER,
    ),
    **dict.fromkeys(
        tuple(f"v1 GET /{what}Fields/{{}}" for what in ("deal", "person", "organization", "product")),
        "takes the number of a field, which no row shows; the list has all fields at once",
    ),
    "v1 POST /oauth/token/": "the same as without the slash, by which the body is lost in a redirect",
    "v1 GET /deals/summary/archived": "deprecated; sums over deals WHERE is_archived give the same",
    "v1 GET /deals/timeline/archived": "deprecated; a GROUP BY over deals WHERE is_archived gives the same",
    "v1 GET /leads/search": "search_leads() sends the same to version 2, at half the price",
    "v1 GET /legacyTeams/user/{}": "SELECT … FROM legacy_teams WHERE 7 = ANY (users) gives the same",
    "v1 GET /persons/{}/products": "deal_products joined with deals by person_id gives the same",
    "v1 GET /products/{}/deals": "deal_products joined with deals by product_id gives the same",
    "v1 GET /pipelines/{}/deals": "deprecated; SELECT … FROM deals WHERE pipeline_id = 1 gives the same",
    "v1 GET /stages/{}/deals": "deprecated; SELECT … FROM deals WHERE stage_id = 1 gives the same",
    "v1 GET /projects/{}/activities": "SELECT … FROM activities WHERE project_id = 1 gives the same",
    "v1 GET /projects/{}/tasks": "SELECT … FROM tasks WHERE project_id = 1 gives the same",
    "v1 GET /users/{}/roleAssignments": "SELECT … FROM role_assignments WHERE user_id = 7 gives the same",
    "v2 GET /deals/{}/products": "deal_products reads 100 deals by one request, GET /v2/deals/products",
}
