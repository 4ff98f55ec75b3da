//! ADASYN: the more neighbours of a row are of other classes, the more rows are added beside it.

use rand::RngExt;

use super::method::Means;
use super::plan::{Added, Plan, Problem, Rows};
use super::random::stream;
use super::smote::{between, enough, enough_rows};
use super::strategy::Targets;
use crate::ml::neighbours::{Neighbours, Points};

pub(super) fn plan<E: From<Problem>>(
    rows: &Rows,
    targets: &Targets,
    n_neighbors: usize,
    means: &mut Means<'_, E>,
) -> Result<Plan, E> {
    enough_rows(rows, n_neighbors, "n_neighbors")?;
    let mut plan = Plan { points: Points::new(rows.points.width()), ..Plan::default() };
    let all = Neighbours::new(&rows.points, means.threads);
    for (class, count) in targets.iter().enumerate().filter_map(|(class, count)| Some((class, (*count)?))) {
        if count == 0 {
            continue;
        }
        let of_class = rows.of(class);
        let around = all.of_rows(&of_class, n_neighbors, means.go_on)?;
        let shares: Vec<f64> = (0..of_class.len())
            .map(|place| {
                let others = around.rows(place).iter().filter(|row| rows.classes[**row as usize] as usize != class);
                others.count() as f64 / n_neighbors as f64
            })
            .collect();
        let sum: f64 = shares.iter().sum();
        let label = &rows.labels[class];
        if sum <= 0.0 {
            let message = format!("no row of class `{label}` has a neighbour of another class");
            return Err(Problem::new("classes_apart", message, "take `balance.smote` instead").into());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count of rows")]
        let counts: Vec<usize> =
            shares.iter().map(|share| (share / sum * count as f64).round_ties_even() as usize).collect();
        if counts.iter().all(|count| *count == 0) {
            let message = format!("the {count} rows to add to class `{label}` round to none for each of its rows");
            return Err(Problem::new("nothing_to_add", message, "ask for more rows, or take `balance.smote`").into());
        }
        enough(rows, class, of_class.len(), n_neighbors, "n_neighbors")?;
        let within = rows.points.take(&of_class);
        let own: Vec<u32> = (0..).take(of_class.len()).collect();
        let nearest = Neighbours::new(&within, means.threads).of_rows(&own, n_neighbors, means.go_on)?;
        let mut random = stream(means.seed, class);
        for (place, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                let neighbours = nearest.rows(place);
                let base = of_class[place];
                let toward = of_class[neighbours[random.random_range(0..neighbours.len())] as usize];
                plan.added.push(Added { base, toward: Some(toward) });
                plan.points.push(&between(rows, base, toward, random.random::<f64>()));
            }
        }
    }
    Ok(plan)
}
