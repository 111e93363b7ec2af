-- Your own tables beside Pipedrive's
-- Sales targets live in your database, deals in Pipedrive: one query sees both. (The made-up company
-- holds odd values on purpose; those above a million are left out.)
CREATE TEMPORARY TABLE target AS
SELECT id AS owner_id, 50000 * (1 + id % 3) AS eur FROM pipedrive.users;

SELECT users.name,
       target.eur AS target,
       coalesce(sum(deals.value), 0) AS won,
       round(100 * coalesce(sum(deals.value), 0) / target.eur) || ' %' AS reached
FROM target
JOIN pipedrive.users ON users.id = target.owner_id
LEFT JOIN pipedrive.deals ON deals.owner_id = target.owner_id AND deals.status = 'won'
      AND deals.currency = 'EUR' AND deals.value < 1000000
GROUP BY users.name, target.owner_id, target.eur
ORDER BY sum(deals.value) DESC NULLS LAST
LIMIT 6;
