//! `hash`: categories into a fixed number of buckets, without learning anything.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::needs::need_categories;
use crate::ml::transform::plan::{Columns, Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// Hashes `NAME=value` of all selected columns into shared buckets `PREFIX_0`, `PREFIX_1`, ... (scikit-learn's
/// `FeatureHasher`), for columns with too many categories. A missing value goes nowhere. A bare number is
/// `n_features`: `hash: 32`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hash")]
pub(in crate::ml::transform) struct Params {
    /// The number of buckets.
    #[serde(default = "buckets")]
    #[schemars(range(min = 1, max = 4096))]
    n_features: u32,
    /// Whether half of the values count as -1, so that collisions cancel out on average.
    #[serde(default = "yes")]
    alternate_sign: bool,
    /// The beginning of the new columns' names.
    #[serde(default = "prefix")]
    prefix: String,
}

fn buckets() -> u32 {
    32
}

fn yes() -> bool {
    true
}

fn prefix() -> String {
    "hash".to_owned()
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_features");
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{hash: {n_features: 16}, columns: [plan, town]}";

    fn check(&self) -> Result<(), String> {
        if (1..=4096).contains(&self.n_features) {
            Ok(())
        } else {
            Err(format!("`n_features: {}` must be from 1 to 4096", self.n_features))
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        for name in planning.columns {
            need_categories("hash", name, planning.frame.column(name)?)?;
        }
        Ok(Plan::Ready(Unit::Hash(Hash::new(self, planning.columns.to_vec()))))
    }
}

/// Hashed columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Hash {
    reads: Vec<String>,
    columns: Vec<String>,
    alternate_sign: bool,
}

impl Hash {
    fn new(params: &Params, reads: Vec<String>) -> Hash {
        let columns = (0..params.n_features).map(|bucket| format!("{}_{bucket}", params.prefix)).collect();
        Hash { reads, columns, alternate_sign: params.alternate_sign }
    }
}

impl Fitted for Hash {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let rows = frame.rows();
        let mut buckets = vec![vec![0.0; rows]; self.columns.len()];
        for name in &self.reads {
            self.add(name, &frame.column(name)?.array, &mut buckets);
        }
        self.reads.iter().for_each(|name| frame.remove(name));
        for (name, values) in self.columns.iter().zip(buckets) {
            frame.set(name, Column::encoded(Arc::new(Float64Array::from(values))));
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        names(&self.reads)
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}

impl Hash {
    fn add(&self, name: &str, array: &ArrayRef, buckets: &mut [Vec<f64>]) {
        let mut text = format!("{name}=");
        let start = text.len();
        for row in 0..array.len() {
            if array.is_null(row) {
                continue;
            }
            text.truncate(start);
            // Writing into a `String` cannot fail.
            let written = match array.data_type() {
                DataType::Utf8 => text.write_str(array.as_string::<i32>().value(row)),
                DataType::Int64 => write!(text, "{}", array.as_primitive::<Int64Type>().value(row)),
                DataType::Float64 => write!(text, "{}", array.as_primitive::<Float64Type>().value(row)),
                _ => write!(text, "{}", array.as_boolean().value(row)),
            };
            debug_assert!(written.is_ok());
            let hash = murmur3(text.as_bytes()).cast_signed();
            let bucket = hash.unsigned_abs() as usize % buckets.len();
            buckets[bucket][row] += if self.alternate_sign && hash < 0 { -1.0 } else { 1.0 };
        }
    }
}

/// MurmurHash3, 32 bits, seed 0.
pub(in crate::ml::transform) fn murmur3(bytes: &[u8]) -> u32 {
    let scramble = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut chunks = bytes.chunks_exact(4);
    let mut hash = 0_u32;
    for chunk in &mut chunks {
        hash ^= scramble(u32::from_le_bytes(chunk.try_into().expect("a chunk has four bytes")));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut last = [0; 4];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    hash ^= scramble(u32::from_le_bytes(last));
    // The length is part of the hash modulo 2^32, as in the reference implementation.
    hash ^= u32::try_from(bytes.len() & 0xffff_ffff).expect("masked to 32 bits");
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the reference implementation.
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"test"), 0xba6b_d213);
        assert_eq!(murmur3(b"Hello, world!"), 0xc036_3e43);
        assert_eq!(murmur3(b"The quick brown fox jumps over the lazy dog"), 0x2e4f_f723);
    }
}
