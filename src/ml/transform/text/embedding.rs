//! `sentence_embedding`: texts into the vectors of a language model in a local folder.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vocabulary::need_text;
use crate::artifact::Digest;
use crate::ml::sentence::{EncodeOptions, SentenceEncoder, SentenceError};
use crate::ml::transform::TransformError;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::plan::{Columns, Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;

/// The folder beside `transform.json` that holds the models.
const MODELS: &str = "models";
/// How many rows go through a model before a step says how far it is.
const ROWS_AT_ONCE: usize = 256;

/// Replaces a text by the vector that a language model gives it, `NAME_0`, `NAME_1`, ..., as `SentenceTransformer.encode`
/// of sentence-transformers does it. The model is a local folder that sentence-transformers saved, of the kind BERT,
/// RoBERTa or XLM-RoBERTa (`all-MiniLM-L6-v2`, `bge`, `e5`, `gte`, ...), with `model.safetensors` and `tokenizer.json`. Its
/// content is part of the step's cache key, and a copy of it goes into the fitted transform. It runs on the CPU. A missing
/// text becomes zeros. A bare text is `model`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SentenceEmbedding")]
pub(in crate::ml::transform) struct Params {
    /// The folder of the model; a relative one starts from the manifest's folder.
    model: String,
    /// Goes before each text, for models that ask for it, such as `query: `; what the model says if nothing is said.
    #[serde(default)]
    prompt: Option<String>,
    /// How many dimensions are kept, from the first on; for models that were trained for that (Matryoshka).
    #[serde(default)]
    #[schemars(range(min = 1))]
    truncate_dim: Option<usize>,
    /// How many tokens of a text are read; as many as the model says if nothing is said.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_seq_length: Option<usize>,
    /// Whether vectors are brought to the length 1 at the end, whatever the model does.
    #[serde(default)]
    normalize_embeddings: bool,
    /// The model, as soon as it was needed.
    #[serde(skip)]
    opened: OnceLock<Arc<SentenceEncoder>>,
}

impl Params {
    fn open(&self, base: &Path) -> Result<Arc<SentenceEncoder>, TransformError> {
        if let Some(encoder) = self.opened.get() {
            return Ok(Arc::clone(encoder));
        }
        let encoder =
            SentenceEncoder::open(&base.join(&self.model), self.max_seq_length).map_err(|error| unusable(&error))?;
        let most = encoder.dimensions();
        if self.truncate_dim.is_some_and(|wanted| wanted > most) {
            let message = format!("`truncate_dim` is more than the {most} dimensions of `{}`", self.model);
            return Err(TransformError::input("params", message));
        }
        encoder.prompt(self.prompt.as_deref()).map_err(|error| unusable(&error))?;
        Ok(Arc::clone(self.opened.get_or_init(|| Arc::new(encoder))))
    }
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("model");
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{sentence_embedding: models/all-MiniLM-L6-v2, columns: [plan]}";

    fn check(&self) -> Result<(), String> {
        if self.model.is_empty() {
            return Err("`model` is empty; name the folder of a model".to_owned());
        }
        for (name, value) in [("truncate_dim", self.truncate_dim), ("max_seq_length", self.max_seq_length)] {
            if value == Some(0) {
                return Err(format!("`{name}: 0` must be 1 or more"));
            }
        }
        Ok(())
    }

    fn files(&self) -> Vec<&str> {
        vec![&self.model]
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_text("sentence_embedding", name, column)?;
        let encoder = self.open(&planning.facts.folder)?;
        let dimensions = self.truncate_dim.unwrap_or(encoder.dimensions());
        Ok(Plan::Ready(Unit::SentenceEmbedding(Embedding {
            column: name.to_owned(),
            columns: (0..dimensions).map(|dimension| format!("{name}_{dimension}")).collect(),
            model: encoder.digest(),
            prompt: self.prompt.clone(),
            max_seq_length: self.max_seq_length,
            normalize_embeddings: self.normalize_embeddings,
            encoder: Some(encoder),
        })))
    }
}

/// The embedding of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Embedding {
    column: String,
    columns: Vec<String>,
    /// The digest of the model's files, and the name of their folder.
    model: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_seq_length: Option<usize>,
    normalize_embeddings: bool,
    #[serde(skip)]
    encoder: Option<Arc<SentenceEncoder>>,
}

impl Embedding {
    fn encoder(&self) -> Result<&Arc<SentenceEncoder>, TransformError> {
        let missing = || TransformError::Unreadable { reason: format!("the model {} was not opened", self.model) };
        self.encoder.as_ref().ok_or_else(missing)
    }
}

impl Fitted for Embedding {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = Arc::clone(&frame.column(&self.column)?.array);
        let texts = array.as_string::<i32>();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut different = Vec::new();
        for text in texts.iter().flatten() {
            places.entry(text).or_insert_with(|| {
                different.push(text);
                different.len() - 1
            });
        }
        let options = EncodeOptions {
            prompt: self.prompt.as_deref(),
            truncate_dim: Some(self.columns.len()),
            normalize_embeddings: self.normalize_embeddings,
        };
        let vectors = self.encoder()?.encode(&different, &options).map_err(|error| unusable(&error))?;
        let vectors: Vec<Option<&Vec<f32>>> =
            texts.iter().map(|text| text.map(|text| &vectors[places[text]])).collect();
        let columns = self.columns.iter().enumerate().map(|(dimension, name)| {
            let value = |vector: Option<&Vec<f32>>| vector.map_or(0.0, |vector| f64::from(vector[dimension]));
            let values: Float64Array = vectors.iter().copied().map(value).collect::<Vec<f64>>().into();
            (name.clone(), Column::number(Arc::new(values) as ArrayRef))
        });
        frame.replace(&self.column, columns.collect::<Vec<_>>());
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }

    fn rows_at_once(&self) -> Option<usize> {
        Some(ROWS_AT_ONCE)
    }

    fn save_files(&self, folder: &Path) -> io::Result<()> {
        let target = folder.join(MODELS).join(self.model.to_string());
        match &self.encoder {
            Some(encoder) if !target.exists() => encoder.save(&target),
            _ => Ok(()),
        }
    }

    fn open_files(&mut self, folder: &Path, opened: &mut Vec<Arc<SentenceEncoder>>) -> Result<(), TransformError> {
        let limit = self.max_seq_length;
        let known = opened.iter().find(|encoder| encoder.digest() == self.model && encoder.max_seq_length() == limit);
        if let Some(encoder) = known {
            self.encoder = Some(Arc::clone(encoder));
            return Ok(());
        }
        let folder = folder.join(MODELS).join(self.model.to_string());
        let unreadable = |reason: String| TransformError::Unreadable { reason };
        let encoder = SentenceEncoder::open(&folder, limit).map_err(|error| unreadable(whole(&error)))?;
        if encoder.digest() != self.model {
            return Err(unreadable(format!("the files in `{}` are not those it was fitted with", folder.display())));
        }
        let encoder = Arc::new(encoder);
        opened.push(Arc::clone(&encoder));
        self.encoder = Some(encoder);
        Ok(())
    }
}

/// The error with what caused it, in one line.
fn whole(error: &SentenceError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn unusable(error: &SentenceError) -> TransformError {
    let failure = TransformError::input("sentence_model", whole(error));
    match error {
        SentenceError::Io { .. } => failure.help(
            "`model` names a folder with `config.json`, `tokenizer.json` and `model.safetensors`, as sentence-transformers saves it",
        ),
        SentenceError::Format { .. } | SentenceError::Unknown { .. } => {
            failure.help("save the model anew with `SentenceTransformer(...).save_pretrained(folder)`, or take another one")
        }
        SentenceError::Text(_) | SentenceError::Forward(_) => failure,
    }
}
