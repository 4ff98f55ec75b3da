//! SMOTE: new rows on the lines between a row and its neighbours of the same class.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::method::{Means, SmoteKind};
use super::plan::{Added, Plan, Problem, Rows};
use super::random::stream;
use super::strategy::Targets;
use crate::ml::neighbours::{Categories, Nearest, Neighbours, Points};

/// The params.
#[derive(Debug, Clone, Copy)]
pub(super) struct Smote {
    pub(super) k_neighbors: usize,
    /// How many neighbours say whether a row is near another class, and where lines lead to.
    pub(super) borderline: Option<(usize, SmoteKind)>,
}

pub(super) fn plan<E: From<Problem>>(
    rows: &Rows,
    targets: &Targets,
    smote: Smote,
    means: &mut Means<'_, E>,
) -> Result<Plan, E> {
    let categories = Categories { width: rows.categories.width, codes: Vec::new() };
    let mut plan = Plan { points: Points::new(rows.points.width()), categories, ..Plan::default() };
    for (class, count) in targets.iter().enumerate().filter_map(|(class, count)| Some((class, (*count)?))) {
        if count == 0 {
            continue;
        }
        let of_class = rows.of(class);
        let Some(ground) = ground(rows, class, &of_class, smote, means)? else {
            plan.notes.push(format!("class `{}`: no row is near another class, so none is added", rows.labels[class]));
            continue;
        };
        let mut random = stream(means.seed, class);
        for _ in 0..count {
            ground.draw(rows, class, &mut random, &mut plan);
        }
    }
    Ok(plan)
}

/// The rows that lines of one class begin at, and those that they lead to.
struct Ground {
    /// Where lines begin.
    bases: Vec<u32>,
    nearest: Nearest,
    /// The row behind a number in `nearest`.
    behind: Option<Vec<u32>>,
}

fn ground<E: From<Problem>>(
    rows: &Rows,
    class: usize,
    of_class: &[u32],
    smote: Smote,
    means: &mut Means<'_, E>,
) -> Result<Option<Ground>, E> {
    let own: Vec<u32> = (0..).take(of_class.len()).collect();
    let within = rows.points.take(of_class);
    let Some((m_neighbors, kind)) = smote.borderline else {
        enough(rows, class, of_class.len(), smote.k_neighbors, "k_neighbors")?;
        let categories = rows.categories.take(of_class);
        let search = if categories.width == 0 {
            Neighbours::new(&within, means.threads)
        } else {
            let penalty = median(within.deviations(&own)).powi(2);
            Neighbours::with_categories(&within, &categories, penalty, means.threads)
        };
        let nearest = search.of_rows(&own, smote.k_neighbors, means.go_on)?;
        return Ok(Some(Ground { bases: of_class.to_vec(), nearest, behind: Some(of_class.to_vec()) }));
    };
    enough_rows(rows, m_neighbors, "m_neighbors")?;
    let all = Neighbours::new(&rows.points, means.threads);
    let around = all.of_rows(of_class, m_neighbors, means.go_on)?;
    let others = |place: &u32| {
        let rows = &rows.classes;
        around.rows(*place as usize).iter().filter(|row| rows[**row as usize] as usize != class).count()
    };
    // Half of the neighbours or more are of other classes; a row whose neighbours all are is noise.
    let danger: Vec<u32> =
        own.into_iter().filter(|place| (m_neighbors..2 * m_neighbors).contains(&(2 * others(place)))).collect();
    if danger.is_empty() {
        return Ok(None);
    }
    let bases: Vec<u32> = danger.iter().map(|place| of_class[*place as usize]).collect();
    Ok(Some(match kind {
        SmoteKind::Borderline1 => {
            enough(rows, class, of_class.len(), smote.k_neighbors, "k_neighbors")?;
            let nearest = Neighbours::new(&within, means.threads).of_rows(&danger, smote.k_neighbors, means.go_on)?;
            Ground { bases, nearest, behind: Some(of_class.to_vec()) }
        }
        SmoteKind::Borderline2 => {
            enough_rows(rows, smote.k_neighbors, "k_neighbors")?;
            let nearest = all.of_rows(&bases, smote.k_neighbors, means.go_on)?;
            Ground { bases, nearest, behind: None }
        }
    }))
}

impl Ground {
    /// Adds one row to the plan.
    fn draw(&self, rows: &Rows, class: usize, random: &mut ChaCha8Rng, plan: &mut Plan) {
        let place = random.random_range(0..self.bases.len());
        let neighbours = self.nearest.rows(place);
        let behind = |neighbour: u32| self.behind.as_ref().map_or(neighbour, |rows| rows[neighbour as usize]);
        let (base, toward) = (self.bases[place], behind(neighbours[random.random_range(0..neighbours.len())]));
        let mut step = random.random::<f64>();
        if rows.classes[toward as usize] as usize != class {
            step *= random.random_range(0.0..0.5);
        }
        plan.added.push(Added { base, toward: Some(toward) });
        plan.points.push(&between(rows, base, toward, step));
        for column in 0..rows.categories.width {
            let codes = neighbours.iter().map(|it| rows.categories.row(behind(*it) as usize)[column]);
            plan.categories.codes.push(most_frequent(codes.collect(), random));
        }
    }
}

/// The point a share `step` of the way from one row to another.
pub(super) fn between(rows: &Rows, base: u32, toward: u32, step: f64) -> Vec<f64> {
    let (from, to) = (rows.points.row(base as usize), rows.points.row(toward as usize));
    from.iter().zip(to).map(|(from, to)| from + step * (to - from)).collect()
}

/// One of the codes that occur most often, at random.
fn most_frequent(mut codes: Vec<u32>, random: &mut ChaCha8Rng) -> u32 {
    codes.sort_unstable();
    let runs: Vec<&[u32]> = codes.chunk_by(|one, other| one == other).collect();
    let most = runs.iter().map(|run| run.len()).max().unwrap_or(0);
    let best: Vec<u32> = runs.into_iter().filter(|run| run.len() == most).map(|run| run[0]).collect();
    best[random.random_range(0..best.len())]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// Refuses a class with too few rows for its neighbours.
pub(super) fn enough(rows: &Rows, class: usize, there: usize, wanted: usize, param: &str) -> Result<(), Problem> {
    if there > wanted {
        return Ok(());
    }
    let message = format!(
        "class `{}` has {there} rows, and `{param}: {wanted}` needs at least {}",
        rows.labels[class],
        wanted.saturating_add(1)
    );
    let help = match there {
        0 | 1 => "copy its rows with `balance.random_over` instead".to_owned(),
        _ => format!("take `{param}: {}`, or copy rows with `balance.random_over`", there - 1),
    };
    Err(Problem::new("too_few_rows", message, help))
}

/// Refuses a table with too few rows for the neighbours of one.
pub(super) fn enough_rows(rows: &Rows, wanted: usize, param: &str) -> Result<(), Problem> {
    let there = rows.classes.len();
    if there > wanted {
        return Ok(());
    }
    let message =
        format!("the table has {there} rows, and `{param}: {wanted}` needs at least {}", wanted.saturating_add(1));
    Err(Problem::new("too_few_rows", message, format!("take a smaller `{param}`")))
}
