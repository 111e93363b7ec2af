-- Who has most left to do
-- Activities counted for each user, with the next one due: a list, a join and a filter for each aggregate.
SELECT users.name,
       count(*) FILTER (WHERE NOT activities.done) AS left_to_do,
       count(*) FILTER (WHERE activities.done) AS done,
       min(activities.due_date) FILTER (WHERE NOT activities.done) AS first_due
FROM pipedrive.activities
JOIN pipedrive.users ON users.id = activities.owner_id
GROUP BY users.id, users.name
ORDER BY left_to_do DESC, users.name
LIMIT 6;
