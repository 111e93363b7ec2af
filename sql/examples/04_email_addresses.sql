-- Lists inside a record
-- A person has any number of addresses, as jsonb: unnest them, and see with which organization each belongs.
-- (The table person_emails has a row for each, to be written too.)
SELECT persons.name, organizations.name AS organization, email ->> 'label' AS label, email ->> 'value' AS address
FROM pipedrive.persons
CROSS JOIN LATERAL jsonb_array_elements(persons.emails) AS email
LEFT JOIN pipedrive.organizations ON organizations.id = persons.org_id
WHERE persons.name IS NOT NULL
ORDER BY persons.id, address
LIMIT 6;
