//! A tree of boxes: each box holds its points tightly, and is cut where it is widest.

use super::distance::squared_to_box;
use super::points::Points;

/// How many points a box holds before it is cut.
const LEAF: usize = 16;

#[derive(Debug)]
pub(super) struct Tree {
    /// The numbers of the points, box by box.
    order: Vec<u32>,
    nodes: Vec<Node>,
    /// The lowest and highest corner of each box.
    corners: Vec<f64>,
    width: usize,
}

#[derive(Debug)]
struct Node {
    start: usize,
    end: usize,
    /// The second half; the first one follows its parent. Zero for a leaf.
    second: usize,
}

impl Tree {
    pub(super) fn build(points: &Points) -> Tree {
        let order = (0..).take(points.rows()).collect();
        let mut tree = Tree { order, nodes: Vec::new(), corners: Vec::new(), width: points.width() };
        if points.rows() > 0 {
            tree.grow(points, 0, points.rows());
        }
        tree
    }

    fn grow(&mut self, points: &Points, start: usize, end: usize) {
        let node = self.nodes.len();
        self.nodes.push(Node { start, end, second: 0 });
        let mut low = points.row(self.order[start] as usize).to_vec();
        let mut high = low.clone();
        for row in &self.order[start..end] {
            for ((value, low), high) in points.row(*row as usize).iter().zip(&mut low).zip(&mut high) {
                *low = low.min(*value);
                *high = high.max(*value);
            }
        }
        let spread = |axis: &usize| high[*axis] - low[*axis];
        let axis = (0..self.width).max_by(|one, other| spread(one).total_cmp(&spread(other)));
        self.corners.extend(low.iter().chain(&high));
        let Some(axis) = axis.filter(|axis| end - start > LEAF && spread(axis) > 0.0) else {
            self.order[start..end].sort_unstable();
            return;
        };
        let middle = usize::midpoint(start, end);
        let value = |row: &u32| points.row(*row as usize)[axis];
        self.order[start..end].select_nth_unstable_by(middle - start, |one, other| {
            value(one).total_cmp(&value(other)).then(one.cmp(other))
        });
        self.grow(points, start, middle);
        self.nodes[node].second = self.nodes.len();
        self.grow(points, middle, end);
    }

    fn distance(&self, node: usize, query: &[f64]) -> f64 {
        let corners = &self.corners[2 * node * self.width..2 * (node + 1) * self.width];
        squared_to_box(query, &corners[..self.width], &corners[self.width..])
    }

    /// Whether all points of a box are in one place.
    fn is_one_place(&self, node: usize) -> bool {
        let corners = &self.corners[2 * node * self.width..2 * (node + 1) * self.width];
        let (low, high) = corners.split_at(self.width);
        low.iter().zip(high).all(|(low, high)| low >= high)
    }

    /// Calls `visit` for the points of every box that is no farther than it said last, of points in one place for the
    /// first `most` only.
    pub(super) fn search(&self, query: &[f64], most: usize, visit: &mut dyn FnMut(&[u32]) -> f64) {
        if self.nodes.is_empty() {
            return;
        }
        let mut worst = f64::INFINITY;
        let mut open = vec![(0, self.distance(0, query))];
        while let Some((node, distance)) = open.pop() {
            if distance > worst {
                continue;
            }
            let Node { start, end, second } = self.nodes[node];
            if second == 0 {
                let end = if self.is_one_place(node) { end.min(start + most) } else { end };
                worst = visit(&self.order[start..end]);
                continue;
            }
            let first = (node + 1, self.distance(node + 1, query));
            let second = (second, self.distance(second, query));
            // The nearer half is looked at first, so that it may spare the other one.
            if first.1 <= second.1 { open.extend([second, first]) } else { open.extend([first, second]) }
        }
    }
}
