//! Dropping rows that stand among those of another class: Tomek links and edited nearest neighbours.

use super::method::{ALL, EnnKind, Means};
use super::plan::{Dropped, Plan, Problem, Rows};
use super::smote::enough_rows;
use super::strategy::{Sampling, Targets};
use crate::ml::neighbours::Neighbours;

/// The params of edited nearest neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edited {
    pub(super) n_neighbors: usize,
    pub(super) kind_sel: EnnKind,
}

pub(super) fn tomek_links<E: From<Problem>>(
    rows: &Rows,
    targets: &Targets,
    means: &mut Means<'_, E>,
) -> Result<Plan, E> {
    enough_rows(rows, 1, "neighbours")?;
    let all: Vec<u32> = (0..).take(rows.classes.len()).collect();
    let nearest = Neighbours::new(&rows.points, means.threads).of_rows(&all, 1, means.go_on)?;
    let next = |row: u32| nearest.rows(row as usize)[0];
    let is_link = |row: &u32| {
        let other = next(*row);
        let class = |row: u32| rows.classes[row as usize];
        targets[class(*row) as usize].is_some() && class(*row) != class(other) && next(other) == *row
    };
    let link = |row: u32| Dropped { row, reason: "linked to a row of another class", because_of: Some(next(row)) };
    Ok(Plan { dropped: all.iter().copied().filter(is_link).map(link).collect(), ..Plan::default() })
}

pub(super) fn edited<E: From<Problem>>(
    rows: &Rows,
    targets: &Targets,
    edited: Edited,
    means: &mut Means<'_, E>,
) -> Result<Plan, E> {
    enough_rows(rows, edited.n_neighbors, "n_neighbors")?;
    let classes = &rows.classes;
    let looked_at: Vec<u32> =
        (0_u32..).zip(classes).filter(|(_, class)| targets[**class as usize].is_some()).map(|(row, _)| row).collect();
    let search = Neighbours::new(&rows.points, means.threads);
    let nearest = search.of_rows(&looked_at, edited.n_neighbors, means.go_on)?;
    let mut plan = Plan::default();
    for (place, row) in looked_at.iter().enumerate() {
        let own = classes[*row as usize];
        let neighbours = nearest.rows(place);
        let other = neighbours.iter().find(|neighbour| classes[**neighbour as usize] != own);
        let (goes, reason) = match edited.kind_sel {
            EnnKind::All => (other.is_some(), "a neighbour is of another class"),
            EnnKind::Mode => {
                let found = mode(neighbours.iter().map(|neighbour| classes[*neighbour as usize]).collect());
                (found != own, "most neighbours are of another class")
            }
        };
        if goes {
            plan.dropped.push(Dropped { row: *row, reason, because_of: other.copied() });
        }
    }
    Ok(plan)
}

/// The most frequent class; of several the first.
fn mode(mut classes: Vec<u32>) -> u32 {
    classes.sort_unstable();
    let runs = classes.chunk_by(|one, other| one == other);
    // The last maximum would win, so the order is turned round.
    runs.rev().max_by_key(|run| run.len()).map_or(0, |run| run[0])
}

/// Cleans all classes after new rows have come. Of those, what is dropped never comes.
pub(super) fn after<E: From<Problem>>(
    rows: &Rows,
    mut plan: Plan,
    clean: impl FnOnce(&Rows, &Targets) -> Result<Plan, E>,
) -> Result<Plan, E> {
    let before = rows.classes.len();
    let mut grown = rows.clone();
    grown.classes.extend(plan.added.iter().map(|added| rows.classes[added.base as usize]));
    (0..plan.points.rows()).for_each(|row| grown.points.push(plan.points.row(row)));
    let targets = ALL.targets(Sampling::Clean, &rows.labels, &grown.counts())?;
    let cleaned = clean(&grown, &targets)?;
    let mut stays = vec![true; plan.added.len()];
    for dropped in cleaned.dropped {
        match (dropped.row as usize).checked_sub(before) {
            // A row that was made has no number that anybody knows.
            None => plan
                .dropped
                .push(Dropped { because_of: dropped.because_of.filter(|row| (*row as usize) < before), ..dropped }),
            Some(place) => stays[place] = false,
        }
    }
    let kept: Vec<u32> = (0_u32..).zip(&stays).filter(|(_, stays)| **stays).map(|(place, _)| place).collect();
    plan.retracted = plan.added.len() - kept.len();
    plan.added = kept.iter().map(|place| plan.added[*place as usize]).collect();
    plan.points = plan.points.take(&kept);
    Ok(plan)
}
