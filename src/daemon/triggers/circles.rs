//! Pipelines that would start each other for ever.

use std::collections::{BTreeMap, BTreeSet};

/// The circles among `after` triggers, each from its first pipeline back to it. `edges` go from the pipeline whose end
/// fires to the one that is fired.
pub fn circles<'name>(edges: impl IntoIterator<Item = (&'name str, &'name str)>) -> Vec<Vec<String>> {
    let mut fired_by = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (from, to) in edges {
        fired_by.entry(from).or_default().insert(to);
    }
    let mut found = Vec::new();
    for start in fired_by.keys() {
        // The shortest way back, over pipelines that come after the first by name: each circle is told once.
        let mut ways = vec![vec![*start]];
        let mut seen = BTreeSet::new();
        'search: while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                let last = way.last().expect("a way has a beginning");
                for next in fired_by.get(last).into_iter().flatten() {
                    if next == start {
                        found.push(way.iter().chain([start]).map(|name| (*name).to_owned()).collect());
                        break 'search;
                    }
                    if next > start && seen.insert(*next) {
                        longer.push(way.iter().copied().chain([*next]).collect());
                    }
                }
            }
            ways = longer;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_circle_is_told_once() {
        let check = |edges: &[(&str, &str)]| -> Vec<String> {
            circles(edges.iter().copied()).into_iter().map(|circle| circle.join(" -> ")).collect()
        };
        assert_eq!(check(&[("a", "b"), ("b", "c"), ("a", "c")]), Vec::<String>::new());
        assert_eq!(check(&[("b", "a"), ("a", "b")]), ["a -> b -> a"]);
        assert_eq!(
            check(&[("a", "a"), ("b", "c"), ("c", "d"), ("d", "b"), ("c", "e")]),
            ["a -> a", "b -> c -> d -> b"]
        );
    }
}
