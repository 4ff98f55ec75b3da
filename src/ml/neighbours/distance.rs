//! Squares of distances, summed in a fixed order.

/// How many sums run side by side; compilers turn them into vector instructions.
const LANES: usize = 8;

/// The sum of `square(i)` for `i` below `width`.
///
/// The order of additions is the same for every caller, and rounding is monotone: if each of the squares is at most
/// that of another sum, so is the sum. The search relies on it when it leaves boxes out.
#[inline]
fn sum(width: usize, square: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let whole = width - width % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += square(start + lane);
        }
    }
    for place in whole..width {
        lanes[place % LANES] += square(place);
    }
    let pairs: [f64; 4] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 4]);
    (pairs[0] + pairs[2]) + (pairs[1] + pairs[3])
}

/// The square of the distance between two points.
#[inline]
pub(super) fn squared(one: &[f64], other: &[f64]) -> f64 {
    let other = &other[..one.len()];
    sum(one.len(), |place| {
        let gap = one[place] - other[place];
        gap * gap
    })
}

/// The square of the distance between a point and the nearest place of a box; never more than that to a point in it.
#[inline]
pub(super) fn squared_to_box(point: &[f64], low: &[f64], high: &[f64]) -> f64 {
    sum(point.len(), |place| {
        let gap = (low[place] - point[place]).max(point[place] - high[place]).max(0.0);
        gap * gap
    })
}
