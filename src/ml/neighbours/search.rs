//! The search for the nearest points of many queries, in rounds, on several threads.

use std::num::NonZeroUsize;

use super::distance::squared;
use super::points::{Categories, Points};
use super::tree::Tree;

/// From this number of dimensions on, boxes are left out too rarely for a tree to pay.
const TREE_WIDTH: usize = 16;

/// How many queries are compared with a point while it is at hand.
const BLOCK: usize = 32;

/// About how many comparisons of short points lie between two looks at whether to go on.
const ROUND: usize = 1 << 27;

/// How many queries lie between two looks at whether to go on.
fn round(points: &Points) -> usize {
    ROUND / points.rows().max(1) / points.width().div_ceil(TREE_WIDTH).max(1)
}

/// Points in which neighbours are searched.
pub struct Neighbours<'points> {
    points: &'points Points,
    categories: Option<(&'points Categories, f64)>,
    tree: Option<Tree>,
    threads: usize,
}

/// The nearest points of each query, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// How many each query has.
    pub count: usize,
    rows: Vec<u32>,
    squares: Vec<f64>,
}

impl Nearest {
    /// The numbers of the points next to a query.
    pub fn rows(&self, query: usize) -> &[u32] {
        &self.rows[query * self.count..(query + 1) * self.count]
    }

    /// Their distances.
    pub fn distances(&self, query: usize) -> impl Iterator<Item = f64> {
        self.squares[query * self.count..(query + 1) * self.count].iter().map(|square| square.sqrt())
    }
}

/// A query: its values, and the point that it is itself.
struct Query<'points> {
    point: &'points [f64],
    codes: &'points [u32],
    itself: Option<u32>,
}

impl<'points> Neighbours<'points> {
    /// A search among `points` on so many threads.
    pub fn new(points: &'points Points, threads: usize) -> Neighbours<'points> {
        let tree = (points.width() < TREE_WIDTH).then(|| Tree::build(points));
        Neighbours { points, categories: None, tree, threads: threads.max(1) }
    }

    /// A search in which each category that differs adds `penalty` to the square of the distance.
    pub fn with_categories(
        points: &'points Points,
        categories: &'points Categories,
        penalty: f64,
        threads: usize,
    ) -> Neighbours<'points> {
        Neighbours { points, categories: Some((categories, penalty)), tree: None, threads: threads.max(1) }
    }

    /// The `count` points nearest to each of `rows`, which are points themselves, without themselves.
    ///
    /// # Errors
    /// What `go_on` says, which is asked every now and then with the number of queries done.
    pub fn of_rows<E>(
        &self,
        rows: &[u32],
        count: usize,
        go_on: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Nearest, E> {
        let query = |place: usize| {
            let row = rows[place];
            let codes = self.categories.map_or(&[][..], |(categories, _)| categories.row(row as usize));
            Query { point: self.points.row(row as usize), codes, itself: Some(row) }
        };
        self.run(rows.len(), count.min(self.points.rows().saturating_sub(1)), &query, go_on)
    }

    /// The `count` points nearest to each of other points.
    ///
    /// # Errors
    /// What `go_on` says, which is asked every now and then with the number of queries done.
    pub fn of_points<E>(
        &self,
        queries: &Points,
        count: usize,
        go_on: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Nearest, E> {
        let query = |place: usize| Query { point: queries.row(place), codes: &[], itself: None };
        self.run(queries.rows(), count.min(self.points.rows()), &query, go_on)
    }

    fn run<'query, E>(
        &self,
        queries: usize,
        count: usize,
        query: &(dyn Fn(usize) -> Query<'query> + Sync),
        go_on: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Nearest, E> {
        let mut found =
            Nearest { count, rows: vec![0; queries * count], squares: vec![f64::INFINITY; queries * count] };
        if count == 0 {
            return Ok(found);
        }
        let round = round(self.points).max(BLOCK * self.threads);
        for start in (0..queries).step_by(round) {
            go_on(start)?;
            let end = (start + round).min(queries);
            let per_thread = NonZeroUsize::new((end - start).div_ceil(self.threads)).map_or(1, NonZeroUsize::get);
            let span = start * count..end * count;
            let rows = found.rows[span.clone()].chunks_mut(per_thread * count);
            let squares = found.squares[span].chunks_mut(per_thread * count);
            std::thread::scope(|scope| {
                for (part, (rows, squares)) in rows.zip(squares).enumerate() {
                    let first = start + part * per_thread;
                    let mut work = move || self.search(first, count, query, rows, squares);
                    // The last part may as well be done here.
                    if first + per_thread >= end {
                        work();
                    } else {
                        scope.spawn(work);
                    }
                }
            });
        }
        go_on(queries)?;
        Ok(found)
    }

    fn search<'query>(
        &self,
        first: usize,
        count: usize,
        query: &(dyn Fn(usize) -> Query<'query> + Sync),
        rows: &mut [u32],
        squares: &mut [f64],
    ) {
        let mut bests: Vec<Best<'_>> = rows
            .chunks_mut(count)
            .zip(squares.chunks_mut(count))
            .map(|(rows, squares)| Best { rows, squares })
            .collect();
        if let Some(tree) = &self.tree {
            for (place, best) in bests.iter_mut().enumerate() {
                let query = query(first + place);
                let mut visit = |rows: &[u32]| {
                    for row in rows {
                        if query.itself != Some(*row) {
                            best.offer(*row, squared(query.point, self.points.row(*row as usize)));
                        }
                    }
                    best.worst()
                };
                // Of points in one place those with the lowest numbers are found, and one of them may be the query.
                tree.search(query.point, count + 1, &mut visit);
            }
            return;
        }
        for (block, bests) in bests.chunks_mut(BLOCK).enumerate() {
            let queries: Vec<Query<'_>> = (0..bests.len()).map(|place| query(first + block * BLOCK + place)).collect();
            for row in 0..u32::try_from(self.points.rows()).unwrap_or(u32::MAX) {
                let point = self.points.row(row as usize);
                for (query, best) in queries.iter().zip(bests.iter_mut()) {
                    if query.itself != Some(row) {
                        best.offer(row, squared(query.point, point) + self.penalty(query, row));
                    }
                }
            }
        }
    }

    fn penalty(&self, query: &Query<'_>, row: u32) -> f64 {
        let Some((categories, penalty)) = self.categories else { return 0.0 };
        let codes = categories.row(row as usize);
        let differing = query.codes.iter().zip(codes).filter(|(one, other)| one != other).count();
        penalty * differing as f64
    }
}

/// The nearest points so far, nearest first.
struct Best<'found> {
    rows: &'found mut [u32],
    squares: &'found mut [f64],
}

impl Best<'_> {
    fn worst(&self) -> f64 {
        self.squares[self.squares.len() - 1]
    }

    #[inline]
    fn offer(&mut self, row: u32, square: f64) {
        let last = self.squares.len() - 1;
        let is_before = |at: usize, squares: &[f64], rows: &[u32]| {
            square < squares[at] || (square.total_cmp(&squares[at]).is_eq() && row < rows[at])
        };
        let has_room = self.squares[last].is_infinite() && square.is_finite();
        if !has_room && !is_before(last, self.squares, self.rows) {
            return;
        }
        let mut place = last;
        while place > 0 && (self.squares[place - 1].is_infinite() || is_before(place - 1, self.squares, self.rows)) {
            self.squares[place] = self.squares[place - 1];
            self.rows[place] = self.rows[place - 1];
            place -= 1;
        }
        self.squares[place] = square;
        self.rows[place] = row;
    }
}

/// For each of `queries` the sum of the distances to the `count` farthest of `points`.
///
/// # Errors
/// What `go_on` says, which is asked every now and then with the number of queries done.
pub fn farthest_sums<E>(
    points: &Points,
    queries: &Points,
    count: usize,
    go_on: &mut dyn FnMut(usize) -> Result<(), E>,
) -> Result<Vec<f64>, E> {
    let count = count.min(points.rows());
    let mut sums = Vec::with_capacity(queries.rows());
    let round = round(points).max(1);
    let mut farthest: Vec<f64> = Vec::with_capacity(count + 1);
    for query in 0..queries.rows() {
        if query % round == 0 {
            go_on(query)?;
        }
        farthest.clear();
        for row in 0..points.rows() {
            let square = squared(queries.row(query), points.row(row));
            if farthest.len() == count && square <= farthest[0] {
                continue;
            }
            let place = farthest.partition_point(|known| *known < square);
            farthest.insert(place, square);
            if farthest.len() > count {
                farthest.remove(0);
            }
        }
        sums.push(farthest.iter().map(|square| square.sqrt()).sum());
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn points(width: usize, values: &[f64]) -> Points {
        let mut points = Points::new(width);
        values.chunks_exact(width).for_each(|point| points.push(point));
        points
    }

    fn all(neighbours: &Neighbours<'_>, count: usize) -> Nearest {
        let rows: Vec<u32> = (0..).take(neighbours.points.rows()).collect();
        neighbours.of_rows::<Infallible>(&rows, count, &mut |_| Ok(())).unwrap()
    }

    /// By sorting all points for every query.
    fn plainly(points: &Points, row: usize, count: usize) -> Vec<u32> {
        let mut others: Vec<u32> = (0..).take(points.rows()).filter(|other| *other as usize != row).collect();
        let distance = |other: &u32| squared(points.row(row), points.row(*other as usize));
        others.sort_by(|one, other| distance(one).total_cmp(&distance(other)).then(one.cmp(other)));
        others.truncate(count);
        others
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_tree_the_blocks_and_sorting_find_the_same(
            width in 1_usize..20, coarse in any::<bool>(), values in proptest::collection::vec(-50.0..50.0_f64, 150..500), count in 1_usize..8,
        ) {
            // Coarse values make many ties.
            let values: Vec<f64> = values.into_iter().map(|value| if coarse { (value / 25.0).round() } else { value }).collect();
            let points = points(width, &values);
            let tree = Neighbours { tree: Some(Tree::build(&points)), ..Neighbours::new(&points, 3) };
            let blocks = Neighbours { tree: None, ..Neighbours::new(&points, 1) };
            let found = all(&tree, count);
            prop_assert_eq!(&found, &all(&blocks, count));
            for row in 0..points.rows() {
                prop_assert_eq!(found.rows(row), plainly(&points, row, count));
            }
        }
    }

    #[test]
    fn there_are_never_more_neighbours_than_other_points() {
        let points = points(1, &[0.0, 3.0, 1.0]);
        let found = all(&Neighbours::new(&points, 2), 9);
        assert_eq!(found.count, 2);
        assert_eq!(found.rows(0), [2, 1]);
        assert_eq!(found.distances(1).collect::<Vec<_>>(), [2.0, 3.0]);
        assert_eq!(farthest_sums::<Infallible>(&points, &points, 2, &mut |_| Ok(())).unwrap(), [4.0, 5.0, 3.0]);
    }

    #[test]
    fn categories_that_differ_cost_their_penalty() {
        let points = points(1, &[0.0, 1.0, 1.5]);
        let categories = Categories { width: 1, codes: vec![0, 1, 0] };
        let found = all(&Neighbours::with_categories(&points, &categories, 4.0, 1), 2);
        assert_eq!(found.rows(0), [2, 1]);
        assert_eq!(found.distances(0).collect::<Vec<_>>(), [1.5, 5.0_f64.sqrt()]);
    }

    #[test]
    fn of_points_in_one_place_only_as_many_are_looked_at_as_are_wanted() {
        let points = points(2, &[[3.0, 4.0]; 1000].concat());
        let tree = Tree::build(&points);
        let mut seen: Vec<u32> = Vec::new();
        tree.search(&[3.0, 4.0], 3, &mut |rows| {
            seen.extend(rows);
            0.0
        });
        assert_eq!(seen, [0, 1, 2]);
        let found = all(&Neighbours::new(&points, 2), 2);
        assert_eq!([found.rows(0), found.rows(1), found.rows(999)], [[1, 2], [0, 2], [0, 1]]);
    }

    #[test]
    fn wide_points_are_compared_in_shorter_rounds() {
        let rounds = [3, 160].map(|width| {
            let mut points = Points::new(width);
            points.grow(1 << 10);
            round(&points)
        });
        assert_eq!(rounds, [1 << 17, (1 << 17) / 10]);
    }

    #[test]
    fn more_points_than_there_are_may_be_asked_for() {
        let points = points(1, &[0.0, 3.0]);
        let sums = farthest_sums::<Infallible>(&points, &points, usize::MAX, &mut |_| Ok(())).unwrap();
        assert_eq!(sums, [3.0, 3.0]);
        assert_eq!(
            Neighbours::new(&points, 1).of_rows::<Infallible>(&[0], usize::MAX, &mut |_| Ok(())).unwrap().count,
            1
        );
    }

    #[test]
    fn a_search_that_is_called_off_ends() {
        let points = points(1, &[0.0, 1.0]);
        let called_off = Neighbours::new(&points, 1).of_rows(&[0], 1, &mut |_| Err("off"));
        assert_eq!(called_off.err(), Some("off"));
    }
}
