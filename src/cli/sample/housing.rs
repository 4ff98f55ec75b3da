//! Flats of an invented town: the price follows size, district, age and distance, by factors and not by sums.

use std::fmt::Write;

use super::noise::{Noise, yes_no};

/// Districts with their share of flats and what they do to the logarithm of a price.
const DISTRICTS: [(&str, f64, f64); 6] = [
    ("Altstadt", 0.12, 0.34),
    ("Seeufer", 0.10, 0.48),
    ("Bahnhof", 0.22, 0.05),
    ("Nordhang", 0.18, 0.12),
    ("Industrie", 0.20, -0.22),
    ("Aussenau", 0.18, -0.12),
];

pub(super) fn csv(rows: usize, noise: &mut Noise) -> String {
    let weights = DISTRICTS.map(|(name, share, _)| (name, share));
    let mut text = "id,district,floor_area_m2,rooms,floor,built,distance_to_centre_km,energy_class,has_balcony,\
                    last_renovated,price\n"
        .to_owned();
    for id in 1..=rows {
        let district = noise.pick(&weights);
        let effect = DISTRICTS.iter().find(|(name, ..)| *name == district).map_or(0.0, |(_, _, effect)| *effect);
        let area = noise.normal(4.35, 0.36).exp().clamp(22.0, 260.0).round();
        let rooms = (area / 26.0 + noise.normal(0.4, 0.6)).round().clamp(1.0, 8.0);
        let floor = noise.index(8);
        let built = if district == "Altstadt" { noise.between(1880.0, 1965.0) } else { noise.between(1930.0, 2024.0) };
        let built = built.floor();
        let distance = match district {
            "Altstadt" => noise.between(0.1, 1.2),
            "Bahnhof" => noise.between(0.4, 2.5),
            _ => noise.between(1.5, 9.0),
        };
        let distance = (distance * 10.0).round() / 10.0;
        let is_renovated = built < 1995.0 && noise.happens(0.45);
        let renovated = is_renovated.then(|| noise.between(1998.0, 2025.0).floor());
        let condition = renovated.unwrap_or(built);
        let energy = match condition + noise.normal(0.0, 8.0) {
            year if year > 2010.0 => "A",
            year if year > 1995.0 => "B",
            year if year > 1978.0 => "C",
            year if year > 1955.0 => "D",
            _ => "E",
        };
        let has_balcony = noise.happens(0.55);
        let log_price = 9.35 + 0.92 * f64::ln(area) + effect - 0.0038 * (2025.0 - condition) - 0.028 * distance
            + 0.012 * floor as f64
            + if has_balcony { 0.045 } else { 0.0 }
            + noise.normal(0.0, 0.11);
        let price = (log_price.exp() / 500.0).round() * 500.0;
        let renovated = renovated.map(|year| year.to_string()).unwrap_or_default();
        // Some sellers do not say in which energy class the flat is.
        let energy = if noise.happens(0.04) { "" } else { energy };
        writeln!(
            text,
            "{id},{district},{area},{rooms},{floor},{built},{distance},{energy},{},{renovated},{price}",
            yes_no(has_balcony),
        )
        .expect("a text grows without failing");
    }
    text
}
