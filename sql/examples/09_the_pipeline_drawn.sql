-- The pipeline as a chart
-- Open deals by pipeline and stage. A bar is nothing but text that repeats; your reporting tool draws nicer ones.
SELECT pipelines.name AS pipeline,
       stages.name AS stage,
       count(deals.id) AS deals,
       repeat('█', (30.0 * count(deals.id) / greatest(max(count(deals.id)) OVER (), 1))::integer) AS chart
FROM pipedrive.stages
JOIN pipedrive.pipelines ON pipelines.id = stages.pipeline_id
LEFT JOIN pipedrive.deals ON deals.stage_id = stages.id AND deals.status = 'open'
GROUP BY pipelines.id, pipelines.name, stages.id, stages.order_nr, stages.name
ORDER BY pipelines.id, stages.order_nr;
