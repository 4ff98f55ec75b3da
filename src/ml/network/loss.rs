//! Losses that stay finite, with row weights.

use candle_core::{D, Result, Tensor};

use crate::table::roles::Task;

/// The weighted mean loss of `outputs` (rows, outputs) against `target` (rows, 1), a number on the outputs' scale or the index
/// of a class. `weight` (rows, 1) must have a positive sum.
///
/// Binary cross-entropy is `max(x, 0) - x y + ln(1 + exp(-|x|))`, which no logit can overflow.
pub(super) fn loss(task: &Task, outputs: &Tensor, target: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let by_row = match task {
        Task::Regression => (outputs - target)?.sqr()?,
        Task::Binary { .. } => {
            let rest = (outputs.abs()?.neg()?.exp()? + 1.0)?.log()?;
            ((outputs.relu()? - (outputs * target)?)? + rest)?
        }
        Task::Multiclass { .. } => {
            // The shift cancels out of the value and of the gradient.
            let shift = outputs.max_keepdim(D::Minus1)?.detach();
            let shifted = outputs.broadcast_sub(&shift)?;
            let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
            let picked = shifted.gather(&target.to_dtype(candle_core::DType::U32)?, D::Minus1)?;
            (log_sum - picked)?
        }
    };
    (by_row * weight)?.sum_all()?.broadcast_div(&weight.sum_all()?)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn task(classes: usize) -> Task {
        let labels: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
        match classes {
            0 => Task::Regression,
            2 => Task::Binary { classes: labels.try_into().unwrap() },
            _ => Task::Multiclass { classes: labels },
        }
    }

    /// The loss and its gradient by the outputs.
    fn evaluate(classes: usize, outputs: &[f32], target: &[f32], weight: &[f32]) -> (f32, Vec<f32>) {
        let rows = target.len();
        let column = |values: &[f32]| Tensor::from_slice(values, (rows, 1), &Device::Cpu).unwrap();
        let outputs = Var::from_slice(outputs, (rows, outputs.len() / rows), &Device::Cpu).unwrap();
        let loss = loss(&task(classes), &outputs, &column(target), &column(weight)).unwrap();
        let gradients = loss.backward().unwrap();
        let gradient = gradients.get(&outputs).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        (loss.to_scalar().unwrap(), gradient)
    }

    fn close(found: &[f32], expected: &[f32]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn binary_cross_entropy_survives_extreme_logits() {
        let (loss, gradient) = evaluate(2, &[200.0, -200.0, 0.0], &[0.0, 1.0, 1.0], &[1.0, 1.0, 1.0]);
        close(&[loss], &[(200.0 + 200.0 + 2.0_f32.ln()) / 3.0]);
        close(&gradient, &[1.0 / 3.0, -1.0 / 3.0, -0.5 / 3.0]);
    }

    #[test]
    fn cross_entropy_is_minus_the_log_probability() {
        let (loss, gradient) = evaluate(3, &[1.0, 2.0, 3.0, 500.0, 0.0, 0.0], &[2.0, 0.0], &[1.0, 1.0]);
        let sum = 1.0_f32.exp() + 2.0_f32.exp() + 3.0_f32.exp();
        close(&[loss], &[(sum.ln() - 3.0) / 2.0]);
        close(&gradient[..3], &[1.0, 2.0, 3.0].map(|x: f32| x.exp() / sum / 2.0 - if x > 2.5 { 0.5 } else { 0.0 }));
    }

    #[test]
    fn rows_count_by_their_weight() {
        let (loss, gradient) = evaluate(0, &[1.0, 5.0], &[0.0, 3.0], &[3.0, 1.0]);
        close(&[loss], &[(3.0 * 1.0 + 4.0) / 4.0]);
        close(&gradient, &[1.5, 1.0]);
    }
}
