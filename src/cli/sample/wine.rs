//! Wines of three growers, told apart by ten chemical measurements that overlap.

use std::fmt::Write;

use super::noise::Noise;

/// Growers with their share.
const GROWERS: [(&str, f64); 3] = [("hillside", 0.33), ("valley", 0.40), ("lakeside", 0.27)];

/// Name, decimals, the mean for each grower and the common deviation.
const MEASUREMENTS: [(&str, usize, [f64; 3], f64); 10] = [
    ("alcohol", 2, [13.6, 12.5, 13.1], 0.62),
    ("malic_acid", 2, [2.0, 2.0, 2.9], 0.85),
    ("ash", 2, [2.45, 2.30, 2.42], 0.28),
    ("alcalinity", 1, [17.6, 19.6, 20.6], 2.9),
    ("magnesium", 0, [105.0, 96.0, 99.0], 13.0),
    ("phenols", 2, [2.65, 2.28, 1.85], 0.48),
    ("flavanoids", 2, [2.65, 2.10, 1.30], 0.55),
    ("colour", 2, [5.4, 3.6, 6.4], 1.4),
    ("hue", 2, [1.06, 1.04, 0.79], 0.15),
    ("proline", 0, [980.0, 600.0, 660.0], 190.0),
];

pub(super) fn csv(rows: usize, noise: &mut Noise) -> String {
    let names: Vec<&str> = MEASUREMENTS.iter().map(|(name, ..)| *name).collect();
    let mut text = format!("bottle,{},grower\n", names.join(","));
    for bottle in 1..=rows {
        let grower = noise.pick(&GROWERS);
        let index = GROWERS.iter().position(|(name, _)| *name == grower).expect("it was picked from the list");
        // A bottle that is strong in one thing is a little stronger in all.
        let body = noise.normal(0.0, 0.35);
        write!(text, "B{bottle:04}").expect("a text grows without failing");
        for (_, decimals, means, deviation) in MEASUREMENTS {
            let value = noise.normal(means[index] + body * deviation, deviation).max(0.1);
            // One measurement in a hundred was lost in the laboratory.
            if noise.happens(0.01) {
                text.push(',');
            } else {
                write!(text, ",{value:.decimals$}").expect("a text grows without failing");
            }
        }
        writeln!(text, ",{grower}").expect("a text grows without failing");
    }
    text
}
