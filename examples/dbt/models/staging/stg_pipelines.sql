-- Written by make docs from the catalogue of tables. Add your custom fields in a model of your own.
select
    id,
    name,
    order_nr,
    is_deleted,
    is_deal_probability_enabled,
    add_time,
    update_time
from {{ source('pipedrive', 'pipelines') }}
