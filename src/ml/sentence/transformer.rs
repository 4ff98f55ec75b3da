//! The forward pass of BERT and RoBERTa (Devlin et al. 2019, Liu et al. 2019) over the tokens of several texts at once.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};
use candle_nn::ops::{layer_norm, softmax_last_dim};

use super::settings::{Config, DenseSettings, HiddenAct};

/// Of more scores than this, the heads of a text are gone through one by one, so that they need less memory.
pub(super) const MOST_SCORES: usize = 1 << 24;

/// Weights by name, as a safetensors file holds them.
pub(super) struct Weights {
    tensors: HashMap<String, Tensor>,
    prefix: &'static str,
}

/// A language model without its pooling.
#[derive(Debug)]
pub(super) struct Transformer {
    words: Tensor,
    positions: Tensor,
    /// What each token gets for belonging to the first and only part of a text: of shape (1, hidden).
    token_type: Option<Tensor>,
    norm: Norm,
    layers: Vec<Layer>,
    padding: Option<usize>,
    heads: usize,
    act: HiddenAct,
}

#[derive(Debug)]
struct Layer {
    /// Queries, keys and values in one: of shape (3 hidden, hidden).
    attention: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    norm: Norm,
}

/// A linear layer: `weight` is transposed, of shape (inputs, outputs).
#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

#[derive(Debug)]
struct Norm {
    scale: Tensor,
    shift: Tensor,
    epsilon: f32,
}

/// A linear layer after the pooling.
#[derive(Debug)]
pub(super) struct Dense {
    linear: Linear,
    is_tanh: bool,
}

impl Weights {
    /// The arrays of a safetensors file, in single precision whatever they are stored in.
    pub(super) fn read(bytes: &[u8]) -> Result<Weights> {
        let mut tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        for tensor in tensors.values_mut() {
            *tensor = tensor.to_dtype(candle_core::DType::F32)?;
        }
        let begins = |prefix: &str| tensors.contains_key(&format!("{prefix}embeddings.word_embeddings.weight"));
        let prefix = ["bert.", "roberta."].into_iter().find(|prefix| begins(prefix)).unwrap_or_default();
        Ok(Weights { tensors, prefix })
    }

    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let name = format!("{}{name}", self.prefix);
        let tensor = self.tensors.get(&name);
        let Some(tensor) = tensor.or_else(|| self.tensors.get(&old_name(&name))) else {
            candle_core::bail!("the weights have no array `{name}`")
        };
        if tensor.dims() != shape {
            candle_core::bail!("the array `{name}` has the shape {:?} and not {shape:?}", tensor.dims())
        }
        Ok(tensor.clone())
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize, has_bias: bool) -> Result<Linear> {
        let weight = self.get(&format!("{name}.weight"), &[outputs, inputs])?.t()?.contiguous()?;
        let bias = has_bias.then(|| self.get(&format!("{name}.bias"), &[outputs])).transpose()?;
        Ok(Linear { weight, bias })
    }

    fn norm(&self, name: &str, size: usize, epsilon: f64) -> Result<Norm> {
        let scale = self.get(&format!("{name}.LayerNorm.weight"), &[size])?;
        let shift = self.get(&format!("{name}.LayerNorm.bias"), &[size])?;
        #[expect(clippy::cast_possible_truncation, reason = "1e-12 is a number of single precision")]
        Ok(Norm { scale, shift, epsilon: epsilon as f32 })
    }
}

/// What the first converted models call the arrays of a normalisation.
fn old_name(name: &str) -> String {
    name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
}

impl Transformer {
    pub(super) fn new(config: &Config, weights: &Weights) -> Result<Transformer> {
        let hidden = config.hidden_size;
        let table = |name: &str, rows: usize| weights.get(&format!("embeddings.{name}.weight"), &[rows, hidden]);
        let types = config.type_vocab_size;
        Ok(Transformer {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.max_position_embeddings)?,
            token_type: (types > 0).then(|| table("token_type_embeddings", types)?.narrow(0, 0, 1)).transpose()?,
            norm: weights.norm("embeddings", hidden, config.layer_norm_eps)?,
            layers: (0..config.num_hidden_layers)
                .map(|place| Layer::new(place, config, weights))
                .collect::<Result<_>>()?,
            padding: config.padding(),
            heads: config.num_attention_heads,
            act: config.hidden_act,
        })
    }

    /// The vectors of the tokens of each text, one matrix of shape (tokens, hidden) for each.
    pub(super) fn forward(&self, texts: &[&[u32]]) -> Result<Vec<Tensor>> {
        let lengths: Vec<usize> = texts.iter().map(|tokens| tokens.len()).collect();
        let ids = texts.concat();
        let positions: Vec<u32> = texts.iter().flat_map(|tokens| positions(tokens, self.padding)).collect();
        let rows = |table: &Tensor, rows: Vec<u32>| table.index_select(&Tensor::new(rows, &Device::Cpu)?, 0);
        let mut hidden = (rows(&self.words, ids)? + rows(&self.positions, positions)?)?;
        if let Some(token_type) = &self.token_type {
            hidden = hidden.broadcast_add(token_type)?;
        }
        hidden = self.norm.forward(&hidden)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden, &lengths, self.heads, self.act)?;
        }
        split(&hidden, &lengths)
    }
}

/// The position of each token. Where positions count from padding, padding within a text has its own and is not counted.
fn positions(tokens: &[u32], padding: Option<usize>) -> Vec<u32> {
    let number = |place: usize| u32::try_from(place).expect("a model has fewer positions than that");
    let Some(padding) = padding else { return (0..tokens.len()).map(number).collect() };
    let mut last = padding;
    let position = |token: &u32| {
        if *token as usize == padding {
            return number(padding);
        }
        last += 1;
        number(last)
    };
    tokens.iter().map(position).collect()
}

/// The rows of each text.
fn split(hidden: &Tensor, lengths: &[usize]) -> Result<Vec<Tensor>> {
    let mut start = 0;
    let piece = |length: &usize| {
        let piece = hidden.narrow(0, start, *length);
        start += length;
        piece
    };
    lengths.iter().map(piece).collect()
}

impl Layer {
    fn new(place: usize, config: &Config, weights: &Weights) -> Result<Layer> {
        let hidden = config.hidden_size;
        let name = |part: &str| format!("encoder.layer.{place}.{part}");
        let linear = |part: &str, inputs, outputs| weights.linear(&name(part), inputs, outputs, true);
        let norm = |part: &str| weights.norm(&name(part), hidden, config.layer_norm_eps);
        let part = |part: &str| linear(&format!("attention.self.{part}"), hidden, hidden);
        let parts = [part("query")?, part("key")?, part("value")?];
        let biases: Vec<&Tensor> = parts.iter().filter_map(|part| part.bias.as_ref()).collect();
        let attention = Linear {
            weight: Tensor::cat(&parts.each_ref().map(|part| &part.weight), 1)?,
            bias: Some(Tensor::cat(&biases, 0)?),
        };
        Ok(Layer {
            attention,
            attention_output: linear("attention.output.dense", hidden, hidden)?,
            attention_norm: norm("attention.output")?,
            intermediate: linear("intermediate.dense", hidden, config.intermediate_size)?,
            output: linear("output.dense", config.intermediate_size, hidden)?,
            norm: norm("output")?,
        })
    }

    fn forward(&self, hidden: &Tensor, lengths: &[usize], heads: usize, act: HiddenAct) -> Result<Tensor> {
        let all = self.attention.forward(hidden)?;
        let attended = split(&all, lengths)?.iter().map(|text| attention(text, heads)).collect::<Result<Vec<_>>>()?;
        let attended = self.attention_output.forward(&Tensor::cat(&attended, 0)?)?;
        let hidden = self.attention_norm.forward(&(attended + hidden)?)?;
        let between = self.intermediate.forward(&hidden)?;
        let between = match act {
            HiddenAct::Gelu => between.gelu_erf()?,
            HiddenAct::GeluTanh => between.gelu()?,
            HiddenAct::Relu => between.relu()?,
            HiddenAct::Silu => between.silu()?,
        };
        self.norm.forward(&(self.output.forward(&between)? + hidden)?)
    }
}

/// Attention within one text: queries, keys and values beside one another, of shape (tokens, 3 hidden), become one matrix of
/// shape (tokens, hidden).
fn attention(text: &Tensor, heads: usize) -> Result<Tensor> {
    let (tokens, width) = text.dims2()?;
    let size = width / 3 / heads;
    // Of shape (3, heads, tokens, size).
    let parts = text.reshape((tokens, 3, heads, size))?.permute((1, 2, 0, 3))?.contiguous()?;
    let (query, key, value) = (parts.get(0)?, parts.get(1)?, parts.get(2)?);
    let attended = |query: &Tensor, key: &Tensor, value: &Tensor| {
        let scores = (query.matmul(&key.t()?)? / (size as f64).sqrt())?;
        softmax_last_dim(&scores)?.matmul(value)
    };
    let attended = if heads * tokens * tokens <= MOST_SCORES {
        attended(&query, &key, &value)?
    } else {
        let head = |head: usize| attended(&query.get(head)?, &key.get(head)?, &value.get(head)?);
        Tensor::stack(&(0..heads).map(head).collect::<Result<Vec<_>>>()?, 0)?
    };
    attended.transpose(0, 1)?.reshape((tokens, heads * size))
}

impl Linear {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let output = input.matmul(&self.weight)?;
        match &self.bias {
            Some(bias) => output.broadcast_add(bias),
            None => Ok(output),
        }
    }
}

impl Norm {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        layer_norm(&input.contiguous()?, &self.scale, &self.shift, self.epsilon)
    }
}

impl Dense {
    pub(super) fn new(settings: &DenseSettings, weights: &Weights) -> Result<Dense> {
        let linear = weights.linear("linear", settings.inputs, settings.outputs, settings.has_bias)?;
        Ok(Dense { linear, is_tanh: settings.is_tanh })
    }

    /// The vector, of shape (1, inputs), as one of shape (1, outputs).
    pub(super) fn forward(&self, vector: &Tensor) -> Result<Tensor> {
        let output = self.linear.forward(vector)?;
        if self.is_tanh { output.tanh() } else { Ok(output) }
    }
}
