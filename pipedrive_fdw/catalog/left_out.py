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
    "v1 POST /oauth/token/": "the same as without the slash, by which the body is lost in a redirect",
    "v1 GET /deals/summary/archived": "deprecated; sums over deals WHERE is_archived give the same",
    "v1 GET /deals/timeline/archived": "deprecated; a GROUP BY over deals WHERE is_archived gives the same",
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

# Operation of version 1 → that of version 2 which does the same; the tables use it under every api_version.
SUPERSEDED: Mapping[str, str] = {
    "v1 DELETE /dealFields/{}": "v2 DELETE /dealFields/{}",
    "v1 DELETE /deals/{}/followers/{}": "v2 DELETE /deals/{}/followers/{}",
    "v1 DELETE /organizationFields/{}": "v2 DELETE /organizationFields/{}",
    "v1 DELETE /organizations/{}/followers/{}": "v2 DELETE /organizations/{}/followers/{}",
    "v1 DELETE /personFields/{}": "v2 DELETE /personFields/{}",
    "v1 DELETE /persons/{}/followers/{}": "v2 DELETE /persons/{}/followers/{}",
    "v1 DELETE /productFields/{}": "v2 DELETE /productFields/{}",
    "v1 DELETE /products/{}/followers/{}": "v2 DELETE /products/{}/followers/{}",
    "v1 DELETE /projects/{}": "v2 DELETE /projects/{}",
    "v1 DELETE /tasks/{}": "v2 DELETE /tasks/{}",
    "v1 GET /activityFields": "v2 GET /activityFields",
    "v1 GET /dealFields": "v2 GET /dealFields",
    "v1 GET /dealFields/{}": "v2 GET /dealFields/{}",
    "v1 GET /deals/{}/followers": "v2 GET /deals/{}/followers",
    "v1 GET /leads/search": "v2 GET /leads/search",
    "v1 GET /organizationFields": "v2 GET /organizationFields",
    "v1 GET /organizationFields/{}": "v2 GET /organizationFields/{}",
    "v1 GET /organizations/{}/followers": "v2 GET /organizations/{}/followers",
    "v1 GET /personFields": "v2 GET /personFields",
    "v1 GET /personFields/{}": "v2 GET /personFields/{}",
    "v1 GET /persons/{}/followers": "v2 GET /persons/{}/followers",
    "v1 GET /productFields": "v2 GET /productFields",
    "v1 GET /productFields/{}": "v2 GET /productFields/{}",
    "v1 GET /products/{}/followers": "v2 GET /products/{}/followers",
    "v1 GET /projectTemplates": "v2 GET /projectTemplates",
    "v1 GET /projectTemplates/{}": "v2 GET /projectTemplates/{}",
    "v1 GET /projects": "v2 GET /projects",
    "v1 GET /projects/boards": "v2 GET /boards",
    "v1 GET /projects/boards/{}": "v2 GET /boards/{}",
    "v1 GET /projects/phases": "v2 GET /phases",
    "v1 GET /projects/phases/{}": "v2 GET /phases/{}",
    "v1 GET /projects/{}": "v2 GET /projects/{}",
    "v1 GET /tasks": "v2 GET /tasks",
    "v1 GET /tasks/{}": "v2 GET /tasks/{}",
    "v1 GET /users/{}/followers": "v2 GET /users/{}/followers",
    "v1 POST /dealFields": "v2 POST /dealFields",
    "v1 POST /deals/{}/followers": "v2 POST /deals/{}/followers",
    "v1 POST /organizationFields": "v2 POST /organizationFields",
    "v1 POST /organizations/{}/followers": "v2 POST /organizations/{}/followers",
    "v1 POST /personFields": "v2 POST /personFields",
    "v1 POST /persons/{}/followers": "v2 POST /persons/{}/followers",
    "v1 POST /productFields": "v2 POST /productFields",
    "v1 POST /products/{}/followers": "v2 POST /products/{}/followers",
    "v1 POST /projects": "v2 POST /projects",
    "v1 POST /projects/{}/archive": "v2 POST /projects/{}/archive",
    "v1 POST /tasks": "v2 POST /tasks",
    "v1 PUT /dealFields/{}": "v2 PATCH /dealFields/{}",
    "v1 PUT /organizationFields/{}": "v2 PATCH /organizationFields/{}",
    "v1 PUT /personFields/{}": "v2 PATCH /personFields/{}",
    "v1 PUT /productFields/{}": "v2 PATCH /productFields/{}",
    "v1 PUT /projects/{}": "v2 PATCH /projects/{}",
    "v1 PUT /tasks/{}": "v2 PATCH /tasks/{}",
}
