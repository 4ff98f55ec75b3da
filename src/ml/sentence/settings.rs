//! What the settings of a sentence model say, in the layouts that sentence-transformers has had.
//!
//! A setting that would change vectors and is not known here is an error, never left out.

use std::collections::HashMap;
use std::path::{Component, Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::folder::{Folder, SentenceError};

const MODULES: &str = "modules.json";
const ENCODE: &str = "config_sentence_transformers.json";
const TOKENIZER: &str = "tokenizer_config.json";
/// The names that the settings of the language model within have had, in the order in which they are looked for.
const SENTENCE: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

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
    pub(super) modules: Modules,
    pub(super) config: Config,
    /// How many tokens of a text are read.
    pub(super) max_tokens: usize,
    pub(super) is_lowercase: bool,
    /// What goes before a text if nothing else is said.
    pub(super) default_prompt: Option<String>,
    /// What `tokenizer_config.json` says.
    tokenizer: Map<String, Value>,
}

/// The parts of a model.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// The folder of the language model within, with a slash at its end, or nothing.
    pub(super) transformer: String,
    pub(super) pooling: Vec<Pooling>,
    /// Whether the prompt takes part in the pooling.
    pub(super) pools_prompt: bool,
    pub(super) dense: Vec<DenseSettings>,
    /// Whether vectors have the length 1.
    pub(super) is_normalized: bool,
}

/// `config.json` of a language model, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    model_type: String,
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) hidden_act: HiddenAct,
    pub(super) max_position_embeddings: usize,
    #[serde(default = "two")]
    pub(super) type_vocab_size: usize,
    pub(super) layer_norm_eps: f64,
    pad_token_id: Option<usize>,
    position_embedding_type: Option<String>,
}

fn two() -> usize {
    2
}

impl Config {
    /// The token that is padding, for models that count positions from the one after its number: `RoBERTa`'s.
    pub(super) fn padding(&self) -> Option<usize> {
        (self.model_type != "bert").then(|| self.pad_token_id.unwrap_or(1))
    }

    /// How many tokens have a position.
    pub(super) fn positions(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.padding().map_or(0, |padding| padding + 1))
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
        let modules = Modules::read(folder)?;
        let within = &modules.transformer;
        let config = read_config(folder, within)?;
        let (limit, is_lowercase) = read_sentence_config(folder, within)?;
        let name = format!("{within}{TOKENIZER}");
        let tokenizer: Map<String, Value> = folder.json_if_there(&name)?;
        only_usual(folder, &name, &tokenizer, &[("truncation_side", "right".into())])?;
        // Models without a limit have 1e30 here.
        let limit = limit.or_else(|| whole(&tokenizer, "model_max_length")).unwrap_or(usize::MAX);
        let EncodeConfig { mut prompts, default_prompt_name } = folder.json_if_there(ENCODE)?;
        let prompt = |name: String| {
            let missing =
                || folder.wrong(ENCODE, format!("`default_prompt_name` is `{name}`, which is not in `prompts`"));
            prompts.remove(&name).ok_or_else(missing)
        };
        let default_prompt = default_prompt_name.map(prompt).transpose()?;
        let max_tokens = limit.min(config.positions());
        Ok(Settings { modules, config, max_tokens, is_lowercase, default_prompt, tokenizer })
    }

    /// Refuses a `tokenizer.json` of which `tokenizer_config.json` says something else: the one overrules the other in
    /// some versions of transformers.
    pub(super) fn check_tokenizer(&self, folder: &Folder, file: &TokenizerFile) -> Result<(), SentenceError> {
        let pairs = [
            ("do_lower_case", file.normalizer.get("lowercase")),
            ("strip_accents", file.normalizer.get("strip_accents")),
            ("tokenize_chinese_chars", file.normalizer.get("handle_chinese_chars")),
            ("add_prefix_space", file.pre_tokenizer.get("add_prefix_space")),
        ];
        for (key, other) in pairs {
            if let (Some(one), Some(other)) = (self.tokenizer.get(key), other)
                && one != other
            {
                let name = format!("{}{TOKENIZER}", self.modules.transformer);
                return Err(folder.wrong(&name, format!("`{key}` is {one}, and `tokenizer.json` says {other}")));
            }
        }
        Ok(())
    }
}

/// What `tokenizer.json` says of texts before they are cut into tokens.
#[derive(Deserialize)]
pub(super) struct TokenizerFile {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
}

/// The whole number of a key.
fn whole(config: &Map<String, Value>, key: &str) -> Option<usize> {
    config.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
}

impl Modules {
    fn read(folder: &mut Folder) -> Result<Modules, SentenceError> {
        if !folder.has(MODULES) {
            return Ok(Modules { pooling: vec![Pooling::Mean], pools_prompt: true, ..Modules::default() });
        }
        let mut modules = Modules::default();
        for (place, module) in folder.json::<Vec<Module>>(MODULES)?.iter().enumerate() {
            modules.take(folder, place, module)?;
        }
        if modules.pooling.is_empty() {
            return Err(folder.unknown(MODULES, "it has no Pooling"));
        }
        Ok(modules)
    }

    fn take(&mut self, folder: &mut Folder, place: usize, module: &Module) -> Result<(), SentenceError> {
        if Path::new(&module.path).components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(folder.unknown(MODULES, format!("`{}` is not within the folder", module.path)));
        }
        let path = if module.path.is_empty() { String::new() } else { format!("{}/", module.path) };
        // A class of somebody else may do anything, whatever its name.
        let class = match module.kind.strip_prefix("sentence_transformers.") {
            Some(own) => own.rsplit('.').next().unwrap_or_default(),
            None => &module.kind,
        };
        match class {
            "Transformer" if place == 0 => self.transformer = path,
            "Pooling" if place == 1 => (self.pooling, self.pools_prompt) = read_pooling(folder, &path)?,
            "Dense" if place > 1 && !self.is_normalized => self.dense.push(read_dense(folder, path)?),
            "Normalize" if place > 1 => self.is_normalized = true,
            // Dropout does nothing after training.
            "Dropout" if place > 1 => {}
            other => {
                let reason = format!(
                    "part {} is `{other}`; this program knows a Transformer, then Pooling, then Dense and Normalize",
                    place + 1
                );
                return Err(folder.unknown(MODULES, reason));
            }
        }
        Ok(())
    }
}

/// Refuses keys of `found` that would change vectors, unless they have the value that stands for nothing special.
fn only_usual(
    folder: &Folder,
    name: &str,
    found: &Map<String, Value>,
    usual: &[(&str, Value)],
) -> Result<(), SentenceError> {
    let is_usual = |value: &Value, usual: &Value| match value {
        Value::Null => true,
        Value::Object(map) if map.is_empty() => true,
        value => value == usual,
    };
    for (key, usual) in usual {
        if let Some(value) = found.get(*key).filter(|value| !is_usual(value, usual)) {
            return Err(folder.unknown(name, format!("this program does not know `{key}: {value}`")));
        }
    }
    Ok(())
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
    if let Value::Object(found) = &value {
        only_usual(folder, &name, found, &[("is_decoder", false.into()), ("auto_map", Value::Object(Map::new()))])?;
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

/// How many tokens are read, if that is said, and whether texts are brought to lower case.
fn read_sentence_config(folder: &mut Folder, transformer: &str) -> Result<(Option<usize>, bool), SentenceError> {
    let names = SENTENCE.map(|name| format!("{transformer}{name}"));
    let Some(name) = names.iter().find(|name| folder.has(name)) else { return Ok((None, false)) };
    let config: Map<String, Value> = folder.json(name)?;
    let nothing = Value::Object(Map::new());
    let usual = [
        ("transformer_task", "feature-extraction".into()),
        (
            "modality_config",
            serde_json::json!({"text": {"method": "forward", "method_output_name": "last_hidden_state"}}),
        ),
        ("module_output_name", "token_embeddings".into()),
        ("processing_kwargs", nothing.clone()),
        ("tokenizer_args", nothing.clone()),
        ("model_args", nothing.clone()),
        ("config_args", nothing),
    ];
    only_usual(folder, name, &config, &usual)?;
    Ok((whole(&config, "max_seq_length"), config.get("do_lower_case") == Some(&Value::Bool(true))))
}

/// The ways of pooling, joined where there are several, and whether the prompt takes part.
fn read_pooling(folder: &mut Folder, path: &str) -> Result<(Vec<Pooling>, bool), SentenceError> {
    let name = format!("{path}config.json");
    let config: Map<String, Value> = folder.json(&name)?;
    let modes: Vec<&str> = match config.get("pooling_mode") {
        Some(Value::Array(modes)) => modes.iter().filter_map(Value::as_str).collect(),
        Some(mode) => mode.as_str().into_iter().collect(),
        None => {
            let is_on = |mode: &&str| config.get(&format!("pooling_mode_{mode}")) == Some(&Value::Bool(true));
            let all =
                ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"];
            all.into_iter().filter(is_on).collect()
        }
    };
    let mut pooling = Vec::new();
    for mode in modes {
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
        pooling.push(Pooling::Mean);
    }
    Ok((pooling, config.get("include_prompt") != Some(&Value::Bool(false))))
}

fn read_dense(folder: &mut Folder, path: String) -> Result<DenseSettings, SentenceError> {
    let name = format!("{path}config.json");
    let config: Map<String, Value> = folder.json(&name)?;
    let vector = || Value::from("sentence_embedding");
    let usual = [("use_residual", false.into()), ("module_input_name", vector()), ("module_output_name", vector())];
    only_usual(folder, &name, &config, &usual)?;
    let config = DenseConfig::deserialize(Value::Object(config));
    let config = config.map_err(|error| folder.wrong(&name, error.to_string()))?;
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
