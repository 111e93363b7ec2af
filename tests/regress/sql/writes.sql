-- What each row sends
EXPLAIN (COSTS OFF) INSERT INTO deals (title) VALUES ('New');
EXPLAIN (COSTS OFF) UPDATE deals SET title = 'New' WHERE id = 7;
EXPLAIN (COSTS OFF) DELETE FROM notes WHERE id = 7;
-- The deal is looked up; several rows may go together
EXPLAIN (COSTS OFF) INSERT INTO deal_products (deal_id, product_id, item_price, quantity) VALUES (1, 2, 10, 1);
EXPLAIN (COSTS OFF) UPDATE deal_products SET quantity = 2 WHERE deal_id = 1;
EXPLAIN (COSTS OFF) DELETE FROM deal_products WHERE deal_id = 1;
EXPLAIN (COSTS OFF) DELETE FROM filters WHERE type = 'deals';
-- The conditions of a filter go with every change; the addresses of a person only together
EXPLAIN (COSTS OFF) UPDATE filters SET name = 'New' WHERE id = 1;
EXPLAIN (COSTS OFF) INSERT INTO person_emails (person_id, value) VALUES (1, 'ada@mail.example');
-- Several operations
EXPLAIN (COSTS OFF) INSERT INTO files (deal_id, file_name, content) VALUES (1, 'hello.txt', 'Hello');
EXPLAIN (COSTS OFF) UPDATE projects SET is_archived = true WHERE id = 1;
