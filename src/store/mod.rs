//! The database behind the engine's ports: one SQL text, SQLite and Postgres.
