-- Activities per rep: done, and still to do
SELECT owner, count(*) FILTER (WHERE done) AS done, count(*) FILTER (WHERE NOT done) AS to_do
FROM bi.activities
WHERE owner IS NOT NULL
GROUP BY owner
ORDER BY count(*) DESC, owner
