-- Ranges of update_time: floored below, ceiled above, never narrower than asked.
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE update_time >= '2025-06-01 00:00:00.7+00';
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE update_time < '2025-06-01 00:00:00.7+00';
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE update_time BETWEEN '2025-06-01+00' AND '2025-07-01+00';
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE update_time > '2025-07-01+00' AND update_time < '2025-06-01+00';
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE update_time >= date '2025-06-01';
SET DateStyle = 'German';
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE update_time >= '01.06.2025 00:00:00+00';
RESET DateStyle;
EXPLAIN (COSTS OFF) SELECT * FROM persons WHERE add_time >= '2025-06-01+00';
