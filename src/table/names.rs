//! Names of columns that stand beside those of a user's table.

/// `name`, behind as many `_` as it takes until `is_taken` says that no other column has it.
pub fn free_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = name.to_owned();
    while is_taken(&name) {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_way_to_those_that_are_there() {
        let taken = ["row", "_row", "reason"];
        let free = |name: &str| free_name(name, |name| taken.contains(&name));
        assert_eq!([free("row"), free("reason"), free("score")], ["__row", "_reason", "score"]);
    }
}
