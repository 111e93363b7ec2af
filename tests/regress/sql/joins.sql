-- Joins: look-ups for a few rows, one scan for many; no look-up path that Multicorn makes wrongly.
EXPLAIN (COSTS OFF) SELECT p.name FROM few f JOIN persons p ON p.id = f.id;
EXPLAIN (COSTS OFF) SELECT p.name FROM few f LEFT JOIN persons p ON p.id = f.id;
EXPLAIN (COSTS OFF) SELECT p.name FROM many m JOIN persons p ON p.id = m.id;
EXPLAIN (COSTS OFF) SELECT d.title FROM few f JOIN deals d ON d.person_id = f.id;
EXPLAIN (COSTS OFF) SELECT c.deal_id FROM few f JOIN deal_products c ON c.deal_id = f.id;
EXPLAIN (COSTS OFF) SELECT count(*) FROM users u JOIN deals d ON d.owner_id = u.id LEFT JOIN few f ON f.id = d.id;
EXPLAIN (COSTS OFF) SELECT count(*) FROM users u JOIN deals d ON d.owner_id = u.id WHERE NOT EXISTS (SELECT FROM few f WHERE f.id = d.id);
EXPLAIN (COSTS OFF) SELECT d.title, c.name FROM deals d JOIN deal_products c ON c.deal_id = d.id WHERE d.stage_id = 7;
-- A key that must be cast is looked up, too; a key that only a sub-select of the row knows is not
EXPLAIN (COSTS OFF) SELECT p.name FROM few f JOIN persons p ON p.id = (f.id + 1)::int::bigint;
EXPLAIN (COSTS OFF) SELECT p.name FROM few f JOIN persons p ON p.id = (SELECT count(*) FROM few g WHERE g.id < f.id);
EXPLAIN (COSTS OFF) SELECT id FROM deals WHERE title = current_database() AND id IN (length(current_setting('work_mem')), 4);
