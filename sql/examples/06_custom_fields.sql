-- Custom fields are columns
-- Named after their labels, with types; choices read as their labels. Which of them do the open deals fill in?
SELECT field.key AS "column",
       format_type(attribute.atttypid, attribute.atttypmod) AS type,
       count(*) AS deals,
       left(min(nullif(trim(field.value #>> '{}'), '')), 40) AS example
FROM pipedrive.deals
CROSS JOIN LATERAL jsonb_each(to_jsonb(deals)) AS field
JOIN pg_attribute AS attribute ON attribute.attrelid = 'pipedrive.deals'::regclass
                              AND attribute.attname = field.key AND attribute.attfdwoptions IS NOT NULL
WHERE deals.status = 'open' AND field.value <> 'null'
GROUP BY field.key, attribute.atttypid, attribute.atttypmod
ORDER BY count(*) DESC, field.key
LIMIT 8;
