//! Data engineering: split, query and build features.
