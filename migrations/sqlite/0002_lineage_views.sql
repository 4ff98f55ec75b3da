-- The public contract: views with the same names and columns in both databases. Columns are only ever added.

create view lineage_runs as
select r.run_id, r.pipeline, r.state, r.manifest_path, r.manifest_digest, d.manifest_text, r.requested_by, r.git_commit,
    r.program_version, r.host, d.environment, d.options, r.criteria_digest, r.created_at, r.started_at, r.finished_at,
    r.seconds
from runs r join run_definitions d on d.run_id = r.run_id;

create view lineage_steps as
select s.run_id, r.pipeline, s.step, s.phase, s.kind, s.kind_version, s.position, s.state, s.because, s.attempts,
    s.attempt_id, s.cache_key, s.why, s.started_at, s.finished_at,
    case when a.run_id = s.run_id then a.seconds end as seconds,
    case when a.run_id = s.run_id then a.peak_memory_bytes end as peak_memory_bytes,
    case when s.state = 'reused' then a.seconds end as saved_seconds,
    case when s.state = 'reused' then a.run_id end as reused_from
from steps s
join runs r on r.run_id = s.run_id
left join attempts a on a.attempt_id = s.attempt_id;

create view lineage_attempts as
select a.run_id, r.pipeline, a.step, s.phase, a.number as attempt, a.attempt_id, a.state, a.why, a.fault, a.code,
    a.message, a.help, a.cache_key, a.parts, a.seconds, a.peak_memory_bytes, a.started_at, a.finished_at
from attempts a
join runs r on r.run_id = a.run_id
left join steps s on s.run_id = a.run_id and s.step = a.step;

create view lineage_artifacts as
select a.digest, a.kind, a.rows, a.bytes, a.run_id, r.pipeline, s.phase, a.step, a.output, a.attempt_id, a.created_at
from artifacts a
left join runs r on r.run_id = a.run_id
left join steps s on s.run_id = a.run_id and s.step = a.step;

create view lineage_inputs as
select i.run_id, r.pipeline, s.phase, i.step, i.input, i.position, i.digest, i.source_step, i.source_output, a.kind,
    a.rows, a.bytes
from step_inputs i
join runs r on r.run_id = i.run_id
left join steps s on s.run_id = i.run_id and s.step = i.step
left join artifacts a on a.digest = i.digest;

create view lineage_outputs as
select o.run_id, r.pipeline, s.phase, o.step, o.output, o.digest, a.kind, a.rows, a.bytes, s.state, s.attempt_id
from step_outputs o
join runs r on r.run_id = o.run_id
left join steps s on s.run_id = o.run_id and s.step = o.step
left join artifacts a on a.digest = o.digest;

create view lineage_edges as
select e.run_id, r.pipeline, s.phase, e.step, s.kind, e.input, i.digest as from_digest, i.source_step, i.source_output,
    e.output, o.digest as to_digest, s.state, s.attempt_id
from step_edges e
join step_inputs i on i.run_id = e.run_id and i.step = e.step and i.input = e.input and i.position = e.position
join step_outputs o on o.run_id = e.run_id and o.step = e.step and o.output = e.output
join runs r on r.run_id = e.run_id
join steps s on s.run_id = e.run_id and s.step = e.step;

create view lineage_columns as
select s.run_id, r.pipeline, s.phase, s.step, c.output, c.digest, c.column_name, c.from_digest, c.from_column,
    c.transform, c.attempt_id
from column_edges c
join steps s on s.attempt_id = c.attempt_id
join runs r on r.run_id = s.run_id;

create view lineage_params as
select p.run_id, r.pipeline, nullif(p.step, '') as step, p.param, p.value
from params p
join runs r on r.run_id = p.run_id;

create view lineage_metrics as
select s.run_id, r.pipeline, s.phase, s.step, m.metric, m.slice, m.value, m.low, m.high, s.state, m.attempt_id,
    s.finished_at
from metrics m
join steps s on s.attempt_id = m.attempt_id
join runs r on r.run_id = s.run_id;

create view lineage_gates as
select g.run_id, r.pipeline, g.phase, g.gate, g.expression, g.severity, g.on_fail, g.blocking, g.mitigates, g.verdict,
    g.evidence, g.evaluated_at
from gates g
join runs r on r.run_id = g.run_id;

create view lineage_models as
select v.model, v.version,
    coalesce((select string_agg(a.alias, ',' order by a.alias) from model_aliases a where a.model = v.model and a.version = v.version), '') as aliases,
    v.digest, v.bundle, v.run_id, r.pipeline, v.step, r.git_commit, v.registered_at
from model_versions v
left join runs r on r.run_id = v.run_id;

create view lineage_deployments as
select d.model, d.alias, d.version, v.digest, v.bundle, d.run_id, r.pipeline, d.step, d.deployed_at
from deployments d
join model_versions v on v.model = d.model and v.version = d.version
left join runs r on r.run_id = d.run_id;

create view lineage_endpoints as
select e.endpoint, e.alias, a.version, v.digest, v.bundle, b.kind as bundle_kind, b.bytes as bundle_bytes,
    b.rows as bundle_rows, a.run_id, r.pipeline, a.moved_at as since
from endpoints e
join model_aliases a on a.model = e.endpoint and a.alias = e.alias
join model_versions v on v.model = a.model and v.version = a.version
left join artifacts b on b.digest = v.bundle
left join runs r on r.run_id = a.run_id;

-- Everything that went into an artifact, and everything that came of it; `depth` is the shortest way. Written so that
-- the walk starts at the one artifact that a query names. Content can be derived from itself in a circle (a column that is
-- added and dropped again), so the walk is bounded: ways of more than 1000 steps are not followed.
create view lineage_ancestry as
select a.digest, a.kind, w.key as ancestor, b.kind as ancestor_kind, w.value as depth
from artifacts a
join json_each((
    with recursive walk (digest, depth) as (
        select d.from_digest, 1 from derivations d where d.to_digest = a.digest
        union
        select d.from_digest, w.depth + 1 from walk w join derivations d on d.to_digest = w.digest where w.depth < 1000
    )
    select json_group_object(shortest.digest, shortest.depth)
    from (select walk.digest, min(walk.depth) as depth from walk where walk.digest <> a.digest group by walk.digest)
        as shortest
)) w
left join artifacts b on b.digest = w.key;

create view lineage_descendants as
select a.digest, a.kind, w.key as descendant, b.kind as descendant_kind, w.value as depth
from artifacts a
join json_each((
    with recursive walk (digest, depth) as (
        select d.to_digest, 1 from derivations d where d.from_digest = a.digest
        union
        select d.to_digest, w.depth + 1 from walk w join derivations d on d.from_digest = w.digest where w.depth < 1000
    )
    select json_group_object(shortest.digest, shortest.depth)
    from (select walk.digest, min(walk.depth) as depth from walk where walk.digest <> a.digest group by walk.digest)
        as shortest
)) w
left join artifacts b on b.digest = w.key;
