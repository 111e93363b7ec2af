-- Written by make docs from the catalogue of tables. Add your custom fields in a model of your own.
select
    id,
    name,
    first_name,
    last_name,
    owner_id,
    org_id,
    add_time,
    update_time,
    emails,
    phones,
    is_deleted,
    visible_to,
    label_ids,
    picture_id,
    postal_address,
    notes,
    im,
    birthday,
    job_title
from {{ source('pipedrive', 'persons') }}
