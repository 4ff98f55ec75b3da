//! The one expression language, CEL in form, typed and name-checked at load, evaluated over Arrow columns and scalars alike.
//!
//! [`Expr`] is the main type. The `cel` crate parses the text; the meaning is ours, because gates and feature columns
//! need one that strict CEL does not give. The rules, also in `docs/expressions.md`:
//!
//! - A scalar is a column of one: [`Expr::eval_scalar`] and [`Expr::eval_column`] share every kernel.
//! - Types are null, bool, int (64 bits), float (64 bits), text, date and timestamp (microseconds, UTC).
//! - Int and float mix and give float. Int by int gives int, cut towards zero, as in CEL and SQL.
//! - A float is finite or null: NaN and infinities that come in count as null, and an operation without a finite result
//!   (division by zero, `sqrt(-1)`, an overflow, a cast of unreadable text) gives null. No row can make an evaluation fail.
//! - Null spreads, except through `&&` and `||` (three-valued), `isnull`, `has`, `coalesce`, and `==` or `!=` with the
//!   literal `null`, which ask whether the other side is missing.
//! - There are no loops, no side effects and no clock.
//!
//! This module knows nothing of manifests, steps or runs.

mod check;
mod error;
mod eval;
mod expression;
mod functions;
mod json;
mod kernels;
mod lower;
mod operand;
mod rules;
mod source;
mod syntax;
mod types;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub use error::{EvalError, ExprError};
pub use expression::Expr;
pub use functions::{FUNCTIONS, FunctionEntry};
