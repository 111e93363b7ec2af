-- Won deals by month
-- Dates are real timestamps: group, window and compare them as you like.
SELECT to_char(date_trunc('month', won_time), 'YYYY-MM') AS month,
       count(*) AS won,
       round(avg(extract(epoch FROM won_time - add_time) / 86400)) AS days_to_win,
       sum(count(*)) OVER (ORDER BY date_trunc('month', won_time)) AS won_so_far
FROM pipedrive.deals
WHERE status = 'won' AND won_time IS NOT NULL
GROUP BY date_trunc('month', won_time)
ORDER BY date_trunc('month', won_time) DESC
LIMIT 8;
