-- Every version of a deal that a run has seen, from dbt_valid_from until dbt_valid_to. Reads the fact, and nothing
-- of Pipedrive. It compares the columns, because a deal that was never changed has no update_time.
{% snapshot deals_over_time %}
{{
    config(
        unique_key='id',
        strategy='check',
        check_cols=['title', 'stage_id', 'owner_id', 'status', 'value', 'currency', 'expected_close_date']
    )
}}

select id, title, stage_id, owner_id, status, value, currency, expected_close_date
from {{ ref('fct_deals') }}

{% endsnapshot %}
