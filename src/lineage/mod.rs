//! What came from what: a pure projection of events into rows.
