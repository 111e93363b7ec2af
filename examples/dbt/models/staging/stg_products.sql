-- Written by make docs from the catalogue of tables. Add your custom fields in a model of your own.
select
    id,
    name,
    code,
    unit,
    tax,
    is_deleted,
    is_linkable,
    visible_to,
    owner_id,
    add_time,
    update_time,
    description,
    category,
    billing_frequency,
    billing_frequency_cycles,
    prices
from {{ source('pipedrive', 'products') }}
