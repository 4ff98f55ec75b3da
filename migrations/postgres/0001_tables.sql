-- The tables behind the lineage views. They may change at any upgrade; the views are the public contract.
--
-- Times are ISO-8601 in UTC with microseconds, as text, so that they sort and compare alike in every database.
-- There are no foreign keys: all rows of a run are written by one projection in one transaction, and a check of each
-- of them would cost as much as the insert.

create table runs (
    run_id text not null primary key,
    pipeline text not null,
    manifest_path text not null,
    manifest_digest text not null,
    requested_by text not null,
    git_commit text,
    program_version text,
    host text,
    state text not null,
    criteria_digest text,
    created_at text not null,
    started_at text,
    finished_at text,
    seconds double precision,
    next_seq bigint not null,
    lease_owner text,
    lease_epoch bigint not null,
    lease_expires_ms bigint not null
);
create index runs_by_time on runs (created_at);
create index runs_by_pipeline on runs (pipeline, created_at);

-- Apart from `runs`, since every event updates a run and would rewrite these long texts with it.
create table run_definitions (
    run_id text not null primary key,
    plan text not null,
    manifest_text text not null,
    environment text not null,
    options text not null
);

create table events (
    run_id text not null,
    seq bigint not null,
    at text not null,
    event text not null,
    primary key (run_id, seq)
);

-- `carries` tells, as JSON, the inputs of those outputs that do not carry all inputs.
create table steps (
    run_id text not null,
    step text not null,
    position bigint not null,
    phase text not null,
    kind text not null,
    kind_version bigint not null,
    carries text not null,
    state text not null,
    because text,
    attempts bigint not null,
    attempt_id text,
    cache_key text,
    why text,
    started_at text,
    finished_at text,
    primary key (run_id, step)
);
create index steps_by_attempt on steps (attempt_id);

create table attempts (
    attempt_id text not null primary key,
    run_id text not null,
    step text not null,
    number bigint not null,
    state text not null,
    cache_key text,
    parts text not null,
    why text not null,
    fault text,
    code text,
    message text,
    help text,
    seconds double precision,
    peak_memory_bytes bigint,
    started_at text not null,
    finished_at text
);
create index attempts_by_step on attempts (run_id, step);

-- One row for each content, with the attempt that made it first.
create table artifacts (
    digest text not null primary key,
    kind text not null,
    bytes bigint not null,
    rows bigint,
    created_at text not null,
    run_id text not null,
    step text not null,
    output text,
    attempt_id text not null
);

create table step_inputs (
    run_id text not null,
    step text not null,
    input text not null,
    position bigint not null,
    digest text not null,
    source_step text not null,
    source_output text not null,
    primary key (run_id, step, input, position)
);
create index step_inputs_by_digest on step_inputs (digest);

create table step_outputs (
    run_id text not null,
    step text not null,
    output text not null,
    digest text not null,
    primary key (run_id, step, output)
);
create index step_outputs_by_digest on step_outputs (digest);

-- Which artifact at an input went into which output of the step.
create table step_edges (
    run_id text not null,
    step text not null,
    output text not null,
    input text not null,
    position bigint not null,
    primary key (run_id, step, output, input, position)
);

-- Which content was made from which, over all runs and without repetition: what ancestry walks.
create table derivations (
    from_digest text not null,
    to_digest text not null,
    primary key (from_digest, to_digest)
);
create index derivations_by_result on derivations (to_digest, from_digest);

-- `step` is empty for the pipeline's own params.
create table params (
    run_id text not null,
    step text not null,
    param text not null,
    value text not null,
    primary key (run_id, step, param)
);

-- Metrics and columns belong to the attempt that made them; a reused step refers to that attempt.
create table metrics (
    attempt_id text not null,
    position bigint not null,
    metric text not null,
    slice text,
    value double precision,
    low double precision,
    high double precision,
    primary key (attempt_id, position)
);
create index metrics_by_name on metrics (metric);

create table column_edges (
    attempt_id text not null,
    position bigint not null,
    output text not null,
    digest text not null,
    column_name text not null,
    from_digest text not null,
    from_column text not null,
    transform text not null,
    primary key (attempt_id, position)
);
create index column_edges_by_result on column_edges (digest, column_name);
create index column_edges_by_source on column_edges (from_digest, from_column);

create table gates (
    run_id text not null,
    gate text not null,
    position bigint not null,
    phase text not null,
    expression text not null,
    severity text not null,
    on_fail text not null,
    blocking boolean not null,
    mitigates text not null,
    verdict text,
    evidence text,
    evaluated_at text,
    primary key (run_id, gate)
);

create table model_versions (
    model text not null,
    version bigint not null,
    digest text not null,
    bundle text not null,
    run_id text not null,
    step text not null,
    registered_at text not null,
    primary key (model, version),
    unique (model, bundle)
);
create index model_versions_by_digest on model_versions (digest);

create table model_aliases (
    model text not null,
    alias text not null,
    version bigint not null,
    run_id text not null,
    moved_at text not null,
    primary key (model, alias)
);

-- Every deployment, also one that moved an alias to the version it already had.
create table deployments (
    model text not null,
    position bigint not null,
    alias text not null,
    version bigint not null,
    run_id text not null,
    step text not null,
    deployed_at text not null,
    primary key (model, position)
);

-- `alias` is the one whose version answers requests.
create table endpoints (
    endpoint text not null primary key,
    alias text not null,
    deployments bigint not null,
    since text not null
);

create table cache_entries (
    key text not null primary key,
    run_id text not null,
    step text not null,
    attempt_id text not null,
    outcome text not null,
    recorded_at text not null
);

-- The latest key under which a step of this name ended well, with what went into it, to explain a miss.
create table step_keys (
    pipeline text not null,
    step text not null,
    key text not null,
    parts text not null,
    primary key (pipeline, step)
);

create table reservations (
    key text not null primary key,
    run_id text not null,
    attempt_id text not null
);
create index reservations_by_run on reservations (run_id);
