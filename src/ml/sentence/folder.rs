//! The folder of a sentence model: which files make it up, and what its settings say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::artifact::{Digest, DigestWriter};

/// A sentence model that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SentenceError {
    /// The disk refused.
    #[error("cannot read `{path}`", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file does not say what it should.
    #[error("`{path}`: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model has parts that this program does not know.
    #[error("`{path}`: {reason}", path = path.display())]
    Unknown {
        /// The file that names the part.
        path: PathBuf,
        /// The part, and what there is instead.
        reason: String,
    },
    /// A text cannot be encoded.
    #[error("{0}")]
    Text(String),
    /// The forward pass failed.
    #[error("the sentence model failed")]
    Forward(#[from] candle_core::Error),
}

/// The files of a model that were read, in the order of reading.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    read: Vec<(String, Digest)>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Folder {
        Folder { path: path.to_owned(), read: Vec::new() }
    }

    pub(super) fn bytes(&mut self, name: &str) -> Result<Vec<u8>, SentenceError> {
        let path = self.path.join(name);
        let bytes = fs::read(&path).map_err(|source| SentenceError::Io { path, source })?;
        self.read.push((name.to_owned(), Digest::of(&bytes)));
        Ok(bytes)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, SentenceError> {
        let bytes = self.bytes(name)?;
        serde_json::from_slice(&bytes).map_err(|error| self.wrong(name, error.to_string()))
    }

    fn json_if_there<T: DeserializeOwned + Default>(&mut self, name: &str) -> Result<T, SentenceError> {
        if self.has(name) { self.json(name) } else { Ok(T::default()) }
    }

    pub(super) fn wrong(&self, name: &str, reason: impl Into<String>) -> SentenceError {
        SentenceError::Format { path: self.path.join(name), reason: reason.into() }
    }

    pub(super) fn unknown(&self, name: &str, reason: impl Into<String>) -> SentenceError {
        SentenceError::Unknown { path: self.path.join(name), reason: reason.into() }
    }

    /// The digest of all files that were read.
    pub(super) fn digest(&self) -> Digest {
        let mut writer = DigestWriter::new("phaseline sentence model");
        for (name, digest) in &self.read {
            writer.bytes(name).bytes(digest.to_string());
        }
        writer.finish()
    }

    /// Copies the files that were read into `target`, which must not be there.
    ///
    /// # Errors
    /// When a file has changed since.
    pub(super) fn copy(&self, target: &Path) -> io::Result<()> {
        for (name, digest) in &self.read {
            let (from, to) = (self.path.join(name), target.join(name));
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::copy(&from, &to)?;
            if Digest::of_reader(fs::File::open(&to)?)?.0 != *digest {
                return Err(io::Error::other(format!("`{}` has changed while the step ran", from.display())));
            }
        }
        Ok(())
    }
}

/// `modules.json`: one part of the model, each working on what the one before gave.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// What the settings of a folder say.
#[derive(Debug)]
pub(super) struct Settings {
    /// The folder of the language model within, with a slash at its end, or nothing.
    pub(super) transformer: String,
    pub(super) config: Config,
    /// How many tokens of a text are read.
    pub(super) max_tokens: usize,
    pub(super) is_lowercase: bool,
    pub(super) pooling: Vec<Pooling>,
    /// What goes before a text if nothing else is said.
    pub(super) default_prompt: Option<String>,
    /// Whether the prompt takes part in the pooling.
    pub(super) pools_prompt: bool,
    pub(super) dense: Vec<DenseSettings>,
    /// Whether vectors have the length 1.
    pub(super) is_normalized: bool,
}

/// `config.json` of a language model, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub(super) model_type: String,
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) hidden_act: HiddenAct,
    pub(super) max_position_embeddings: usize,
    #[serde(default)]
    pub(super) type_vocab_size: usize,
    pub(super) layer_norm_eps: f64,
    #[serde(default)]
    pub(super) pad_token_id: usize,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

impl Config {
    /// The position of a text's first token: RoBERTa counts from the one after padding.
    pub(super) fn first_position(&self) -> usize {
        if self.model_type == "bert" { 0 } else { self.pad_token_id + 1 }
    }
}

/// The function between the two linear layers of a block.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) enum HiddenAct {
    #[serde(rename = "gelu")]
    Gelu,
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluTanh,
    #[serde(rename = "relu")]
    Relu,
    #[serde(rename = "silu", alias = "swish")]
    Silu,
}

/// How the vectors of tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// That of the first token.
    Cls,
    /// The greatest number of each dimension.
    Max,
    /// Their mean.
    Mean,
    /// Their sum over the root of their count.
    MeanSqrtLen,
}

/// A linear layer after the pooling.
#[derive(Debug)]
pub(super) struct DenseSettings {
    /// Its folder, with a slash at its end.
    pub(super) path: String,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) has_bias: bool,
    pub(super) is_tanh: bool,
}

#[derive(Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    /// Models without a limit have 1e30 here.
    model_max_length: Option<f64>,
}

#[derive(Default, Deserialize)]
struct EncodeConfig {
    #[serde(default)]
    prompts: HashMap<String, String>,
    default_prompt_name: Option<String>,
}

#[derive(Deserialize)]
struct DenseConfig {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    activation_function: Option<String>,
}

fn yes() -> bool {
    true
}

impl Settings {
    /// Reads the settings of `folder`: of sentence-transformers, or of a bare language model, whose tokens are then
    /// pooled by their mean as sentence-transformers does it.
    pub(super) fn read(folder: &mut Folder) -> Result<Settings, SentenceError> {
        const MODULES: &str = "modules.json";
        let modules: Vec<Module> = folder.json_if_there(MODULES)?;
        let kind = |module: &Module| module.kind.rsplit('.').next().unwrap_or_default().to_owned();
        let mut transformer = String::new();
        let (mut pooling, mut pools_prompt) = (Vec::new(), true);
        let (mut dense, mut is_normalized) = (Vec::new(), false);
        for (place, module) in modules.iter().enumerate() {
            let path = if module.path.is_empty() { String::new() } else { format!("{}/", module.path) };
            match kind(module).as_str() {
                "Transformer" if place == 0 => transformer = path,
                "Pooling" if place == 1 => (pooling, pools_prompt) = read_pooling(folder, &path)?,
                "Dense" if place > 1 && !is_normalized => dense.push(read_dense(folder, path)?),
                "Normalize" if place > 1 => is_normalized = true,
                // Dropout does nothing after training.
                "Dropout" => {}
                other => {
                    let reason = format!(
                        "part {} is `{other}`; this program knows a Transformer, then Pooling, then Dense and Normalize",
                        place + 1
                    );
                    return Err(folder.unknown(MODULES, reason));
                }
            }
        }
        if pooling.is_empty() {
            pooling.push(Pooling::Mean);
        }
        let config = read_config(folder, &transformer)?;
        let sentence: SentenceConfig = folder.json_if_there(&format!("{transformer}sentence_bert_config.json"))?;
        let tokenizer: TokenizerConfig = folder.json_if_there(&format!("{transformer}tokenizer_config.json"))?;
        let encode: EncodeConfig = folder.json_if_there("config_sentence_transformers.json")?;
        let positions = config.max_position_embeddings.saturating_sub(config.first_position());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the same line")]
        let by_tokenizer =
            tokenizer.model_max_length.filter(|most| *most >= 1.0 && *most < 1e9).map(|most| most as usize);
        let max_tokens = sentence.max_seq_length.or(by_tokenizer).map_or(positions, |most| most.min(positions));
        Ok(Settings {
            transformer,
            config,
            max_tokens,
            is_lowercase: sentence.do_lower_case,
            pooling,
            default_prompt: encode.default_prompt_name.and_then(|name| encode.prompts.get(&name).cloned()),
            pools_prompt,
            dense,
            is_normalized,
        })
    }

    /// How many numbers a vector has.
    pub(super) fn dimensions(&self) -> usize {
        self.dense.last().map_or(self.config.hidden_size * self.pooling.len(), |dense| dense.outputs)
    }
}

fn read_config(folder: &mut Folder, transformer: &str) -> Result<Config, SentenceError> {
    let name = format!("{transformer}config.json");
    let value: Value = folder.json(&name)?;
    let model_type = value["model_type"].as_str().unwrap_or("none").to_owned();
    if !["bert", "roberta", "xlm-roberta"].contains(&model_type.as_str()) {
        let reason =
            format!("its `model_type` is `{model_type}`; this program knows `bert`, `roberta` and `xlm-roberta`");
        return Err(folder.unknown(&name, reason));
    }
    let config: Config = serde_json::from_value(value).map_err(|error| folder.wrong(&name, error.to_string()))?;
    if let Some(other) = config.position_embedding_type.as_deref().filter(|kind| *kind != "absolute") {
        let reason = format!("its `position_embedding_type` is `{other}`; this program knows `absolute`");
        return Err(folder.unknown(&name, reason));
    }
    if config.num_attention_heads == 0 || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
        return Err(folder.wrong(&name, "`hidden_size` is no multiple of `num_attention_heads`"));
    }
    Ok(config)
}

/// The ways of pooling, joined in this order where there are several, and whether the prompt takes part.
fn read_pooling(folder: &mut Folder, path: &str) -> Result<(Vec<Pooling>, bool), SentenceError> {
    let name = format!("{path}config.json");
    let config: serde_json::Map<String, Value> = folder.json(&name)?;
    let mut pooling = Vec::new();
    let modes = config.get("pooling_mode").map_or_else(Vec::new, |mode| match mode {
        Value::Array(modes) => modes.iter().filter_map(Value::as_str).collect(),
        mode => mode.as_str().into_iter().collect(),
    });
    let switched_on = config.iter().filter(|(_, value)| **value == Value::Bool(true));
    let switched_on = switched_on.filter_map(|(key, _)| key.strip_prefix("pooling_mode_"));
    for mode in modes.into_iter().chain(switched_on) {
        pooling.push(match mode {
            "cls" | "cls_token" => Pooling::Cls,
            "max" | "max_tokens" => Pooling::Max,
            "mean" | "mean_tokens" => Pooling::Mean,
            "mean_sqrt_len_tokens" => Pooling::MeanSqrtLen,
            other => {
                let reason =
                    format!("it pools by `{other}`; this program knows cls, max, mean and mean_sqrt_len_tokens");
                return Err(folder.unknown(&name, reason));
            }
        });
    }
    if pooling.is_empty() {
        return Err(folder.wrong(&name, "no way of pooling is switched on"));
    }
    pooling.sort_by_key(|pooling| *pooling as u8);
    Ok((pooling, config.get("include_prompt") != Some(&Value::Bool(false))))
}

fn read_dense(folder: &mut Folder, path: String) -> Result<DenseSettings, SentenceError> {
    let name = format!("{path}config.json");
    let config: DenseConfig = folder.json(&name)?;
    let activation = config.activation_function.as_deref().unwrap_or("Tanh");
    let is_tanh = match activation.rsplit('.').next().unwrap_or_default() {
        "Tanh" => true,
        "Identity" => false,
        other => {
            let reason = format!("its activation is `{other}`; this program knows Tanh and Identity");
            return Err(folder.unknown(&name, reason));
        }
    };
    Ok(DenseSettings { path, inputs: config.in_features, outputs: config.out_features, has_bias: config.bias, is_tanh })
}
