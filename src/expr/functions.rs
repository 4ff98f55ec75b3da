//! The list of operators and functions, with what their documentation says.

/// An operator or a function that is called with values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Negate,
    Not,
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    If,
    IsNull,
    IsPresent,
    Coalesce,
    Contains,
    StartsWith,
    EndsWith,
    Size,
    Lower,
    Upper,
    Trim,
    Replace,
    Substring,
    Split,
    Abs,
    Ceil,
    Floor,
    Round,
    Sqrt,
    Ln,
    Log10,
    Exp,
    Pow,
    Min,
    Max,
    Sign,
    Date,
    Timestamp,
    Year,
    Quarter,
    Month,
    Day,
    DayOfYear,
    Weekday,
    Hour,
    Minute,
    DaysBetween,
    ToInt,
    ToFloat,
    ToText,
    ToBool,
}

/// What the documentation says of a function.
#[derive(Debug, Clone, Copy)]
pub struct FunctionEntry {
    /// The name as written.
    pub name: &'static str,
    /// How it is called.
    pub signature: &'static str,
    /// What it gives, in one sentence.
    pub summary: &'static str,
    pub(super) function: Function,
    pub(super) min_arguments: usize,
    pub(super) max_arguments: usize,
}

const fn entry(
    name: &'static str,
    function: Function,
    (min_arguments, max_arguments): (usize, usize),
    signature: &'static str,
    summary: &'static str,
) -> FunctionEntry {
    FunctionEntry { name, signature, summary, function, min_arguments, max_arguments }
}

/// The most arguments that a function of any number of arguments takes.
const MANY: usize = 64;

/// All named functions, in the order of the documentation. `col`, `has`, `matches` and `in` are part of the syntax.
pub const FUNCTIONS: &[FunctionEntry] = &[
    entry(
        "if",
        Function::If,
        (3, 3),
        "if(cond, a, b)",
        "`a` where `cond` holds, else `b`; the same as `cond ? a : b`.",
    ),
    entry("isnull", Function::IsNull, (1, 1), "isnull(x)", "Whether `x` is missing; the same as `x == null`."),
    entry("coalesce", Function::Coalesce, (1, MANY), "coalesce(x, ...)", "The first argument that is not null."),
    entry("contains", Function::Contains, (2, 2), "text.contains(part)", "Whether `part` occurs in the text."),
    entry("startsWith", Function::StartsWith, (2, 2), "text.startsWith(part)", "Whether the text begins with `part`."),
    entry("endsWith", Function::EndsWith, (2, 2), "text.endsWith(part)", "Whether the text ends with `part`."),
    entry("size", Function::Size, (1, 1), "size(text)", "The number of characters; of a list, the number of items."),
    entry("lower", Function::Lower, (1, 1), "lower(text)", "The text in lower case."),
    entry("upper", Function::Upper, (1, 1), "upper(text)", "The text in upper case."),
    entry("trim", Function::Trim, (1, 1), "trim(text)", "The text without white space at both ends."),
    entry(
        "replace",
        Function::Replace,
        (3, 3),
        "replace(text, from, to)",
        "The text with every `from` replaced by `to`.",
    ),
    entry(
        "substring",
        Function::Substring,
        (2, 3),
        "substring(text, start[, end])",
        "The characters from `start`, counted from 0, to before `end`.",
    ),
    entry(
        "split",
        Function::Split,
        (3, 3),
        "split(text, separator, index)",
        "The piece at `index`, counted from 0 and from the end if negative; null if there is none.",
    ),
    entry("abs", Function::Abs, (1, 1), "abs(x)", "The absolute value."),
    entry("ceil", Function::Ceil, (1, 1), "ceil(x)", "The next whole number above."),
    entry("floor", Function::Floor, (1, 1), "floor(x)", "The next whole number below."),
    entry(
        "round",
        Function::Round,
        (1, 2),
        "round(x[, digits])",
        "The nearest number with `digits` decimals, halves away from zero.",
    ),
    entry("sqrt", Function::Sqrt, (1, 1), "sqrt(x)", "The square root."),
    entry("ln", Function::Ln, (1, 1), "ln(x)", "The natural logarithm."),
    entry("log", Function::Ln, (1, 1), "log(x)", "The natural logarithm, as in Python."),
    entry("log10", Function::Log10, (1, 1), "log10(x)", "The logarithm to base 10."),
    entry("exp", Function::Exp, (1, 1), "exp(x)", "The exponential."),
    entry("pow", Function::Pow, (2, 2), "pow(x, y)", "`x` to the power of `y`, as float."),
    entry("min", Function::Min, (1, MANY), "min(x, ...)", "The least argument; null if one is null."),
    entry("max", Function::Max, (1, MANY), "max(x, ...)", "The greatest argument; null if one is null."),
    entry("sign", Function::Sign, (1, 1), "sign(x)", "-1, 0 or 1."),
    entry(
        "date",
        Function::Date,
        (1, 2),
        "date(x[, format])",
        "The date of a timestamp or of text, ISO or after a strftime format.",
    ),
    entry(
        "timestamp",
        Function::Timestamp,
        (1, 2),
        "timestamp(x[, format])",
        "The timestamp of text or of a date, in UTC.",
    ),
    entry("year", Function::Year, (1, 1), "year(x)", "The year of a date, a timestamp or ISO text."),
    entry("quarter", Function::Quarter, (1, 1), "quarter(x)", "The quarter, 1 to 4."),
    entry("month", Function::Month, (1, 1), "month(x)", "The month, 1 to 12."),
    entry("day", Function::Day, (1, 1), "day(x)", "The day of the month, 1 to 31."),
    entry("day_of_year", Function::DayOfYear, (1, 1), "day_of_year(x)", "The day of the year, 1 to 366."),
    entry("weekday", Function::Weekday, (1, 1), "weekday(x)", "The day of the week: Monday is 0, Sunday 6."),
    entry("hour", Function::Hour, (1, 1), "hour(x)", "The hour, 0 to 23."),
    entry("minute", Function::Minute, (1, 1), "minute(x)", "The minute, 0 to 59."),
    entry(
        "days_between",
        Function::DaysBetween,
        (2, 2),
        "days_between(from, to)",
        "The days from `from` to `to`, as float.",
    ),
    entry(
        "int",
        Function::ToInt,
        (1, 1),
        "int(x)",
        "The value as int: floats are cut towards zero, unreadable text is null.",
    ),
    entry("float", Function::ToFloat, (1, 1), "float(x)", "The value as float; unreadable text is null."),
    entry("double", Function::ToFloat, (1, 1), "double(x)", "The same as `float`, under CEL's name."),
    entry("string", Function::ToText, (1, 1), "string(x)", "The value as text."),
    entry(
        "bool",
        Function::ToBool,
        (1, 1),
        "bool(x)",
        "Numbers other than 0 and the texts `true`, `yes`, `1` are true; other texts but `false`, `no`, `0` are null.",
    ),
];

impl Function {
    /// The operator as written, or the function's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Function::Add => "+",
            Function::Subtract | Function::Negate => "-",
            Function::Multiply => "*",
            Function::Divide => "/",
            Function::Remainder => "%",
            Function::Not => "!",
            Function::And => "&&",
            Function::Or => "||",
            Function::Equal => "==",
            Function::NotEqual => "!=",
            Function::Less => "<",
            Function::LessEqual => "<=",
            Function::Greater => ">",
            Function::GreaterEqual => ">=",
            Function::IsPresent => "has",
            named => FUNCTIONS
                .iter()
                .find(|entry| entry.function == named)
                .map(|entry| entry.name)
                .expect("every function but the operators above has an entry"),
        }
    }
}

/// The function that `name` means.
pub(super) fn find(name: &str) -> Option<&'static FunctionEntry> {
    FUNCTIONS.iter().find(|entry| entry.name == name)
}

/// The function's name that `name` was probably meant to be.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    FUNCTIONS
        .iter()
        .map(|entry| entry.name)
        .chain(["col", "has", "matches"])
        .map(|known| (strsim::damerau_levenshtein(&known.to_lowercase(), &lower), known))
        .min()
        .filter(|(distance, _)| *distance <= 2 && distance * 2 <= name.len())
        .map(|(_, known)| known)
}
