//! NearMiss: of the frequent classes only the rows nearest to the rarest one are kept.

use super::method::Means;
use super::plan::{Dropped, Plan, Problem, Rows};
use super::strategy::Targets;
use crate::ml::neighbours::{Nearest, Neighbours, Points, farthest_sums};

/// The params.
#[derive(Debug, Clone, Copy)]
pub(super) struct NearMiss {
    pub(super) version: u8,
    pub(super) n_neighbors: usize,
    pub(super) n_neighbors_ver3: usize,
}

pub(super) fn plan<E: From<Problem>>(
    rows: &Rows,
    targets: &Targets,
    near_miss: NearMiss,
    means: &mut Means<'_, E>,
) -> Result<Plan, E> {
    let rarest = rarest(rows);
    let minority = rows.points.take(&rows.of(rarest));
    // The farthest rows are all rows where there are fewer.
    if near_miss.version != 2 {
        check(near_miss.n_neighbors, minority.rows(), &rows.labels[rarest], "n_neighbors")?;
    }
    let mut plan = Plan::default();
    for (class, count) in targets.iter().enumerate().filter_map(|(class, count)| Some((class, (*count)?))) {
        let of_class = rows.of(class);
        let kept = keep(rows, class, &of_class, &minority, count, near_miss, means)?;
        if kept.len() < count {
            plan.notes.push(format!(
                "class `{}`: {} rows are neighbours of the rarest class, fewer than the {count} to keep",
                rows.labels[class],
                kept.len()
            ));
        }
        let mut stays = vec![false; of_class.len()];
        for place in kept {
            stays[place] = true;
        }
        let gone = of_class.into_iter().zip(stays).filter(|(_, stays)| !stays);
        plan.dropped.extend(gone.map(|(row, _)| Dropped {
            row,
            reason: "farther from the rarest class than what was kept",
            because_of: None,
        }));
    }
    plan.dropped.sort_by_key(|dropped| dropped.row);
    Ok(plan)
}

/// The class with the fewest rows; of several the one that appears first.
fn rarest(rows: &Rows) -> usize {
    let counts = rows.counts();
    let fewest = counts.iter().min().copied().unwrap_or(0);
    rows.classes.iter().map(|class| *class as usize).find(|class| counts[*class] == fewest).unwrap_or(0)
}

/// The places of the rows of a class that are kept.
fn keep<E: From<Problem>>(
    rows: &Rows,
    class: usize,
    of_class: &[u32],
    minority: &Points,
    count: usize,
    near_miss: NearMiss,
    means: &mut Means<'_, E>,
) -> Result<Vec<usize>, E> {
    let points = rows.points.take(of_class);
    let to_minority = Neighbours::new(minority, means.threads);
    let sums = |nearest: &Nearest, queries: usize| -> Vec<f64> {
        (0..queries).map(|query| nearest.distances(query).sum()).collect()
    };
    match near_miss.version {
        1 => {
            let nearest = to_minority.of_points(&points, near_miss.n_neighbors, means.go_on)?;
            let sums = sums(&nearest, points.rows());
            let mut order: Vec<usize> = (0..of_class.len()).collect();
            order.sort_by(|one, other| sums[*one].total_cmp(&sums[*other]));
            order.truncate(count);
            Ok(order)
        }
        2 => {
            let sums = farthest_sums(minority, &points, near_miss.n_neighbors, means.go_on)?;
            let mut order: Vec<usize> = (0..of_class.len()).collect();
            order.sort_by(|one, other| sums[*one].total_cmp(&sums[*other]));
            order.truncate(count);
            Ok(order)
        }
        _ => {
            check(near_miss.n_neighbors_ver3, points.rows(), &rows.labels[class], "n_neighbors_ver3")?;
            let search = Neighbours::new(&points, means.threads);
            let chosen = search.of_points(minority, near_miss.n_neighbors_ver3, means.go_on)?;
            let mut candidates: Vec<u32> =
                (0..minority.rows()).flat_map(|query| chosen.rows(query).iter().copied()).collect();
            candidates.sort_unstable();
            candidates.dedup();
            let nearest = to_minority.of_points(&points.take(&candidates), near_miss.n_neighbors, means.go_on)?;
            let sums = sums(&nearest, candidates.len());
            let mut order: Vec<usize> = (0..candidates.len()).collect();
            order.sort_by(|one, other| sums[*other].total_cmp(&sums[*one]));
            order.truncate(count);
            Ok(order.into_iter().map(|place| candidates[place] as usize).collect())
        }
    }
}

fn check(wanted: usize, there: usize, label: &str, param: &str) -> Result<(), Problem> {
    if wanted <= there {
        return Ok(());
    }
    let message = format!("class `{label}` has {there} rows, and `{param}: {wanted}` needs as many");
    Err(Problem::new("too_few_rows", message, format!("take `{param}: {there}` or fewer")))
}
