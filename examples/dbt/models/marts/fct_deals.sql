-- The deals. The first run reads all of them, the following ones only those that have changed since.
-- Pipedrive answers the condition on update_time. Deleted deals stay until `dbt build --full-refresh`.
{{ config(materialized='incremental', unique_key='id') }}

select
    id,
    title,
    owner_id,
    person_id,
    org_id,
    stage_id,
    status,
    value,
    currency,
    add_time,
    update_time,
    expected_close_date,
    won_time,
    lost_time,
    is_archived,
    extract(epoch from won_time - add_time) / 86400 as days_to_win
from {{ ref('stg_deals') }}
{% if is_incremental() %}
where update_time >= (select max(update_time) from {{ this }})
{% endif %}
