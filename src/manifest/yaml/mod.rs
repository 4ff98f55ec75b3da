//! YAML text to a tree with places, within limits that hostile files run into.

mod read;

pub(super) use read::read;

#[cfg(test)]
mod tests;
