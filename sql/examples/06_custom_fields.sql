-- Custom fields are columns
-- Named after their labels, with types; choices read as their labels. (The made-up company calls its fields by kind.)
SELECT id, title, deal_date, deal_enum, deal_set, deal_monetary, deal_monetary_currency AS currency
FROM pipedrive.deals
WHERE deal_enum IS NOT NULL AND deal_set IS NOT NULL
ORDER BY id
LIMIT 5;
