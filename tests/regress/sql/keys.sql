-- Look-ups by key: single gets up to ten, batches of a hundred from eleven on.
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE id = 7;
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE id IN (1, 2, 3);
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE id IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
EXPLAIN (COSTS OFF) SELECT * FROM deals WHERE id IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
EXPLAIN (COSTS OFF) SELECT * FROM notes WHERE id IN (1, 2, 3);
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE id IN (7, 8) AND id > 7;
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE id < 5 AND id > 9;
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE id = -1;
EXPLAIN (COSTS OFF) SELECT * FROM goals WHERE id = '';
