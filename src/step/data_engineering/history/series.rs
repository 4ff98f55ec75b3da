//! One column of one group, row by row in the order of time: what its rows know of those before.

use std::collections::VecDeque;

use super::span::Reach;
use super::tally::{Tally, Window};

/// What is looked at for each row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Look {
    /// The value that many rows or that long before.
    Lag(Reach),
    /// The values of the last rows, or of that time, up to `periods` rows before.
    Window {
        /// How far back.
        size: Reach,
        /// How many rows are left out beside the row itself, plus one.
        periods: usize,
    },
    /// All values up to `periods` rows before.
    Expanding {
        /// How many rows are left out beside the row itself, plus one.
        periods: usize,
    },
}

/// What a row sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Seen {
    /// One value; NaN is none.
    Value(f64),
    /// Several values, of so many rows.
    Tally(Tally, usize),
    /// Nothing yet.
    Nothing,
}

/// What is remembered for one look.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    look: Look,
    /// Times and values that are too near yet, or that a lag waits for.
    waiting: VecDeque<(f64, f64)>,
    window: Window,
    all: Tally,
    rows: usize,
}

impl Memory {
    /// Before the first row.
    pub(super) fn new(look: Look) -> Memory {
        Memory { look, waiting: VecDeque::new(), window: Window::default(), all: Tally::EMPTY, rows: 0 }
    }

    /// What a row at `time` sees; its own `value` is for rows after it. Times never fall.
    pub(super) fn next(&mut self, time: f64, value: f64) -> Seen {
        let seen = match self.look {
            Look::Lag(Reach::Rows(rows)) => {
                let far = if self.waiting.len() == rows { self.waiting.pop_front() } else { None };
                Seen::Value(far.map_or(f64::NAN, |(_, value)| value))
            }
            Look::Lag(Reach::Time(length)) => {
                let wanted = time - length;
                while self.waiting.front().is_some_and(|(time, _)| *time < wanted) {
                    self.waiting.pop_front();
                }
                // Of several rows at that time the last one counts.
                let then = self.waiting.iter().take_while(|(time, _)| *time <= wanted).last();
                Seen::Value(then.map_or(f64::NAN, |(_, value)| *value))
            }
            Look::Window { size: Reach::Rows(rows), periods } => {
                if let Some((time, value)) = self.far_enough(periods) {
                    self.window.push(time, value);
                    if self.window.len() > rows {
                        self.window.pop();
                    }
                }
                self.window_seen()
            }
            Look::Window { size: Reach::Time(length), .. } => {
                while let Some((then, value)) = self.waiting.front().copied().filter(|(then, _)| *then < time) {
                    self.waiting.pop_front();
                    self.window.push(then, value);
                }
                while self.window.oldest().is_some_and(|then| then < time - length) {
                    self.window.pop();
                }
                self.window_seen()
            }
            Look::Expanding { periods } => {
                if let Some((_, value)) = self.far_enough(periods) {
                    self.all = self.all.with(&Tally::of(value));
                    self.rows += 1;
                }
                if self.rows > 0 { Seen::Tally(self.all, self.rows) } else { Seen::Nothing }
            }
        };
        self.waiting.push_back((time, value));
        seen
    }

    fn far_enough(&mut self, periods: usize) -> Option<(f64, f64)> {
        if self.waiting.len() == periods { self.waiting.pop_front() } else { None }
    }

    fn window_seen(&self) -> Seen {
        match self.window.len() {
            0 => Seen::Nothing,
            rows => Seen::Tally(self.window.tally(), rows),
        }
    }
}
