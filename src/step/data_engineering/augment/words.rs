//! Changes of a few words of a text, as nlpaug makes them.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// How many words are changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount {
    /// The share of the words.
    pub(super) share: f64,
    /// At least as many.
    pub(super) least: usize,
    /// At most as many.
    pub(super) most: usize,
}

impl Amount {
    /// Of so many words.
    fn of(self, words: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let count = (self.share * words as f64) as usize;
        count.max(self.least).min(self.most).min(words)
    }
}

/// Some of `0..count`, in ascending order.
fn some(random: &mut impl Rng, mut places: Vec<usize>, count: usize) -> Vec<usize> {
    places.shuffle(random);
    places.truncate(count);
    places.sort_unstable();
    places
}

/// The text without some words; one word at least is left. None if nothing can go.
pub(super) fn delete(random: &mut impl Rng, text: &str, amount: Amount) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let count = amount.of(words.len()).min(words.len().saturating_sub(1));
    let gone = some(random, (0..words.len()).collect(), count);
    let left = words.iter().enumerate().filter(|(place, _)| !gone.contains(place)).map(|(_, word)| *word);
    (count > 0).then(|| left.collect::<Vec<_>>().join(" "))
}

/// The text with some words in the place of a neighbour. None if there is nothing to swap.
pub(super) fn swap(random: &mut impl Rng, text: &str, amount: Amount) -> Option<String> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if words.len() < 2 {
        return None;
    }
    let mut before = None;
    for place in some(random, (0..words.len()).collect(), amount.of(words.len())) {
        // What was just swapped is not swapped back.
        let pairs = [place.checked_sub(1), Some(place).filter(|place| place + 1 < words.len())];
        let mut pairs: Vec<usize> = pairs.into_iter().flatten().filter(|pair| Some(*pair) != before).collect();
        pairs.shuffle(random);
        if let Some(pair) = pairs.first() {
            words.swap(*pair, pair + 1);
            before = Some(*pair);
        }
    }
    let swapped = words.join(" ");
    (swapped != text.split_whitespace().collect::<Vec<_>>().join(" ")).then_some(swapped)
}

/// The text with synonyms for some words; what stands around a word stays. None if there is no synonym for any.
pub(super) fn synonym(
    random: &mut impl Rng,
    text: &str,
    amount: Amount,
    synonyms: &BTreeMap<String, Vec<String>>,
) -> Option<String> {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let known = |word: &String| synonyms.get(&core(word).1.to_lowercase()).filter(|others| !others.is_empty());
    let places: Vec<usize> = (0..words.len()).filter(|place| known(&words[*place]).is_some()).collect();
    let chosen = some(random, places, amount.of(words.len()));
    if chosen.is_empty() {
        return None;
    }
    for place in chosen {
        let word = words[place].clone();
        let Some(others) = known(&word) else { continue };
        let (before, core, after) = core(&word);
        let other = &others[random.random_range(0..others.len())];
        words[place] = format!("{before}{}{after}", like(core, other));
    }
    Some(words.join(" "))
}

/// A word without what stands around it: `"Good,` is `"`, `Good` and `,`.
fn core(word: &str) -> (&str, &str, &str) {
    let inner = word.trim_start_matches(|sign: char| !sign.is_alphanumeric());
    let before = &word[..word.len() - inner.len()];
    let core = inner.trim_end_matches(|sign: char| !sign.is_alphanumeric());
    (before, core, &inner[core.len()..])
}

/// A word with a capital letter where the other one has it.
fn like(word: &str, other: &str) -> String {
    let mut signs = other.chars();
    match signs.next() {
        Some(first) if word.chars().next().is_some_and(char::is_uppercase) => {
            first.to_uppercase().chain(signs).collect()
        }
        _ => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::of_row;
    use super::*;

    const AMOUNT: Amount = Amount { share: 0.3, least: 1, most: 10 };

    #[test]
    fn a_few_words_go_swap_or_are_said_otherwise() {
        let text = "It was a \"Good, long\" day in March";
        let synonyms = BTreeMap::from([
            ("good".to_owned(), vec!["fine".to_owned()]),
            ("day".to_owned(), vec!["while".to_owned()]),
        ]);
        for row in 0..50 {
            let mut random = of_row(5, row);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let shorter = delete(&mut random, text, AMOUNT).unwrap();
            assert_eq!(words(&shorter).len(), 6);
            let swapped = swap(&mut random, text, AMOUNT).unwrap();
            let (mut one, mut other) = (words(&swapped), words(text));
            assert_ne!(one, other);
            one.sort();
            other.sort();
            assert_eq!(one, other);
            let said = synonym(&mut random, text, AMOUNT, &synonyms).unwrap();
            assert_eq!(said, "It was a \"Fine, long\" while in March");
        }
    }

    #[test]
    fn a_text_that_cannot_change_gives_no_row() {
        let mut random = of_row(5, 0);
        for text in ["", "  ", "one"] {
            assert_eq!(delete(&mut random, text, AMOUNT), None);
            assert_eq!(swap(&mut random, text, AMOUNT), None);
        }
        assert_eq!(synonym(&mut random, "nothing known", AMOUNT, &BTreeMap::new()), None);
        assert_eq!(swap(&mut random, "same same", AMOUNT), None);
    }
}
