//! How much memory a sentence model takes, before it is read.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::encoder::{TOKENS_AT_ONCE, WEIGHTS};
use super::folder::Folder;
use super::settings::Settings;
use super::transformer::MOST_SCORES;

/// A longer header of a safetensors file is none: in bytes.
const MOST_HEADER: u64 = 100 << 20;

/// How many bytes the model takes, about: while it is read its weights are there in three forms, and texts go through it
/// together.
pub(super) fn needed(folder: &Folder, settings: &Settings, max_length: usize) -> u64 {
    let config = &settings.config;
    let layers = settings.modules.dense.iter().map(|layer| &layer.path).chain([&settings.modules.transformer]);
    let of_layer = |path: &String| {
        let name = format!("{path}{WEIGHTS}");
        let stored = folder.length(&name);
        stored.saturating_add(single_precision(&folder.path.join(name)).unwrap_or(stored).saturating_mul(2))
    };
    let weights = layers.map(of_layer).fold(0, u64::saturating_add);
    // A damaged `config.json` may say any number.
    let scores = max_length.saturating_mul(max_length).max(MOST_SCORES);
    let width = config.hidden_size.saturating_mul(4).saturating_add(config.intermediate_size);
    let tokens = TOKENS_AT_ONCE.max(max_length).saturating_mul(width);
    weights.saturating_add((scores.saturating_add(tokens) as u64).saturating_mul(8))
}

/// How many bytes the weights of a safetensors file take in single precision, by its header.
fn single_precision(path: &Path) -> Option<u64> {
    #[derive(Deserialize)]
    struct Stored {
        #[serde(default)]
        shape: Vec<u64>,
    }
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length).min(MOST_HEADER)).read_to_end(&mut header).ok()?;
    let stored: HashMap<String, Stored> = serde_json::from_slice(&header).ok()?;
    let numbers = |stored: &Stored| stored.shape.iter().fold(1_u64, |all, size| all.saturating_mul(*size));
    // What is no array has no shape.
    let arrays = stored.values().filter(|stored| !stored.shape.is_empty());
    Some(arrays.map(numbers).fold(0, u64::saturating_add).saturating_mul(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::tensors::Tensors;

    #[test]
    fn weights_take_four_bytes_for_each_number_whatever_they_are_stored_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut tensors = Tensors::default();
        tensors.insert_f32("a", &[3, 5], vec![0.5; 15]);
        tensors.insert_f32("b", &[7], vec![0.5; 7]);
        tensors.save(&path).unwrap();
        assert_eq!(single_precision(&path), Some(88));
        let header =
            br#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[100,10],"data_offsets":[0,2000]}}"#;
        let mut half = (header.len() as u64).to_le_bytes().to_vec();
        half.extend(header);
        half.resize(half.len() + 2000, 0);
        std::fs::write(&path, half).unwrap();
        assert_eq!(single_precision(&path), Some(4000));
        std::fs::write(&path, [255; 40]).unwrap();
        assert_eq!(single_precision(&path), None);
    }
}
