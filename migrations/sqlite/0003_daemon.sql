-- What a daemon needs: work that waits, slots, triggers, requests, tokens, and everything that is told or kept.
--
-- Times in `*_ms` are milliseconds since 1970 by the database's clock, for comparing; all others are ISO-8601 texts.

-- `shared`: any daemon may drive it. `parked` tells why nobody drives it now, `wake_ms` when it is to be looked at again.
alter table runs add column shared boolean not null default false;
alter table runs add column priority bigint not null default 0;
alter table runs add column parked text;
alter table runs add column wake_ms bigint;
alter table runs add column fired_by text;
alter table runs add column rerun_of text;
alter table runs add column backfill_id text;
create index runs_unfinished on runs (priority desc, created_at, run_id) where finished_at is null;

alter table attempts add column host text;
alter table attempts add column owner text;
alter table attempts add column memory_limit_bytes bigint;

-- An artifact whose bytes were freed keeps its row.
alter table artifacts add column collected_at text;

-- What attempts take, a row for each: used is what these rows say, so nothing can leak or be counted twice. `gpus` is 1
-- for an attempt that takes a GPU, `gpu` which one; no `gpu_memory_bytes` means all of it.
create table slots (
    attempt_id text not null primary key,
    run_id text not null,
    step text not null,
    host text not null,
    pool text,
    pool_slots bigint not null,
    cpus bigint not null,
    memory_bytes bigint not null,
    gpus bigint not null,
    gpu_memory_bytes bigint not null,
    gpu bigint,
    since_ms bigint not null
) without rowid;
create index slots_by_run on slots (run_id);

-- Steps that wait for room, and for what, for the order among runs and for people who ask why. `waits_for` is pool, cpus,
-- memory, gpu, turn or result; the limits are those of the process that asked.
create table slot_waits (
    run_id text not null,
    step text not null,
    host text not null,
    pool text,
    pool_slots bigint not null,
    cpus bigint not null,
    memory_bytes bigint not null,
    gpus bigint not null,
    gpu_memory_bytes bigint not null,
    cpu_limit bigint not null,
    memory_limit bigint,
    priority bigint not null,
    waits_for text not null,
    since_ms bigint not null,
    because text not null,
    primary key (run_id, step)
) without rowid;

-- A pool that has no row here has one slot.
create table pools (
    pool text not null primary key,
    slots bigint not null,
    set_by text not null,
    set_at text not null
) without rowid;

-- What somebody asked of a run; whoever drives the run carries it out. `subject` is a gate or step.
create table requests (
    request_id text not null primary key,
    run_id text not null,
    kind text not null,
    subject text,
    asked_by text not null,
    reason text,
    expires_at text,
    created_at text not null,
    handled_at text,
    outcome text
) without rowid;
create index requests_open on requests (run_id) where handled_at is null;

-- Gates and steps that somebody had to decide about. `kind` is gate or step.
create table approvals (
    run_id text not null,
    kind text not null,
    subject text not null,
    state text not null,
    message text,
    requested_at text,
    expires_at text,
    decided_at text,
    decided_by text,
    reason text,
    primary key (run_id, kind, subject)
) without rowid;
create index approvals_open on approvals (state);

create table daemons (
    daemon text not null primary key,
    host text not null,
    version text not null,
    address text,
    pipelines text,
    started_at text not null,
    beat_ms bigint not null,
    draining boolean not null default false,
    trouble text
) without rowid;

-- The last good version of each manifest that a daemon has loaded. `broken` is what is wrong with a newer text;
-- `retired_at` is set once the file is gone.
create table pipelines (
    pipeline text not null primary key,
    manifest_path text not null,
    manifest_digest text not null,
    manifest_text text not null,
    description text,
    owner text,
    loaded_at text not null,
    loaded_by text not null,
    retired_at text,
    broken text,
    broken_at text,
    paused_at text,
    paused_by text,
    paused_because text
) without rowid;

-- Files that no version of a pipeline comes from. `kind` is broken or duplicate.
create table manifest_problems (
    manifest_path text not null primary key,
    pipeline text,
    kind text not null,
    report text not null,
    noted_at text not null,
    noted_by text not null
) without rowid;

-- `since_ms`: times before this are none of the trigger's; a changed definition sets it anew. `state`: JSON of its own.
create table triggers (
    pipeline text not null,
    trigger_name text not null,
    kind text not null,
    definition text not null,
    since_ms bigint not null,
    next_at text,
    looked_at text,
    because text,
    state text,
    paused_at text,
    paused_by text,
    primary key (pipeline, trigger_name)
) without rowid;

-- One row for each time at which a trigger was due: its key makes a second one impossible. `nominal` is that time, or what
-- else the trigger goes by: a run, the digest of files, a delivery. `detail`: JSON that its run's params are made from.
create table ticks (
    pipeline text not null,
    trigger_name text not null,
    nominal text not null,
    decided_at text not null,
    state text not null,
    because text,
    run_id text,
    detail text,
    primary key (pipeline, trigger_name, nominal)
) without rowid;
create index ticks_by_run on ticks (run_id);
create index ticks_queued on ticks (pipeline, trigger_name) where state = 'queued';
-- For triggers that wait for the end of another pipeline's run.
create index runs_by_end on runs (pipeline, finished_at);

-- Every event of every run in the order in which it became visible, for those who follow along.
create table outbox (
    position integer primary key autoincrement,
    tx bigint not null default 0,
    run_id text not null,
    seq bigint not null,
    at_ms bigint not null
);
create index outbox_by_tx on outbox (tx, position);

-- How far each follower has read.
create table subscriptions (
    subscriber text not null primary key,
    tx bigint not null,
    position bigint not null
) without rowid;

create table deliveries (
    delivery_id text not null primary key,
    run_id text not null,
    seq bigint not null,
    channel bigint not null,
    pipeline text not null,
    occasion text not null,
    target text not null,
    body text not null,
    state text not null,
    attempts bigint not null,
    due_ms bigint not null,
    last_error text,
    created_at text not null,
    delivered_at text,
    unique (run_id, seq, channel)
) without rowid;
create index deliveries_due on deliveries (due_ms) where delivered_at is null;

-- Only the SHA-256 of a token is kept. `scope` narrows it to one trigger or endpoint.
create table tokens (
    token_id text not null primary key,
    name text not null,
    hash text not null unique,
    role text not null,
    scope text,
    created_at text not null,
    created_by text not null,
    expires_at text,
    revoked_at text,
    used_at text
) without rowid;

create table audit (
    position integer primary key autoincrement,
    at text not null,
    who text not null,
    role text,
    action text not null,
    object text,
    outcome text not null,
    remote text,
    detail text
);
create index audit_by_time on audit (at);

-- Answers kept so that a repeated request gets the same one. Until `held_ms` somebody works on the first one.
create table idempotency (
    key text not null,
    who text not null,
    route text not null,
    body_digest text not null,
    held_ms bigint not null,
    status bigint,
    answer text,
    created_at text not null,
    primary key (who, route, key)
) without rowid;
create index idempotency_by_time on idempotency (created_at);

create table backfills (
    backfill_id text not null primary key,
    pipeline text not null,
    param text not null,
    definition text not null,
    requested_by text not null,
    created_at text not null,
    state text not null
) without rowid;
-- `state`: waiting, submitted (then the run tells), skipped, refused or cancelled; `because` tells why it has no run.
create table backfill_items (
    backfill_id text not null,
    position bigint not null,
    value text not null,
    run_id text,
    state text not null,
    because text,
    primary key (backfill_id, position)
) without rowid;

-- When a daemon was last here, and the last leap of the clock, for as long as it is doubted. One row.
create table clock (
    one bigint not null primary key,
    seen_ms bigint not null,
    leap_from_ms bigint,
    leap_to_ms bigint
) without rowid;

-- Artifacts that are never freed.
create table pins (
    digest text not null primary key,
    reason text not null,
    pinned_by text not null,
    pinned_at text not null
) without rowid;

create view lineage_approvals as
select a.run_id, r.pipeline, a.kind, a.subject, a.state, a.message, a.requested_at, a.expires_at, a.decided_at,
    a.decided_by, a.reason
from approvals a
join runs r on r.run_id = a.run_id;

create view lineage_ticks as
select t.pipeline, t.trigger_name, t.nominal, t.decided_at, t.state, t.because, t.run_id
from ticks t;
