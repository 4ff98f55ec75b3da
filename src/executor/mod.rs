//! Where an attempt runs: a local child process now, a cluster's queue later.
