-- Won deals by month and currency. Reads the fact, and nothing of Pipedrive.
select
    date_trunc('month', won_time)::date as month,
    currency,
    count(*) as deals,
    sum(value) as value,
    avg(days_to_win) as days_to_win
from {{ ref('fct_deals') }}
where status = 'won' and won_time is not null
group by 1, 2
