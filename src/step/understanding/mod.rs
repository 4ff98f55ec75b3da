//! Business and data understanding: ingest, profile and validate.
