-- Written by make docs from the catalogue of tables. Add your custom fields in a model of your own.
select
    id,
    name,
    default_currency,
    locale,
    lang,
    email,
    phone,
    activated,
    last_login,
    created,
    modified,
    has_created_company,
    access,
    active_flag,
    timezone_name,
    timezone_offset,
    role_id,
    icon_url,
    is_you,
    is_deleted
from {{ source('pipedrive', 'users') }}
