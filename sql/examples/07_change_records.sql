-- Changing records
-- INSERT, UPDATE and DELETE go to Pipedrive at once, and RETURNING has what it answered.
INSERT INTO pipedrive.notes (deal_id, content) VALUES (7, 'Call back on Monday')
RETURNING id, deal_id, content, add_time;

UPDATE pipedrive.deals SET value = 12000, currency = 'EUR' WHERE id = 7
RETURNING id, title, value, currency, update_time;
