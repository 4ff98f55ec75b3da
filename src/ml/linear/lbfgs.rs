//! L-BFGS for smooth convex functions (Nocedal and Wright 2006, algorithms 7.4 and 7.5), with the line search of Lewis
//! and Overton 2013: bisection until both Wolfe conditions hold.

use std::collections::VecDeque;

/// How many past steps the approximation of the curvature remembers.
const MEMORY: usize = 10;
const SUFFICIENT_DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
const LINE_SEARCH_STEPS: usize = 60;

/// How a minimisation ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Minimum {
    pub(super) at: Vec<f64>,
    /// The value before the first step and after each step.
    pub(super) history: Vec<f64>,
    /// Whether the gradient became small enough, or the value could not be lowered any more.
    pub(super) converged: bool,
}

/// Minimises `function`, which writes its gradient and returns its value, until no component of the gradient is larger
/// than `tolerance`. `after_step` may end it early with an error.
pub(super) fn minimise<E>(
    start: Vec<f64>,
    tolerance: f64,
    max_iterations: usize,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    mut after_step: impl FnMut(usize, f64) -> Result<(), E>,
) -> Result<Minimum, E> {
    let mut at = start;
    let mut gradient = vec![0.0; at.len()];
    let mut value = function(&at, &mut gradient);
    let mut history = vec![value];
    let mut memory: VecDeque<Pair> = VecDeque::new();
    while history.len() <= max_iterations {
        if is_small(&gradient, tolerance) {
            return Ok(Minimum { at, history, converged: true });
        }
        let mut direction = descend(&gradient, &memory);
        if dot(&direction, &gradient) >= 0.0 {
            memory.clear();
            direction = descend(&gradient, &memory);
        }
        // Without memory the gradient says nothing about the length of a step.
        let first = if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let Some(found) = search(&at, value, &gradient, &direction, first, &mut function) else {
            return Ok(Minimum { at, history, converged: true });
        };
        let step: Vec<f64> = found.at.iter().zip(&at).map(|(new, old)| new - old).collect();
        let change: Vec<f64> = found.gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-14 * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
            memory.push_back(Pair { step, change, inverse_curvature: 1.0 / curvature });
            if memory.len() > MEMORY {
                memory.pop_front();
            }
        }
        (at, value, gradient) = (found.at, found.value, found.gradient);
        history.push(value);
        after_step(history.len() - 1, value)?;
    }
    let converged = is_small(&gradient, tolerance);
    Ok(Minimum { at, history, converged })
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse_curvature: f64,
}

struct Found {
    at: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// The direction of the next step: minus the approximated inverse Hessian times the gradient.
fn descend(gradient: &[f64], memory: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|value| -value).collect();
    let mut factors = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let factor = pair.inverse_curvature * dot(&pair.step, &direction);
        add(&mut direction, -factor, &pair.change);
        factors.push(factor);
    }
    if let Some(last) = memory.back() {
        let scale = 1.0 / (last.inverse_curvature * dot(&last.change, &last.change));
        for value in &mut direction {
            *value *= scale;
        }
    }
    for (pair, factor) in memory.iter().zip(factors.into_iter().rev()) {
        let correction = pair.inverse_curvature * dot(&pair.change, &direction);
        add(&mut direction, factor - correction, &pair.step);
    }
    direction
}

/// A point along `direction` with a value clearly lower and a gradient clearly flatter; `None` when rounding leaves none.
fn search(
    at: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    first: f64,
    function: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Option<Found> {
    let slope = dot(direction, gradient);
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, first);
    let mut lower = None;
    for _ in 0..LINE_SEARCH_STEPS {
        let mut candidate = at.to_vec();
        add(&mut candidate, length, direction);
        let mut new_gradient = vec![0.0; at.len()];
        let new_value = function(&candidate, &mut new_gradient);
        if new_value.is_nan() || new_value > value + SUFFICIENT_DECREASE * length * slope {
            high = length;
        } else {
            let is_flat = dot(direction, &new_gradient) >= CURVATURE * slope;
            lower = Some(Found { at: candidate, value: new_value, gradient: new_gradient });
            if is_flat {
                break;
            }
            low = length;
        }
        length = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * length };
    }
    lower.filter(|found| found.value < value)
}

fn is_small(gradient: &[f64], tolerance: f64) -> bool {
    gradient.iter().all(|value| value.abs() <= tolerance)
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add(sum: &mut [f64], factor: f64, values: &[f64]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_stretched_bowl_is_minimised() {
        let scales = [1.0, 100.0, 0.01, 3.0];
        let function = |at: &[f64], gradient: &mut [f64]| {
            let mut value = 0.0;
            for (index, scale) in scales.iter().enumerate() {
                let distance = at[index] - index as f64;
                value += scale * distance * distance / 2.0 + distance.powi(4) / 10.0;
                gradient[index] = scale * distance + 0.4 * distance.powi(3);
            }
            value
        };
        let minimum = minimise(vec![9.0; 4], 1e-9, 200, function, |_, _| Ok::<(), Infallible>(())).unwrap();
        assert!(minimum.converged);
        for (index, value) in minimum.at.iter().enumerate() {
            assert!((value - index as f64).abs() < 1e-3, "{:?}", minimum.at);
        }
        assert!(minimum.history.windows(2).all(|pair| pair[1] < pair[0]));
    }

    #[test]
    fn it_can_be_ended_early() {
        let function = |at: &[f64], gradient: &mut [f64]| {
            gradient[0] = 2.0 * at[0];
            at[0] * at[0]
        };
        let ended =
            minimise(vec![5.0], 1e-12, 50, function, |iteration, _| if iteration > 0 { Err("stop") } else { Ok(()) });
        assert_eq!(ended, Err("stop"));
    }
}
