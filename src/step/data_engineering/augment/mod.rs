//! Further training rows, made of those there are: by noise, by mixing two rows, by changing texts.

mod chance;
mod mixed;
mod mixup;
mod noise;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use mixup::AugmentMixup;
pub use noise::AugmentNoise;
pub use text::AugmentText;
