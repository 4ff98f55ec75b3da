//! What makes pipelines run by themselves: the times of schedules, and the loop that looks at all triggers.

pub mod schedule;
