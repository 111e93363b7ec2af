-- The pipeline: open deals by stage
-- Three Pipedrive lists, joined like any other tables. Pipedrive itself picks the open deals; PostgreSQL does the rest.
SELECT pipelines.name AS pipeline,
       stages.name AS stage,
       count(*) AS deals,
       deals.currency,
       round(sum(deals.value), 2) AS value
FROM pipedrive.deals
JOIN pipedrive.stages ON stages.id = deals.stage_id
JOIN pipedrive.pipelines ON pipelines.id = stages.pipeline_id
WHERE deals.status = 'open' AND deals.currency = 'EUR'
GROUP BY pipelines.id, pipelines.name, stages.id, stages.name, stages.order_nr, deals.currency
ORDER BY pipelines.id, stages.order_nr;
