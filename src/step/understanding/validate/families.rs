//! The distributions that `ks_test` knows, with scipy's parameters.

use std::collections::BTreeMap;

use statrs::distribution::{Beta, ContinuousCDF, Exp, Gamma, LogNormal, Normal};

use super::expectation::Distribution;

/// A distribution with its parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    shape: Shape,
    loc: f64,
    scale: f64,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Norm(Normal),
    Uniform,
    Expon(Exp),
    Lognorm(LogNormal),
    Gamma(Gamma),
    Beta(Beta),
}

impl Family {
    /// The distribution that is meant.
    ///
    /// # Errors
    /// A parameter is missing, unknown or out of range.
    pub(super) fn new(distribution: Distribution, parameters: &BTreeMap<String, f64>) -> Result<Family, String> {
        let shapes: &[&str] = match distribution {
            Distribution::Norm | Distribution::Uniform | Distribution::Expon => &[],
            Distribution::Lognorm => &["s"],
            Distribution::Gamma => &["a"],
            Distribution::Beta => &["a", "b"],
        };
        let known = |name: &String| shapes.contains(&name.as_str()) || name == "loc" || name == "scale";
        if let Some(unknown) = parameters.keys().find(|name| !known(name)) {
            let names = [shapes, &["loc", "scale"]].concat().join("`, `");
            return Err(format!("the distribution has no parameter `{unknown}`; it has `{names}`"));
        }
        if let Some(missing) = shapes.iter().find(|name| !parameters.contains_key(**name)) {
            return Err(format!("the distribution needs the parameter `{missing}`"));
        }
        let value = |name: &str, usual: f64| parameters.get(name).copied().unwrap_or(usual);
        let (loc, scale) = (value("loc", 0.0), value("scale", 1.0));
        let is_positive = |name: &&str| value(name, 1.0) > 0.0 && value(name, 1.0).is_finite();
        if !loc.is_finite() || !shapes.iter().chain(&["scale"]).all(is_positive) {
            return Err("`loc` is a number, and all other parameters of a distribution are greater than 0".to_owned());
        }
        let sound = "its parameters are greater than 0";
        let shape = match distribution {
            Distribution::Norm => Shape::Norm(Normal::standard()),
            Distribution::Uniform => Shape::Uniform,
            Distribution::Expon => Shape::Expon(Exp::new(1.0).expect(sound)),
            Distribution::Lognorm => Shape::Lognorm(LogNormal::new(0.0, value("s", 1.0)).expect(sound)),
            Distribution::Gamma => Shape::Gamma(Gamma::new(value("a", 1.0), 1.0).expect(sound)),
            Distribution::Beta => Shape::Beta(Beta::new(value("a", 1.0), value("b", 1.0)).expect(sound)),
        };
        Ok(Family { shape, loc, scale })
    }

    /// The share of values up to `value`.
    pub(super) fn below(&self, value: f64) -> f64 {
        let standard = (value - self.loc) / self.scale;
        if standard == f64::INFINITY {
            return 1.0;
        }
        if standard == f64::NEG_INFINITY || (standard <= 0.0 && !matches!(self.shape, Shape::Norm(_))) {
            return 0.0;
        }
        match self.shape {
            Shape::Norm(shape) => shape.cdf(standard),
            Shape::Uniform => standard.min(1.0),
            Shape::Expon(shape) => shape.cdf(standard),
            Shape::Lognorm(shape) => shape.cdf(standard),
            Shape::Gamma(shape) => shape.cdf(standard),
            Shape::Beta(shape) => shape.cdf(standard.min(1.0)),
        }
    }
}
