//! Named arrays in a safetensors file: the weights of models and the state of checkpoints.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors, View};

/// Arrays by name; an equal content gives equal bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tensors(BTreeMap<String, Array>);

/// One array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The lengths of its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Numbers,
}

/// The numbers of an array.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// A file of arrays that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TensorError {
    /// The disk refused.
    #[error("cannot access the weights `{path}`", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file is no safetensors file, or it is damaged.
    #[error("`{path}` is not a whole safetensors file", path = .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// An array is not there, or has another shape or type.
    #[error("the weights have no array `{name}` of the shape that the model asks for")]
    Missing {
        /// The array.
        name: String,
    },
}

impl Tensors {
    /// Adds an array in single precision.
    pub fn insert_f32(&mut self, name: impl Into<String>, shape: &[usize], values: Vec<f32>) {
        self.0.insert(name.into(), Array { shape: shape.to_vec(), values: Numbers::F32(values) });
    }

    /// Adds an array in double precision.
    pub fn insert_f64(&mut self, name: impl Into<String>, shape: &[usize], values: Vec<f64>) {
        self.0.insert(name.into(), Array { shape: shape.to_vec(), values: Numbers::F64(values) });
    }

    /// The numbers of a single-precision array of this shape.
    pub fn f32(&self, name: &str, shape: &[usize]) -> Result<&[f32], TensorError> {
        match self.0.get(name) {
            Some(Array { shape: found, values: Numbers::F32(values) }) if found == shape => Ok(values),
            _ => Err(TensorError::Missing { name: name.to_owned() }),
        }
    }

    /// The numbers of a double-precision array of this shape.
    pub fn f64(&self, name: &str, shape: &[usize]) -> Result<&[f64], TensorError> {
        match self.0.get(name) {
            Some(Array { shape: found, values: Numbers::F64(values) }) if found == shape => Ok(values),
            _ => Err(TensorError::Missing { name: name.to_owned() }),
        }
    }

    /// The arrays whose names begin with `prefix`.
    #[must_use]
    pub fn starting_with(&self, prefix: &str) -> Tensors {
        let is_wanted = |(name, _): &(&String, &Array)| name.starts_with(prefix);
        Tensors(self.0.iter().filter(is_wanted).map(|(name, array)| (name.clone(), array.clone())).collect())
    }

    /// The names and shapes of all arrays.
    #[cfg(test)]
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.0.iter().map(|(name, array)| (name.as_str(), array.shape.as_slice()))
    }

    /// Writes a safetensors file.
    pub fn save(&self, path: &Path) -> Result<(), TensorError> {
        let bytes = safetensors::serialize(self.0.iter(), None)
            .map_err(|source| TensorError::Format { path: path.to_owned(), source })?;
        fs::write(path, bytes).map_err(|source| TensorError::Io { path: path.to_owned(), source })
    }

    /// Reads a safetensors file; arrays of other types than single and double precision are left out.
    pub fn load(path: &Path) -> Result<Tensors, TensorError> {
        let bytes = fs::read(path).map_err(|source| TensorError::Io { path: path.to_owned(), source })?;
        let file =
            SafeTensors::deserialize(&bytes).map_err(|source| TensorError::Format { path: path.to_owned(), source })?;
        let mut tensors = Tensors::default();
        for (name, view) in file.iter() {
            let values = match view.dtype() {
                Dtype::F32 => Numbers::F32(numbers(view.data(), f32::from_le_bytes)),
                Dtype::F64 => Numbers::F64(numbers(view.data(), f64::from_le_bytes)),
                _ => continue,
            };
            tensors.0.insert(name.to_owned(), Array { shape: view.shape().to_vec(), values });
        }
        Ok(tensors)
    }
}

fn numbers<T, const SIZE: usize>(bytes: &[u8], read: fn([u8; SIZE]) -> T) -> Vec<T> {
    bytes.as_chunks::<SIZE>().0.iter().copied().map(read).collect()
}

impl View for &Array {
    fn dtype(&self) -> Dtype {
        match self.values {
            Numbers::F32(_) => Dtype::F32,
            Numbers::F64(_) => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Numbers::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into(),
            Numbers::F64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Numbers::F32(values) => values.len() * 4,
            Numbers::F64(values) => values.len() * 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let mut tensors = Tensors::default();
        tensors.insert_f32("b", &[2, 1], vec![1.5, -2.0]);
        tensors.insert_f64("a", &[1], vec![0.1]);
        tensors.save(&path).unwrap();
        let loaded = Tensors::load(&path).unwrap();
        assert_eq!(loaded, tensors);
        assert_eq!(loaded.f32("b", &[2, 1]).unwrap(), [1.5, -2.0]);
        assert!(loaded.f32("b", &[1, 2]).is_err() && loaded.f32("a", &[1]).is_err());
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let mut tensors = Tensors::default();
        tensors.insert_f64("a", &[2], vec![0.1, 0.2]);
        tensors.save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert!(matches!(Tensors::load(&path), Err(TensorError::Format { .. })));
    }
}
