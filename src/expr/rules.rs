//! Which types an operator or function takes, and which type it gives; the check at load and evaluation share these.

use super::functions::Function;
use super::types::Type;

/// Why a function does not take what it was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

/// The type that `function` gives for arguments of these types.
pub(super) fn result_type(function: Function, arguments: &[Type]) -> Result<Type, Mismatch> {
    let call = Call { function, arguments };
    match function {
        Function::Add if arguments.iter().all(|kind| matches!(kind, Type::Text | Type::Null)) => {
            let all_null = arguments.iter().all(|kind| *kind == Type::Null);
            Ok(if all_null { Type::Null } else { Type::Text })
        }
        Function::Add
        | Function::Subtract
        | Function::Multiply
        | Function::Divide
        | Function::Remainder
        | Function::Negate
        | Function::Abs
        | Function::Sign
        | Function::Ceil
        | Function::Floor => call.number(),
        Function::Round => {
            call.argument(1, &[Type::Int])?;
            Call { function, arguments: &arguments[..1] }.number()
        }
        Function::Not | Function::And | Function::Or => call.all(&[Type::Bool]).map(|()| Type::Bool),
        Function::Equal
        | Function::NotEqual
        | Function::Less
        | Function::LessEqual
        | Function::Greater
        | Function::GreaterEqual => match arguments[0].comparable(arguments[1]) {
            Some(_) => Ok(Type::Bool),
            None => Err(Mismatch {
                message: format!("{} cannot be compared with {}", arguments[0], arguments[1]),
                help: cast_help(arguments),
            }),
        },
        Function::If => {
            call.argument(0, &[Type::Bool])?;
            Call { function, arguments: &arguments[1..] }.one_type()
        }
        Function::IsNull | Function::IsPresent => Ok(Type::Bool),
        Function::Coalesce | Function::Min | Function::Max => call.one_type(),
        Function::Contains | Function::StartsWith | Function::EndsWith => call.all(&[Type::Text]).map(|()| Type::Bool),
        Function::Size => call.all(&[Type::Text]).map(|()| Type::Int),
        Function::Lower | Function::Upper | Function::Trim | Function::Replace => {
            call.all(&[Type::Text]).map(|()| Type::Text)
        }
        Function::Substring => {
            call.argument(0, &[Type::Text])?;
            call.argument(1, &[Type::Int])?;
            call.argument(2, &[Type::Int]).map(|()| Type::Text)
        }
        Function::Split => {
            call.argument(0, &[Type::Text])?;
            call.argument(1, &[Type::Text])?;
            call.argument(2, &[Type::Int]).map(|()| Type::Text)
        }
        Function::Sqrt | Function::Ln | Function::Log10 | Function::Exp | Function::Pow => {
            call.number().map(|_| Type::Float)
        }
        Function::Date | Function::Timestamp => {
            call.argument(0, &[Type::Text, Type::Date, Type::Timestamp])?;
            call.argument(1, &[Type::Text])?;
            Ok(if function == Function::Date { Type::Date } else { Type::Timestamp })
        }
        Function::Year
        | Function::Quarter
        | Function::Month
        | Function::Day
        | Function::DayOfYear
        | Function::Weekday
        | Function::Hour
        | Function::Minute => call.all(&[Type::Text, Type::Date, Type::Timestamp]).map(|()| Type::Int),
        Function::DaysBetween => call.all(&[Type::Text, Type::Date, Type::Timestamp]).map(|()| Type::Float),
        Function::ToInt => call.all(&[Type::Bool, Type::Int, Type::Float, Type::Text]).map(|()| Type::Int),
        Function::ToFloat => call.all(&[Type::Bool, Type::Int, Type::Float, Type::Text]).map(|()| Type::Float),
        Function::ToText => Ok(Type::Text),
        Function::ToBool => call.all(&[Type::Bool, Type::Int, Type::Float, Type::Text]).map(|()| Type::Bool),
    }
}

struct Call<'a> {
    function: Function,
    arguments: &'a [Type],
}

impl Call<'_> {
    /// All arguments are numbers; the result is int if all are.
    fn number(&self) -> Result<Type, Mismatch> {
        self.all(&[Type::Int, Type::Float])?;
        Ok(self.arguments.iter().fold(Type::Null, |result, kind| result.unify(*kind).unwrap_or(Type::Float)))
    }

    /// All arguments have one type, into which int and float mix.
    fn one_type(&self) -> Result<Type, Mismatch> {
        let mut result = Type::Null;
        for kind in self.arguments {
            result = result.unify(*kind).ok_or_else(|| Mismatch {
                message: format!("`{}` mixes {result} and {kind}", self.function.name()),
                help: cast_help(&[result, *kind]),
            })?;
        }
        Ok(result)
    }

    fn all(&self, allowed: &[Type]) -> Result<(), Mismatch> {
        (0..self.arguments.len()).try_for_each(|index| self.argument(index, allowed))
    }

    /// The argument at `index`, if there is one, has one of the types.
    fn argument(&self, index: usize, allowed: &[Type]) -> Result<(), Mismatch> {
        match self.arguments.get(index) {
            Some(kind) if *kind != Type::Null && !allowed.contains(kind) => {
                let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
                let help = match self.function {
                    Function::Subtract if matches!(kind, Type::Date | Type::Timestamp) => {
                        Some("use `days_between(from, to)`")
                    }
                    _ => cast_help(self.arguments),
                };
                Err(Mismatch {
                    message: format!("`{}` takes {}, not {kind}", self.function.name(), names.join(" or ")),
                    help,
                })
            }
            _ => Ok(()),
        }
    }
}

/// The casts that may help where these types meet.
pub(super) fn cast_help(kinds: &[Type]) -> Option<&'static str> {
    if kinds.contains(&Type::Text) && kinds.iter().any(|kind| matches!(kind, Type::Int | Type::Float)) {
        Some("cast with `float(x)`, `int(x)` or `string(x)`")
    } else if kinds.contains(&Type::Bool) && kinds.iter().any(|kind| matches!(kind, Type::Int | Type::Float)) {
        Some("cast with `int(x)` or `bool(x)`")
    } else {
        None
    }
}
