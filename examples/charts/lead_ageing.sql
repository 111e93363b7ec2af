-- Lead ageing: how old the leads in the inbox are
SELECT CASE WHEN age <= 30 THEN '1. up to 30 days'
            WHEN age <= 90 THEN '2. up to 90 days'
            WHEN age <= 180 THEN '3. up to 180 days'
            WHEN age <= 365 THEN '4. up to a year'
            ELSE '5. older' END AS age,
       count(*) AS leads
FROM (SELECT current_date - add_time::date AS age FROM bi.leads WHERE NOT is_archived) AS inbox
GROUP BY 1
ORDER BY 1
