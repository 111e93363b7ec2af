-- Forecast: open deals by the month in which they should close, overdue ones included
SELECT date_trunc('month', expected_close_date) AS month, count(*) AS deals,
       sum(value * coalesce(probability, 100) / 100) AS weighted_value
FROM bi.deals
WHERE status = 'open' AND NOT is_archived AND currency = 'EUR' AND value < 1000000
  AND expected_close_date BETWEEN current_date - 3 * 365 AND current_date + 2 * 365
GROUP BY 1
ORDER BY 1
