//! `sentence_embedding`: texts into the vectors of a language model in a local folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vocabulary::need_text;
use crate::artifact::Digest;
use crate::ml::sentence::{EncodeOptions, Models, SentenceEncoder, SentenceError};
use crate::ml::transform::TransformError;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::learn::FitFacts;
use crate::ml::transform::plan::{Columns, Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;

/// The folder beside `transform.json` that holds the models.
const MODELS: &str = "models";
/// How many rows go through a model before a step says how far it is.
const ROWS_AT_ONCE: usize = 256;
/// How much the vectors of known texts may take.
const KNOWN_BYTES: usize = 32 << 20;
/// How much a known text may take beside its vector; longer ones are not kept.
const KNOWN_OVERHEAD: usize = 512;

/// Replaces a text by the vector that a language model gives it, `NAME_0`, `NAME_1`, ..., as `SentenceTransformer.encode`
/// of sentence-transformers does it. The model is a local folder that sentence-transformers saved, of the kind BERT,
/// RoBERTa or XLM-RoBERTa (`all-MiniLM-L6-v2`, `bge`, `e5`, `gte`, ...), with `model.safetensors` and `tokenizer.json`. Its
/// content is part of the step's cache key, and a copy of it goes into the fitted transform. It runs on the CPU. Of a text
/// of more than 1 MiB only the beginning is read. A missing text becomes zeros. A bare text is `model`.
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
}

impl Params {
    fn open(&self, facts: &FitFacts) -> Result<Arc<SentenceEncoder>, TransformError> {
        let folder = facts.base_folder.join(&self.model);
        let encoder = facts.models.open(&folder, self.max_seq_length);
        let encoder = encoder.map_err(|error| unusable(&error))?;
        let most = encoder.dimensions();
        if self.truncate_dim.is_some_and(|wanted| wanted > most) {
            let message = format!("`truncate_dim` is more than the {most} dimensions of `{}`", self.model);
            return Err(TransformError::input("params", message));
        }
        encoder.prompt(self.prompt.as_deref()).map_err(|error| unusable(&error))?;
        Ok(encoder)
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
        let encoder = self.open(planning.facts)?;
        let dimensions = self.truncate_dim.unwrap_or(encoder.dimensions());
        Ok(Plan::Ready(Unit::SentenceEmbedding(Embedding {
            column: name.to_owned(),
            columns: (0..dimensions).map(|dimension| format!("{name}_{dimension}")).collect(),
            model: encoder.digest(),
            prompt: self.prompt.clone(),
            max_seq_length: self.max_seq_length,
            normalize_embeddings: self.normalize_embeddings,
            encoder: Some(encoder),
            known: Known::default(),
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
    #[serde(skip)]
    known: Known,
}

/// The vectors of texts that were encoded, so that a text that comes again need not be. What is in it changes no result.
#[derive(Debug, Clone, Default)]
struct Known(Arc<Mutex<HashMap<String, Arc<[f32]>>>>);

impl PartialEq for Known {
    fn eq(&self, _: &Known) -> bool {
        true
    }
}

impl Embedding {
    fn encoder(&self) -> Result<&Arc<SentenceEncoder>, TransformError> {
        let missing = || TransformError::Unreadable { reason: format!("the model {} was not opened", self.model) };
        self.encoder.as_ref().ok_or_else(missing)
    }

    /// The vector of each text.
    fn vectors<'text>(&self, texts: BTreeSet<&'text str>) -> Result<BTreeMap<&'text str, Arc<[f32]>>, TransformError> {
        let known = || self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut vectors = BTreeMap::new();
        let mut others = Vec::new();
        {
            let known = known();
            for text in texts {
                match known.get(text) {
                    Some(vector) => drop(vectors.insert(text, Arc::clone(vector))),
                    None => others.push(text),
                }
            }
        }
        let options = EncodeOptions {
            prompt: self.prompt.as_deref(),
            truncate_dim: Some(self.columns.len()),
            normalize_embeddings: self.normalize_embeddings,
        };
        let encoded = self.encoder()?.encode(&others, &options).map_err(|error| unusable(&error))?;
        let mut known = known();
        let most = KNOWN_BYTES / (self.columns.len() * size_of::<f32>() + KNOWN_OVERHEAD);
        for (text, vector) in others.into_iter().zip(encoded) {
            let vector: Arc<[f32]> = vector.into();
            if known.len() < most && text.len() <= KNOWN_OVERHEAD {
                known.insert(text.to_owned(), Arc::clone(&vector));
            }
            vectors.insert(text, vector);
        }
        Ok(vectors)
    }
}

impl Fitted for Embedding {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = Arc::clone(&frame.column(&self.column)?.array);
        let texts = array.as_string::<i32>();
        let vectors = self.vectors(texts.iter().flatten().collect())?;
        let vectors: Vec<Option<&Arc<[f32]>>> = texts.iter().map(|text| text.map(|text| &vectors[text])).collect();
        let columns = self.columns.iter().enumerate().map(|(dimension, name)| {
            let value = |vector: Option<&Arc<[f32]>>| vector.map_or(0.0, |vector| f64::from(vector[dimension]));
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

    fn open_files(&mut self, folder: &Path, models: &Models) -> Result<(), TransformError> {
        let folder = folder.join(MODELS).join(self.model.to_string());
        let unreadable = |reason: String| TransformError::Unreadable { reason };
        let encoder = models.open(&folder, self.max_seq_length).map_err(|error| unreadable(whole(&error)))?;
        if encoder.digest() != self.model {
            return Err(unreadable(format!("the files in `{}` are not those it was fitted with", folder.display())));
        }
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
        SentenceError::Memory { .. } => failure.help("raise `resources.memory` of the step, or take a smaller model"),
        SentenceError::Options(_) | SentenceError::Text(_) | SentenceError::Forward(_) => failure,
    }
}
