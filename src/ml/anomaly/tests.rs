use super::{Bounds, Factors, Judgement, Strategy};

fn bounds(lower: f64, upper: f64) -> Bounds {
    Bounds { lower: Some(lower), upper: Some(upper) }
}

fn is_anomalous(strategy: Strategy, earlier: &[f64], current: f64) -> Option<bool> {
    strategy.judge(earlier, current).map(|judgement| judgement.is_anomalous)
}

#[test]
fn a_number_is_held_against_fixed_bounds() {
    let strategy = Strategy::SimpleThreshold(bounds(1.0, 2.0));
    assert_eq!(
        [0.9, 1.0, 2.0, 2.1].map(|value| is_anomalous(strategy, &[], value)),
        [true, false, false, true].map(Some)
    );
    assert_eq!(is_anomalous(Strategy::SimpleThreshold(Bounds::default()), &[], 1e300), Some(false));
}

#[test]
fn changes_are_differences_of_any_order() {
    let first = Strategy::AbsoluteChange { bounds: bounds(-1.0, 2.0), order: 1 };
    assert_eq!(
        [8.9, 9.0, 12.0, 12.1].map(|value| is_anomalous(first, &[3.0, 10.0], value)),
        [true, false, false, true].map(Some)
    );
    // The second difference of 1, 3, x is x - 5.
    let second = Strategy::AbsoluteChange { bounds: bounds(-1.0, 1.0), order: 2 };
    assert_eq!(
        [3.9, 4.0, 6.0, 6.1].map(|value| is_anomalous(second, &[1.0, 3.0], value)),
        [true, false, false, true].map(Some)
    );
    assert_eq!(second.judge(&[1.0], 3.0), None);
}

#[test]
fn rates_are_ratios_to_an_earlier_number() {
    let strategy = Strategy::RelativeRateOfChange { bounds: bounds(0.5, 2.0), order: 1 };
    assert_eq!(
        [4.9, 5.0, 20.0, 20.1].map(|value| is_anomalous(strategy, &[1.0, 10.0], value)),
        [true, false, false, true].map(Some)
    );
    assert_eq!(
        [-4.9, -5.0, -20.0, -20.1].map(|value| is_anomalous(strategy, &[-10.0], value)),
        [true, false, false, true].map(Some)
    );
    let weekly = Strategy::RelativeRateOfChange { bounds: bounds(0.9, 1.1), order: 2 };
    assert_eq!(is_anomalous(weekly, &[100.0, 7.0], 105.0), Some(false));
}

#[test]
fn the_mean_of_all_before_has_the_deviation_of_a_sample() {
    let strategy = Strategy::BatchNormal(Factors { lower: 1.0, upper: 2.0 });
    let Judgement { range, .. } = strategy.judge(&[1.0, 2.0, 3.0, 4.0], 0.0).unwrap();
    let stdev = (5.0f64 / 3.0).sqrt();
    assert_eq!(range, bounds(2.5 - stdev, 2.5 + 2.0 * stdev));
    let open = Strategy::BatchNormal(Factors { lower: f64::INFINITY, upper: 3.0 });
    assert_eq!(is_anomalous(open, &[1.0, 2.0, 3.0], -1e9), Some(false));
}

#[test]
fn a_running_mean_forgets_the_anomalies_it_met() {
    let strategy = Strategy::OnlineNormal(Factors { lower: 3.0, upper: 3.0 });
    let mut series: Vec<f64> = (0..40).map(|place| 10.0 + f64::from(place % 3)).collect();
    assert_eq!(is_anomalous(strategy, &series, 11.5), Some(false));
    assert_eq!(is_anomalous(strategy, &series, 100.0), Some(true));
    let before = strategy.judge(&series, 11.0).unwrap();
    series.push(100.0);
    let after = strategy.judge(&series, 11.0).unwrap();
    let near = |left: Option<f64>, right: Option<f64>| (left.unwrap() - right.unwrap()).abs() < 0.1;
    assert!(near(before.range.upper, after.range.upper) && near(before.range.lower, after.range.lower));
    // Numbers that never change leave no room.
    assert_eq!(is_anomalous(strategy, &[5.0; 20], 5.0), Some(false));
}

#[test]
fn seasons_and_trend_are_foreseen() {
    let week = [3.0, 1.0, 0.0, 0.0, 2.0, 8.0, 9.0];
    let noise = |place: usize| (place * 7919 % 13) as f64 / 26.0;
    let series: Vec<f64> = (0..42).map(|place| 100.0 + 0.5 * place as f64 + week[place % 7] + noise(place)).collect();
    let strategy = Strategy::HoltWinters { season: 7 };
    let next = 100.0 + 0.5 * 42.0 + week[0] + 0.25;
    assert_eq!(is_anomalous(strategy, &series, next), Some(false));
    // What is usual on another day of the week is not on this one.
    assert_eq!(is_anomalous(strategy, &series, next + 6.0), Some(true));
    assert_eq!(is_anomalous(strategy, &series, next - 6.0), Some(true));
    assert_eq!(strategy.judge(&series[..13], 1.0), None, "less than two weeks");
}
