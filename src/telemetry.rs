//! Tracing set-up. Field names in logs: `run.id`, `pipeline`, `step`, `attempt`, `endpoint`, `artifact`.
