-- Written by make docs from the catalogue of tables. Add your custom fields in a model of your own.
select
    id,
    order_nr,
    name,
    is_deleted,
    deal_probability,
    pipeline_id,
    is_deal_rot_enabled,
    days_to_rotten,
    add_time,
    update_time
from {{ source('pipedrive', 'stages') }}
