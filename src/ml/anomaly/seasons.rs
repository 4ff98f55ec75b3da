//! Additive Holt-Winters smoothing: level, trend and seasons, with weights fitted to the series.

/// A series smoothed to its end.
pub(super) struct Seasons {
    level: f64,
    trend: f64,
    /// The seasonal parts, the next one first.
    parts: Vec<f64>,
    /// What was left of each number after its forecast.
    residuals: Vec<f64>,
}

/// The weights of what is new in level, trend and season, each between 0 and 1.
type Weights = [f64; 3];

impl Seasons {
    /// Fits the weights to `series`, which holds at least two seasons of length `season`.
    ///
    /// The sum of squared residuals is searched on a grid and then in ever smaller steps, so that equal numbers give equal
    /// weights.
    pub(super) fn fit(series: &[f64], season: usize) -> Seasons {
        let error = |weights: Weights| smooth(series, season, weights).squared();
        let grid = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0];
        let mut best = ([0.3, 0.1, 0.1], error([0.3, 0.1, 0.1]));
        for level in grid {
            for trend in grid {
                for part in grid {
                    best = better(best, [level, trend, part], &error);
                }
            }
        }
        let mut step = 0.05;
        while step > 1e-4 {
            let before = best.1;
            for side in 0..3 {
                for change in [-step, step] {
                    let mut weights = best.0;
                    weights[side] = (weights[side] + change).clamp(0.0, 1.0);
                    best = better(best, weights, &error);
                }
            }
            if best.1 >= before {
                step /= 2.0;
            }
        }
        smooth(series, season, best.0)
    }

    /// The next number, and the standard deviation of the residuals.
    pub(super) fn forecast(&self) -> (f64, f64) {
        let count = self.residuals.len() as f64;
        let mean = self.residuals.iter().sum::<f64>() / count;
        let squares: f64 = self.residuals.iter().map(|residual| (residual - mean).powi(2)).sum();
        (self.level + self.trend + self.parts[0], (squares / (count - 1.0).max(1.0)).sqrt())
    }

    fn squared(&self) -> f64 {
        self.residuals.iter().map(|residual| residual * residual).sum()
    }
}

fn better(best: (Weights, f64), weights: Weights, error: &impl Fn(Weights) -> f64) -> (Weights, f64) {
    let found = error(weights);
    if found < best.1 { (weights, found) } else { best }
}

fn smooth(series: &[f64], season: usize, [alpha, beta, gamma]: Weights) -> Seasons {
    let length = season as f64;
    let sums = [0, 1].map(|cycle| series[cycle * season..(cycle + 1) * season].iter().sum::<f64>());
    let mut level = sums[0] / length;
    let mut trend = (sums[1] - sums[0]) / (length * length);
    let mut parts: Vec<f64> = series[..season].iter().map(|value| value - level).collect();
    let mut residuals = Vec::with_capacity(series.len());
    for value in series {
        let part = parts[0];
        residuals.push(value - (level + trend + part));
        let next = alpha * (value - part) + (1.0 - alpha) * (level + trend);
        let renewed = gamma * (value - level - trend) + (1.0 - gamma) * part;
        trend = beta * (next - level) + (1.0 - beta) * trend;
        level = next;
        parts.rotate_left(1);
        parts[season - 1] = renewed;
    }
    Seasons { level, trend, parts, residuals }
}
