-- Pipeline by stage: open deals and their value
SELECT deals.pipeline, stages.order_nr || '. ' || stages.name AS stage, count(*) AS deals, sum(deals.value) AS value
FROM bi.deals
JOIN bi.stages ON stages.id = deals.stage_id
WHERE deals.status = 'open' AND NOT deals.is_archived AND deals.currency = 'EUR' AND deals.value < 1000000
GROUP BY deals.pipeline, stages.order_nr, stages.name
ORDER BY deals.pipeline, stages.order_nr
