-- Children: of the parents that are named, or of all of them.
EXPLAIN (COSTS OFF) SELECT * FROM deal_products;
EXPLAIN (COSTS OFF) SELECT * FROM deal_products WHERE deal_id = 5;
EXPLAIN (COSTS OFF) SELECT * FROM deal_followers;
EXPLAIN (COSTS OFF) SELECT * FROM deal_followers WHERE deal_id IN (5, 6);
EXPLAIN (COSTS OFF) SELECT * FROM organization_persons;
EXPLAIN (COSTS OFF) SELECT * FROM mail_messages_inbox;
EXPLAIN (COSTS OFF) SELECT * FROM subscription_payments;
EXPLAIN (COSTS OFF) SELECT * FROM person_emails WHERE person_id = 7;
EXPLAIN (COSTS OFF) SELECT * FROM deal_changes WHERE deal_id = 5;
EXPLAIN (COSTS OFF) SELECT * FROM api_usage;
