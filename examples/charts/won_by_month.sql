-- Won by month: deals and their value
SELECT date_trunc('month', won_time) AS month, count(*) AS deals, sum(value) AS value
FROM bi.deals
WHERE status = 'won' AND won_time IS NOT NULL AND currency = 'EUR' AND value < 1000000
GROUP BY 1
ORDER BY 1
