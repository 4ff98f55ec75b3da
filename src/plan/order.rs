//! The order of steps: a cycle is reported with its path, and otherwise each step comes after what it needs.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// The dependencies between things that are numbered in the order written.
pub(super) struct Graph {
    graph: DiGraph<(), ()>,
}

impl Graph {
    /// A graph of `count` things; each edge goes from what is needed to what needs it.
    pub(super) fn new(count: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Graph {
        let mut graph = DiGraph::with_capacity(count, count);
        for _ in 0..count {
            graph.add_node(());
        }
        let edges: BTreeSet<(usize, usize)> = edges.into_iter().collect();
        for (from, to) in edges {
            graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
        }
        Graph { graph }
    }

    /// One cycle of each knot, as the path from its first thing back to it; empty if there is none.
    pub(super) fn cycles(&self) -> Vec<Vec<usize>> {
        let mut cycles: Vec<Vec<usize>> = tarjan_scc(&self.graph)
            .into_iter()
            .filter(|knot| knot.len() > 1 || self.graph.contains_edge(knot[0], knot[0]))
            .map(|knot| self.shortest_cycle(&knot))
            .collect();
        cycles.sort();
        cycles
    }

    /// The shortest way from the first thing of a knot back to it.
    fn shortest_cycle(&self, knot: &[NodeIndex]) -> Vec<usize> {
        let inside: BTreeSet<NodeIndex> = knot.iter().copied().collect();
        let start = *inside.first().expect("a knot is not empty");
        let mut came_from = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let mut next: Vec<NodeIndex> = self.graph.neighbors(node).filter(|next| inside.contains(next)).collect();
            next.sort();
            for next in next {
                if next == start {
                    let mut path = vec![start.index(), node.index()];
                    let mut at = node;
                    while at != start {
                        at = came_from[&at];
                        path.push(at.index());
                    }
                    path.reverse();
                    return path;
                }
                if let Entry::Vacant(unseen) = came_from.entry(next) {
                    unseen.insert(node);
                    queue.push_back(next);
                }
            }
        }
        Vec::new()
    }

    /// The things in an order in which each comes after what it needs; of those that could come next, the one with the
    /// lowest rank and then the first written.
    pub(super) fn sorted<R: Ord>(&self, rank: impl Fn(usize) -> R) -> Vec<usize> {
        let mut waiting: Vec<usize> = self
            .graph
            .node_indices()
            .map(|node| self.graph.neighbors_directed(node, Direction::Incoming).count())
            .collect();
        let mut ready: BinaryHeap<Reverse<(R, usize)>> = (0..waiting.len())
            .filter(|index| waiting[*index] == 0)
            .map(|index| Reverse((rank(index), index)))
            .collect();
        let mut sorted = Vec::with_capacity(waiting.len());
        while let Some(Reverse((_, index))) = ready.pop() {
            sorted.push(index);
            for next in self.graph.neighbors(NodeIndex::new(index)) {
                waiting[next.index()] -= 1;
                if waiting[next.index()] == 0 {
                    ready.push(Reverse((rank(next.index()), next.index())));
                }
            }
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cycle_is_a_path_back_to_its_start() {
        assert_eq!(Graph::new(4, [(0, 1), (1, 2), (2, 1), (2, 3)]).cycles(), [[1, 2, 1]]);
        assert_eq!(Graph::new(2, [(0, 0), (0, 1)]).cycles(), [[0, 0]]);
        assert_eq!(Graph::new(5, [(0, 1), (1, 2), (2, 0), (3, 4), (4, 3)]).cycles(), [vec![0, 1, 2, 0], vec![3, 4, 3]]);
        assert!(Graph::new(3, [(0, 1), (0, 2), (1, 2)]).cycles().is_empty());
    }

    #[test]
    fn the_order_written_is_kept_where_nothing_speaks_against_it() {
        assert_eq!(Graph::new(4, [(3, 0)]).sorted(|_| 0), [1, 2, 3, 0]);
        assert_eq!(Graph::new(3, []).sorted(|index| [1, 1, 0][index]), [2, 0, 1]);
    }

    proptest! {
        #[test]
        fn either_there_is_a_cycle_or_everything_comes_after_what_it_needs(
            edges in prop::collection::vec((0_usize..8, 0_usize..8), 0..14)
        ) {
            let graph = Graph::new(8, edges.clone());
            let sorted = graph.sorted(|_| 0);
            let cycles = graph.cycles();
            prop_assert_eq!(cycles.is_empty(), sorted.len() == 8);
            for cycle in &cycles {
                prop_assert_eq!(cycle.first(), cycle.last());
                prop_assert!(cycle.windows(2).all(|pair| edges.contains(&(pair[0], pair[1]))));
            }
            if cycles.is_empty() {
                let place = |thing: usize| sorted.iter().position(|other| *other == thing).unwrap();
                prop_assert!(edges.iter().all(|(from, to)| place(*from) < place(*to)));
            }
        }
    }
}
