-- Stale deals: open deals that have been in their stage for longest
SELECT title, owner, stage, current_date - coalesce(stage_change_time, add_time)::date AS days_in_stage
FROM bi.deals
WHERE status = 'open' AND NOT is_archived
ORDER BY days_in_stage DESC NULLS LAST, id
LIMIT 15
