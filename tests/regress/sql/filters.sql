-- What is pushed down and what is checked again here.
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE stage_id = 7 AND title LIKE 'A%';
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE status = 'won' AND owner_id = 2;
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE status IN ('won', 'lost');
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE status = 'nonsense';
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE stage_id IN (1, 2) AND status = 'won';
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE stage_id = 1 OR stage_id = 2;
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE stage_id <> 1 AND value > 100;
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE filter_id = 3 AND owner_id = 2;
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE NOT is_archived;
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE is_archived IS TRUE;
EXPLAIN (COSTS OFF) SELECT * FROM activities WHERE done AND owner_id = 2;
EXPLAIN (COSTS OFF) SELECT * FROM stages WHERE pipeline_id IN (1, 2);
