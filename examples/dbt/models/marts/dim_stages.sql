-- The stages with their pipelines: two small lists.
select
    stages.id,
    stages.name as stage,
    stages.order_nr,
    pipelines.id as pipeline_id,
    pipelines.name as pipeline
from {{ ref('stg_stages') }} as stages
join {{ ref('stg_pipelines') }} as pipelines on pipelines.id = stages.pipeline_id
