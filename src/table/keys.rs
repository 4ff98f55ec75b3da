//! Keys by which values are told apart: for `unique`, for distinct counts and for references between tables.
//!
//! Numbers, dates and bools are their own key, so that comparing keys is exact. Text, and several columns together,
//! are hashed to 128 bits: among a billion values two different ones share a key with a probability below 10^-20.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type,
};

use super::{cast, encoded};

/// The keys of a batch of one column, one for each row; the key of a null means nothing.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Values of at most 64 bits, which are their own keys.
    Narrow(Vec<u64>),
    /// Hashes of longer values.
    Wide(Vec<u128>),
}

impl Keys {
    /// The keys of a column of a canonical or an exact type, or of decimals, whose keys mean something within one scale.
    pub fn of(array: &ArrayRef) -> Keys {
        match array.data_type() {
            DataType::Int64 => Keys::Narrow(
                array.as_primitive::<Int64Type>().values().iter().map(|value| value.cast_unsigned()).collect(),
            ),
            DataType::Decimal128(..) => Keys::Wide(
                array.as_primitive::<Decimal128Type>().values().iter().map(|value| value.cast_unsigned()).collect(),
            ),
            DataType::UInt64 => Keys::Narrow(array.as_primitive::<UInt64Type>().values().to_vec()),
            DataType::Float64 => {
                Keys::Narrow(array.as_primitive::<Float64Type>().values().iter().map(|value| bits(*value)).collect())
            }
            DataType::Date32 => Keys::Narrow(
                array
                    .as_primitive::<Date32Type>()
                    .values()
                    .iter()
                    .map(|value| i64::from(*value).cast_unsigned())
                    .collect(),
            ),
            DataType::Timestamp(..) => Keys::Narrow(
                array
                    .as_primitive::<TimestampMicrosecondType>()
                    .values()
                    .iter()
                    .map(|value| value.cast_unsigned())
                    .collect(),
            ),
            DataType::Boolean => Keys::Narrow(array.as_boolean().values().iter().map(u64::from).collect()),
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                let (offsets, bytes) = (texts.value_offsets(), texts.value_data());
                let slice = |row: usize| {
                    let bound = |index: usize| usize::try_from(offsets[index]).expect("offsets are not negative");
                    &bytes[bound(row)..bound(row + 1)]
                };
                Keys::Wide((0..texts.len()).map(|row| hash128(slice(row))).collect())
            }
            DataType::Dictionary(..) => match encoded(array) {
                // Each different value is looked at once.
                Some(encoded) => {
                    let keys = Keys::of(encoded.values());
                    let known = encoded.values().len();
                    let key = |place: &i32| usize::try_from(*place).ok().filter(|place| *place < known);
                    let places = encoded.keys().values().iter();
                    Keys::Wide(places.map(|place| key(place).map_or(0, |place| keys.at(place))).collect())
                }
                None => Keys::of(&cast(array, &DataType::Utf8)),
            },
            _ => Keys::Narrow(vec![0; array.len()]),
        }
    }

    /// The keys of several columns together; a null counts as a value of its own.
    pub fn of_rows(columns: &[ArrayRef]) -> Keys {
        let keys: Vec<Keys> = columns.iter().map(Keys::of).collect();
        Keys::joined(columns.first().map_or(0, Array::len), columns.iter().zip(&keys))
    }

    /// The keys of several columns together, from the keys of each.
    pub fn joined<'keys>(rows: usize, columns: impl Iterator<Item = (&'keys ArrayRef, &'keys Keys)>) -> Keys {
        let mut combined = vec![0u128; rows];
        for (column, keys) in columns {
            let is_there = presence(column);
            for (row, combined) in combined.iter_mut().enumerate() {
                let key = if is_there(row) { keys.at(row) } else { u128::MAX };
                *combined = mix128(combined.rotate_left(41) ^ key);
            }
        }
        Keys::Wide(combined)
    }

    /// The key of a row.
    pub fn at(&self, row: usize) -> u128 {
        match self {
            Keys::Narrow(keys) => u128::from(keys[row]),
            Keys::Wide(keys) => keys[row],
        }
    }
}

/// The bits of a double. Zero has two signs and is one value.
fn bits(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// The key of a double.
pub fn double_key(value: f64) -> u128 {
    bits(value).into()
}

/// Says of each row of a column whether it has a value.
pub fn presence(column: &ArrayRef) -> impl Fn(usize) -> bool + use<> {
    let nulls = column.logical_nulls();
    move |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
}

/// A hash of 128 bits, the same on every machine and in every run.
pub fn hash128(bytes: &[u8]) -> u128 {
    let mut low = 0x9E37_79B9_7F4A_7C15_u64 ^ bytes.len() as u64;
    let mut high = 0xD1B5_4A32_D192_ED03_u64.wrapping_add(bytes.len() as u64);
    let mut absorb = |first: u64, second: u64| {
        low = fold(low ^ first ^ 0xA076_1D64_78BD_642F, second ^ 0xE703_7ED1_A0B4_28DB);
        high = fold(high ^ second ^ 0x8EBC_6AF0_9C88_C6E3, first ^ 0x5899_65CC_7537_4CC3)
            .wrapping_add(low.rotate_left(29));
    };
    let mut chunks = bytes.chunks_exact(16);
    for chunk in &mut chunks {
        let (first, second) = chunk.split_at(8);
        absorb(word(first), word(second));
    }
    let rest = chunks.remainder();
    let (first, second) = rest.split_at(rest.len().min(8));
    absorb(word(first), word(second));
    mix128(u128::from(high) << 64 | u128::from(low))
}

/// At most eight bytes as a number, the first the lowest; those that are not there are zeros.
pub fn word(bytes: &[u8]) -> u64 {
    // Loads that overlap, since copying so few bytes costs more.
    if let Ok(word) = bytes.try_into() {
        return u64::from_le_bytes(word);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let shift = 8 * (bytes.len() - 4);
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift;
    }
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Both halves of the 128-bit product, folded onto one another.
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    low64(product) ^ low64(product >> 64)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
fn low64(value: u128) -> u64 {
    value as u64
}

/// A bijection that spreads every bit over all others.
fn mix128(key: u128) -> u128 {
    let (mut low, mut high) = (low64(key), low64(key >> 64));
    for (multiplier, turn) in
        [(0xFF51_AFD7_ED55_8CCD_u64, 33), (0xC4CE_B9FE_1A85_EC53, 29), (0x9FB2_1C65_1E98_DF25, 32)]
    {
        low = (low ^ low >> turn).wrapping_mul(multiplier).wrapping_add(high);
        high = (high ^ high >> turn).wrapping_mul(multiplier) ^ low.rotate_left(17);
    }
    u128::from(high) << 64 | u128::from(low ^ high >> 31)
}

/// A well-mixed hash of 64 bits of a key, for sketches.
pub fn spread(key: u128) -> u64 {
    low64(mix128(key) >> 64)
}

/// Hashes keys for hash tables; narrow keys are raw values and need mixing.
#[derive(Debug, Clone, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= low64(hash128(bytes));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = fold(key ^ 0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03);
    }

    fn write_u128(&mut self, key: u128) {
        self.write_u64(low64(key) ^ low64(key >> 64).rotate_left(32));
    }
}

/// A set of keys; its order is never looked at.
pub type KeySet<K> = HashSet<K, BuildHasherDefault<KeyHasher>>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};

    use super::*;

    #[test]
    fn equal_values_share_a_key_and_different_ones_do_not() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, 1.0]));
        let keys = Keys::of(&floats);
        assert_eq!(keys.at(0), keys.at(1));
        assert_ne!(keys.at(0), keys.at(2));
        let plain: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        let encoded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let encoded = cast(&plain, &encoded);
        for (plain, encoded) in [(plain.clone(), encoded.clone()), (plain.slice(0, 1), encoded.slice(0, 1))] {
            let keys = (Keys::of(&plain), Keys::of(&encoded));
            let mut there = (0..plain.len()).filter(|row| plain.is_valid(*row));
            assert!(there.all(|row| keys.0.at(row) == keys.1.at(row)));
        }
        let texts: Vec<String> = (0..200_000).map(|number| format!("customer-{number}")).collect();
        let array: ArrayRef = Arc::new(StringArray::from(texts));
        let Keys::Wide(keys) = Keys::of(&array.slice(7, 199_000)) else { panic!("texts are hashed") };
        let low: HashSet<u64> = keys.iter().map(|key| low64(*key)).collect();
        let high: HashSet<u64> = keys.iter().map(|key| low64(*key >> 64)).collect();
        // Either half alone would do for so few values.
        assert_eq!((low.len(), high.len()), (199_000, 199_000));
    }

    #[test]
    fn a_word_is_its_bytes_and_zeros() {
        let bytes = [1u8, 2, 3, 4, 5, 6, 7, 255];
        for length in 0..=8 {
            let mut padded = [0; 8];
            padded[..length].copy_from_slice(&bytes[..length]);
            assert_eq!(word(&bytes[..length]), u64::from_le_bytes(padded), "{length} bytes");
        }
    }

    #[test]
    fn a_hash_depends_on_every_byte_and_on_the_length() {
        let hashes: HashSet<u128> = (0..64).map(|length| hash128(&vec![0; length])).collect();
        assert_eq!(hashes.len(), 64);
        let base = [7u8; 40];
        for place in 0..40 {
            let mut other = base;
            other[place] ^= 1;
            let changed = (hash128(&base) ^ hash128(&other)).count_ones();
            assert!((30..98).contains(&changed), "byte {place} changes {changed} of 128 bits");
        }
    }
}
