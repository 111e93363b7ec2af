-- Written by make docs from the catalogue of tables. Add your custom fields in a model of your own.
select
    id,
    name,
    owner_id,
    add_time,
    update_time,
    is_deleted,
    visible_to,
    address,
    label_ids,
    website,
    linkedin,
    industry,
    annual_revenue,
    employee_count
from {{ source('pipedrive', 'organizations') }}
