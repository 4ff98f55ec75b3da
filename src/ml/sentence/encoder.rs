//! [`SentenceEncoder`]: tokens, forward pass, pooling.

use std::fmt;
use std::io;
use std::path::Path;

use candle_core::{D, Tensor};
use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::{NormalizerWrapper, PostProcessor, Tokenizer, TruncationParams};

use super::claim::needed;
use super::folder::{Folder, SentenceError};
use super::settings::{Pooling, Settings};
use super::transformer::{Dense, Transformer, Weights};
use crate::artifact::Digest;

/// How many tokens go through the model at once; it bounds memory and changes no result.
pub(super) const TOKENS_AT_ONCE: usize = 2048;
/// Of a longer text only the beginning is read, which holds more tokens than any model takes: in bytes.
const LONGEST_TEXT: usize = 1 << 20;
/// The file of weights, in the folder of the language model and of each dense layer.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// A sentence model that is ready.
pub struct SentenceEncoder {
    folder: Folder,
    digest: Digest,
    settings: Settings,
    tokenizer: Tokenizer,
    transformer: Transformer,
    dense: Vec<Dense>,
    dimensions: usize,
    needed: u64,
}

/// What may be done to each text and vector, as `SentenceTransformer.encode` names it.
#[derive(Debug, Clone, Copy, Default)]
pub struct EncodeOptions<'text> {
    /// Goes before each text, such as `query: `; what the model says if nothing is said.
    pub prompt: Option<&'text str>,
    /// How many dimensions of a vector are kept, from the first on.
    pub truncate_dim: Option<usize>,
    /// Whether vectors are brought to the length 1 in the end, whatever the model does.
    pub normalize_embeddings: bool,
}

impl SentenceEncoder {
    /// The model in `folder`, reading at most `max_seq_length` tokens of a text, or as many as its settings say.
    ///
    /// # Errors
    /// When a file is missing or damaged, the model is of a kind that this program does not know, or it takes more than
    /// `memory_bytes`.
    pub fn open(
        folder: &Path,
        max_seq_length: Option<usize>,
        memory_bytes: Option<u64>,
    ) -> Result<SentenceEncoder, SentenceError> {
        let mut folder = Folder::new(folder);
        let settings = Settings::read(&mut folder)?;
        let max_length = max_seq_length.unwrap_or(settings.max_tokens);
        let tokenizer = tokenizer(&mut folder, &settings, max_length)?;
        let needed = needed(&folder, &settings, max_length);
        if let Some(limit) = memory_bytes.filter(|limit| needed > *limit) {
            return Err(SentenceError::Memory { needed, limit, taken: 0 });
        }
        let build = |weights: &Weights| Transformer::new(&settings.config, weights);
        let transformer = load(&mut folder, &settings.modules.transformer, build)?;
        let mut dense = Vec::new();
        // The weights have been read, so that the sizes are true.
        let mut width = settings.config.hidden_size * settings.modules.pooling.len();
        for layer in &settings.modules.dense {
            if layer.inputs != width {
                let reason = format!("it takes vectors of {} numbers, and gets {width}", layer.inputs);
                return Err(folder.wrong(&format!("{}config.json", layer.path), reason));
            }
            dense.push(load(&mut folder, &layer.path, |weights| Dense::new(layer, weights))?);
            width = layer.outputs;
        }
        Ok(SentenceEncoder {
            digest: folder.digest(),
            folder,
            settings,
            tokenizer,
            transformer,
            dense,
            dimensions: width,
            needed,
        })
    }

    /// The digest of the files that make up the model.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many numbers a vector has.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many bytes of memory it takes, about.
    pub(super) fn needed(&self) -> u64 {
        self.needed
    }

    /// What goes before each text if `prompt` goes there, or else what the model says.
    ///
    /// # Errors
    /// When the model leaves prompts out of its pooling, which is not done here.
    pub fn prompt<'text>(&'text self, prompt: Option<&'text str>) -> Result<&'text str, SentenceError> {
        let prompt = prompt.or(self.settings.default_prompt.as_deref()).unwrap_or_default();
        if prompt.is_empty() || self.settings.modules.pools_prompt {
            return Ok(prompt);
        }
        let message = format!(
            "the model leaves the prompt `{prompt}` out of its pooling, which is not done here; write `prompt: \"\"`"
        );
        Err(SentenceError::Options(message))
    }

    /// Copies the files of the model into `folder`.
    ///
    /// # Errors
    /// When the disk refuses, or a file has changed since it was read.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        self.folder.copy(folder)
    }

    /// The vector of each text. A vector depends on its text alone.
    ///
    /// # Errors
    /// When a text has a token that the model does not know.
    pub fn encode(&self, texts: &[&str], options: &EncodeOptions<'_>) -> Result<Vec<Vec<f32>>, SentenceError> {
        let prompt = self.prompt(options.prompt)?;
        let tokens = texts.iter().map(|text| self.tokens(&format!("{prompt}{text}"))).collect::<Result<Vec<_>, _>>()?;
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest = tokens.as_slice();
        while !rest.is_empty() {
            let mut sum = 0;
            let fitting = rest.iter().take_while(|tokens| {
                sum += tokens.len();
                sum <= TOKENS_AT_ONCE
            });
            let (now, later) = rest.split_at(fitting.count().max(1));
            rest = later;
            let now: Vec<&[u32]> = now.iter().map(Vec::as_slice).collect();
            for hidden in self.transformer.forward(&now)? {
                vectors.push(self.vector(&hidden, options)?);
            }
        }
        Ok(vectors)
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>, SentenceError> {
        let encoding = self
            .tokenizer
            .encode_fast(beginning(text), true)
            .map_err(|error| SentenceError::Text(error.to_string()))?;
        let ids = encoding.get_ids();
        if let Some(unknown) = ids.iter().find(|id| **id as usize >= self.settings.config.vocab_size) {
            let message = format!("the tokenizer has a token {unknown}, which the model does not have");
            return Err(SentenceError::Text(message));
        }
        Ok(ids.to_vec())
    }

    /// The vector of a text, of whose tokens `hidden` holds the vectors, of shape (tokens, hidden).
    fn vector(&self, hidden: &Tensor, options: &EncodeOptions<'_>) -> Result<Vec<f32>, SentenceError> {
        let tokens = hidden.dim(0)? as f64;
        let mut pooled = Vec::new();
        for pooling in &self.settings.modules.pooling {
            pooled.push(match pooling {
                Pooling::Cls => hidden.narrow(0, 0, 1)?,
                Pooling::Max => hidden.max_keepdim(0)?,
                Pooling::Mean => (hidden.sum_keepdim(0)? / tokens)?,
                Pooling::MeanSqrtLen => (hidden.sum_keepdim(0)? / tokens.sqrt())?,
            });
        }
        let mut vector = Tensor::cat(&pooled, D::Minus1)?;
        for dense in &self.dense {
            vector = dense.forward(&vector)?;
        }
        let mut vector: Vec<f32> = vector.flatten_all()?.to_vec1()?;
        if self.settings.modules.is_normalized {
            normalize(&mut vector);
        }
        vector.truncate(options.truncate_dim.unwrap_or(vector.len()));
        if options.normalize_embeddings {
            normalize(&mut vector);
        }
        Ok(vector)
    }
}

/// The part of a text that is read: up to the last white space before the limit, so that no word is cut if there are several.
fn beginning(text: &str) -> &str {
    if text.len() <= LONGEST_TEXT {
        return text;
    }
    let head = &text[..text.floor_char_boundary(LONGEST_TEXT)];
    head.rfind(char::is_whitespace).map_or(head, |end| &head[..end])
}

/// Brings a vector to the length 1, as `torch.nn.functional.normalize` does it.
fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
    for value in vector {
        *value /= length;
    }
}

/// The tokenizer, which cuts texts after `max_length` tokens and fills none up.
fn tokenizer(folder: &mut Folder, settings: &Settings, max_length: usize) -> Result<Tokenizer, SentenceError> {
    let name = format!("{}tokenizer.json", settings.modules.transformer);
    let bytes = folder.bytes(&name)?;
    let damaged = |error: &dyn fmt::Display| folder.wrong(&name, error.to_string());
    let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| damaged(&error))?;
    settings.check_tokenizer(folder, &serde_json::from_slice(&bytes).map_err(|error| damaged(&error))?)?;
    let added = tokenizer.get_post_processor().map_or(0, |added| added.added_tokens(false));
    if added == 0 {
        return Err(folder.unknown(&name, "it adds no token to a text, such as `[CLS]`"));
    }
    let positions = settings.config.positions();
    if max_length <= added || max_length > positions {
        let least = added + 1;
        let message =
            format!("`max_seq_length: {max_length}` is not from {least} to {positions}, which the model reads");
        return Err(SentenceError::Options(message));
    }
    if settings.is_lowercase {
        let after = tokenizer.get_normalizer().cloned();
        let all: Vec<NormalizerWrapper> = [NormalizerWrapper::from(Lowercase)].into_iter().chain(after).collect();
        tokenizer.with_normalizer(Some(Sequence::new(all))).map_err(|error| damaged(&error))?;
    }
    tokenizer.with_padding(None);
    let truncation = TruncationParams { max_length, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| damaged(&error))?;
    Ok(tokenizer)
}

/// What `build` makes of the weights in `path` of the folder.
fn load<T>(
    folder: &mut Folder,
    path: &str,
    build: impl FnOnce(&Weights) -> candle_core::Result<T>,
) -> Result<T, SentenceError> {
    let name = format!("{path}{WEIGHTS}");
    if !folder.has(&name) {
        let reason = "there is no such file; save the model with `safe_serialization` and in one piece";
        return Err(folder.wrong(&name, reason));
    }
    let weights = Weights::read(&folder.bytes(&name)?);
    // candle's errors may go on with a backtrace.
    let told = |error: candle_core::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    weights.and_then(|weights| build(&weights)).map_err(|error| folder.wrong(&name, told(error)))
}

impl PartialEq for SentenceEncoder {
    fn eq(&self, other: &SentenceEncoder) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for SentenceEncoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SentenceEncoder({})", self.folder.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::Models;
    use super::*;

    /// What `tools/oracle/sentences.py` wrote.
    #[derive(Deserialize)]
    struct Fixture {
        texts: Vec<String>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        model: String,
        prompt: Option<String>,
        truncate_dim: Option<usize>,
        #[serde(default)]
        normalize_embeddings: bool,
        vectors: Vec<Vec<f32>>,
    }

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle/sentences")
    }

    fn open(model: &str) -> SentenceEncoder {
        SentenceEncoder::open(&folder().join(model), None, None).unwrap()
    }

    fn fixture() -> Fixture {
        serde_json::from_slice(&fs::read(folder().join("sentences.json")).unwrap()).unwrap()
    }

    /// A copy of the model `bert` in which `file` went through `edit`.
    fn edited(file: &str, edit: impl Fn(Vec<u8>) -> Option<Vec<u8>>) -> String {
        let copy = tempfile::tempdir().unwrap();
        open("bert").save(copy.path()).unwrap();
        let path = copy.path().join(file);
        match edit(fs::read(&path).unwrap()) {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = SentenceEncoder::open(copy.path(), None, None).unwrap_err().to_string();
        error.replace(&copy.path().display().to_string(), "FOLDER")
    }

    fn replaced(file: &str, from: &str, to: &str) -> String {
        edited(file, |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(from), "{text}");
            Some(text.replace(from, to).into_bytes())
        })
    }

    #[test]
    fn vectors_are_those_of_sentence_transformers() {
        let fixture = fixture();
        let texts: Vec<&str> = fixture.texts.iter().map(String::as_str).collect();
        assert_eq!(fixture.cases.len(), 12);
        for case in &fixture.cases {
            let options = EncodeOptions {
                prompt: case.prompt.as_deref(),
                truncate_dim: case.truncate_dim,
                normalize_embeddings: case.normalize_embeddings,
            };
            let found = open(&case.model).encode(&texts, &options).unwrap();
            for ((text, found), expected) in texts.iter().zip(&found).zip(&case.vectors) {
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-5, "{} {options:?} {text:?}: {found} {expected}", case.model);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_vector_does_not_depend_on_the_texts_beside_it(texts in prop::collection::vec("\\PC{0,60}", 1..40)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for model in ["bert", "roberta", "old"] {
                let encoder = open(model);
                let together = encoder.encode(&texts, &EncodeOptions::default()).unwrap();
                for (text, vector) in texts.iter().zip(&together) {
                    let alone = encoder.encode(&[text], &EncodeOptions::default()).unwrap();
                    prop_assert_eq!(&alone[0], vector, "{} {:?}", model, text);
                }
            }
        }
    }

    #[test]
    fn a_copy_is_the_same_model() {
        let copy = tempfile::tempdir().unwrap();
        let encoder = open("roberta");
        encoder.save(copy.path()).unwrap();
        let copied = SentenceEncoder::open(copy.path(), None, None).unwrap();
        assert_eq!(copied.digest(), encoder.digest());
        let encode = |encoder: &SentenceEncoder| encoder.encode(&["plus"], &EncodeOptions::default()).unwrap();
        assert_eq!(encode(&copied), encode(&encoder));
        assert_ne!(copied.digest(), open("bert").digest());
    }

    #[test]
    fn a_model_that_changes_after_it_was_read_is_not_copied() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        open("bert").save(first.path()).unwrap();
        let encoder = SentenceEncoder::open(first.path(), None, None).unwrap();
        fs::write(first.path().join("modules.json"), "[]").unwrap();
        let error = encoder.save(second.path()).unwrap_err().to_string();
        assert!(error.ends_with("modules.json` has changed while the step ran"), "{error}");
    }

    #[test]
    fn models_that_cannot_be_used_say_which_file_is_at_fault() {
        let cut = edited("model.safetensors", |bytes| Some(bytes[..bytes.len() / 2].to_vec()));
        assert!(cut.starts_with("`FOLDER/model.safetensors`: "), "{cut}");
        insta::assert_snapshot!(edited("model.safetensors", |_| None), @"`FOLDER/model.safetensors`: there is no such file; save the model with `safe_serialization` and in one piece");
        insta::assert_snapshot!(edited("tokenizer.json", |_| None), @"cannot read `FOLDER/tokenizer.json`");
        insta::assert_snapshot!(edited("config.json", |_| None), @"cannot read `FOLDER/config.json`");
        insta::assert_snapshot!(replaced("config.json", r#""bert""#, r#""mpnet""#), @"`FOLDER/config.json`: its `model_type` is `mpnet`; this program knows `bert`, `roberta` and `xlm-roberta`");
        insta::assert_snapshot!(replaced("config.json", r#""gelu""#, r#""mish""#), @"`FOLDER/config.json`: unknown variant `mish`, expected one of `gelu`, `gelu_fast`, `gelu_new`, `gelu_pytorch_tanh`, `relu`, `silu`, `swish`");
        insta::assert_snapshot!(replaced("config.json", r#""hidden_size": 8"#, r#""hidden_size": 6"#), @"`FOLDER/model.safetensors`: the array `embeddings.word_embeddings.weight` has the shape [120, 8] and not [120, 6]");
        insta::assert_snapshot!(replaced("modules.json", "normalize.Normalize", "asym.Router"), @"`FOLDER/modules.json`: part 3 is `Router`; this program knows a Transformer, then Pooling, then Dense and Normalize");
        insta::assert_snapshot!(replaced("modules.json", "sentence_transformers.base.modules.normalize", "my_models"), @"`FOLDER/modules.json`: part 3 is `my_models.Normalize`; this program knows a Transformer, then Pooling, then Dense and Normalize");
        insta::assert_snapshot!(replaced("config.json", r#""is_decoder": false"#, r#""is_decoder": true"#), @"`FOLDER/config.json`: this program does not know `is_decoder: true`");
        insta::assert_snapshot!(replaced("1_Pooling/config.json", "mean", "lasttoken"), @"`FOLDER/1_Pooling/config.json`: it pools by `lasttoken`; this program knows cls, max, mean and mean_sqrt_len_tokens");
        insta::assert_snapshot!(replaced("modules.json", "1_Pooling", "../1_Pooling"), @"`FOLDER/modules.json`: `../1_Pooling` is not within the folder");
        insta::assert_snapshot!(replaced("modules.json", "1_Pooling", "/1_Pooling"), @"`FOLDER/modules.json`: `/1_Pooling` is not within the folder");
        let task = replaced("sentence_bert_config.json", "feature-extraction", "text-generation");
        assert!(task.ends_with("this program does not know `transformer_task: \"text-generation\"`"), "{task}");
        insta::assert_snapshot!(replaced("tokenizer_config.json", r#""truncation_side": "right""#, r#""truncation_side": "left""#), @r#"`FOLDER/tokenizer_config.json`: this program does not know `truncation_side: "left"`"#);
        insta::assert_snapshot!(replaced("tokenizer_config.json", r#""is_local": true"#, r#""do_lower_case": false"#), @"`FOLDER/tokenizer_config.json`: `do_lower_case` is false, and `tokenizer.json` says true");
        insta::assert_snapshot!(replaced("config_sentence_transformers.json", r#""default_prompt_name": null"#, r#""default_prompt_name": "gone""#), @"`FOLDER/config_sentence_transformers.json`: `default_prompt_name` is `gone`, which is not in `prompts`");
    }

    #[test]
    fn what_a_model_cannot_do_is_said_before_it_is_read() {
        let refusal = |limit: Option<usize>, memory: Option<u64>| {
            SentenceEncoder::open(&folder().join("bert"), limit, memory).unwrap_err().to_string()
        };
        insta::assert_snapshot!(refusal(Some(25), None), @"`max_seq_length: 25` is not from 3 to 24, which the model reads");
        insta::assert_snapshot!(refusal(Some(2), None), @"`max_seq_length: 2` is not from 3 to 24, which the model reads");
        assert!(refusal(None, Some(1000)).ends_with("bytes of memory, and the step may use 1000"));
        let huge = replaced("config.json", r#""intermediate_size": 12"#, r#""intermediate_size": 9000000000000000000"#);
        assert!(huge.contains("has the shape"), "{huge}");
        let encoder = SentenceEncoder::open(&folder().join("bert"), Some(24), Some(1 << 30)).unwrap();
        assert!(encoder.encode(&["word word word word"], &EncodeOptions::default()).is_ok());
    }

    #[test]
    fn several_models_together_may_not_take_more_than_there_is() {
        let [bert, roberta] = ["bert", "roberta"].map(|model| folder().join(model));
        let needed = open("bert").needed();
        let models = Models::within(Some(needed));
        models.open(&bert, None).unwrap();
        models.open(&bert, None).unwrap();
        let error = models.open(&roberta, None).unwrap_err().to_string();
        assert!(error.ends_with(&format!("the step may use {needed}, of which other models take {needed}")), "{error}");
        Models::within(None).open(&roberta, None).unwrap();
    }

    #[test]
    fn of_a_text_that_is_longer_than_all_models_read_only_the_beginning_is_looked_at() {
        let words = "the cat sat ".repeat(LONGEST_TEXT / 12 + 9);
        assert_eq!(beginning(&words).len(), LONGEST_TEXT - LONGEST_TEXT % 4 - 1);
        assert_eq!(beginning(&"ö".repeat(LONGEST_TEXT)).len(), LONGEST_TEXT);
        assert_eq!(beginning("a b"), "a b");
        let encode = |text: &str| open("bert").encode(&[text], &EncodeOptions::default()).unwrap();
        assert_eq!(encode(&words), encode(&words[..600]));
    }

    #[test]
    fn a_vector_has_the_same_bits_alone_where_layers_are_wide() {
        use rand::{RngExt, SeedableRng};

        let (copy, hidden, between) = (tempfile::tempdir().unwrap(), 96, 1536);
        open("bert").save(copy.path()).unwrap();
        let path = copy.path().join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config["hidden_size"] = hidden.into();
        config["intermediate_size"] = between.into();
        fs::write(&path, config.to_string()).unwrap();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let small = crate::ml::tensors::Tensors::load(&copy.path().join("model.safetensors")).unwrap();
        let mut wide = crate::ml::tensors::Tensors::default();
        for (name, shape) in small.shapes() {
            let grown = |size: &usize| match size {
                8 => hidden,
                12 => between,
                other => *other,
            };
            let shape: Vec<usize> = shape.iter().map(grown).collect();
            let values = (0..shape.iter().product()).map(|_| random.random_range(-0.5..0.5)).collect();
            wide.insert_f32(name, &shape, values);
        }
        wide.save(&copy.path().join("model.safetensors")).unwrap();
        let encoder = SentenceEncoder::open(copy.path(), None, None).unwrap();
        let texts: Vec<String> = (0..150).map(|words| "the cat sat ".repeat(words % 7) + "on").collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let together = encoder.encode(&texts, &EncodeOptions::default()).unwrap();
        for (text, vector) in texts.iter().zip(together) {
            assert_eq!(encoder.encode(&[text], &EncodeOptions::default()).unwrap(), [vector], "{text}");
        }
    }
}
