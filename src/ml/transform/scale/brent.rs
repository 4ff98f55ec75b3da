//! The minimum of a function of one number.

/// The golden section's smaller share.
const GOLDEN: f64 = 0.381_966_011_250_105_1;
/// More steps than this never help: each at least shrinks the interval by the golden section.
const MOST_STEPS: usize = 200;

/// Where `function` is smallest between `low` and `high`: parabolas through the best three points, and the golden
/// section where they do not help (Brent, Algorithms for Minimization Without Derivatives, 1973, chapter 5).
pub(super) fn minimum(low: f64, high: f64, tolerance: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    let mut best = low + GOLDEN * (high - low);
    let (mut second, mut third) = (best, best);
    let mut at_best = function(best);
    let (mut at_second, mut at_third) = (at_best, at_best);
    let (mut step, mut before): (f64, f64) = (0.0, 0.0);
    for _ in 0..MOST_STEPS {
        let middle = f64::midpoint(low, high);
        let least = f64::EPSILON.sqrt() * best.abs() + tolerance / 3.0;
        if (best - middle).abs() <= 2.0 * least - 0.5 * (high - low) {
            break;
        }
        let parabola = parabola((best, at_best), (second, at_second), (third, at_third));
        let inside = |step: f64| best + step > low && best + step < high;
        match parabola.filter(|step| step.abs() < (0.5 * before).abs() && inside(*step)) {
            Some(next) => {
                (before, step) = (step, next);
                let point = best + step;
                if point - low < 2.0 * least || high - point < 2.0 * least {
                    step = least.copysign(middle - best);
                }
            }
            None => {
                before = if best >= middle { low - best } else { high - best };
                step = GOLDEN * before;
            }
        }
        let point = best + if step.abs() >= least { step } else { least.copysign(step) };
        let at_point = function(point);
        if at_point <= at_best {
            if point >= best {
                low = best;
            } else {
                high = best;
            }
            (third, at_third) = (second, at_second);
            (second, at_second) = (best, at_best);
            (best, at_best) = (point, at_point);
        } else {
            if point >= best {
                high = point;
            } else {
                low = point;
            }
            if at_point <= at_second || second.total_cmp(&best).is_eq() {
                (third, at_third) = (second, at_second);
                (second, at_second) = (point, at_point);
            } else if at_point <= at_third || third.total_cmp(&best).is_eq() || third.total_cmp(&second).is_eq() {
                (third, at_third) = (point, at_point);
            }
        }
    }
    best
}

/// The step from the best point to the bottom of the parabola through three points, if there is one.
fn parabola(
    (best, at_best): (f64, f64),
    (second, at_second): (f64, f64),
    (third, at_third): (f64, f64),
) -> Option<f64> {
    let near = (best - second) * (at_best - at_third);
    let far = (best - third) * (at_best - at_second);
    let step = -0.5 * ((best - third) * far - (best - second) * near) / (far - near);
    step.is_finite().then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_is_found() {
        assert!((minimum(-5.0, 9.0, 1e-9, |x| (x - 2.5).powi(2)) - 2.5).abs() < 1e-7);
        assert!((minimum(0.0, 4.0, 1e-9, |x| -x * (-x).exp()) - 1.0).abs() < 1e-7);
        assert!((minimum(-1.0, 1.0, 1e-9, |x| (x - 0.1).abs()) - 0.1).abs() < 1e-7);
        // At the edge of the interval.
        assert!(minimum(1.0, 2.0, 1e-9, |x| x) < 1.0 + 1e-6);
    }
}
