-- What a query costs, before it runs
-- Pipedrive gives an account so many API tokens a day. EXPLAIN shows the requests a query would send and their price,
-- what Pipedrive filters, and what PostgreSQL filters after it. It sends nothing itself.
EXPLAIN (COSTS OFF)
SELECT id, title, value FROM pipedrive.deals WHERE stage_id = 7 AND title LIKE 'A%';
