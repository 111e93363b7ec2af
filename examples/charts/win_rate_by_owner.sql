-- Win rate by owner: won deals among those that are closed, in per cent
SELECT owner, count(*) AS closed, round(100.0 * count(*) FILTER (WHERE status = 'won') / count(*)) AS win_rate
FROM bi.deals
WHERE status IN ('won', 'lost') AND owner IS NOT NULL
GROUP BY owner
ORDER BY win_rate DESC, owner
