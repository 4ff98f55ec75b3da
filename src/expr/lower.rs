//! From CEL's tree to ours: names resolved to functions, paths gathered, patterns compiled, positions put back.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr as CelExpr, IdedExpr, LiteralValue, SourceInfo, operators};
use regex::RegexBuilder;

use super::ExprError;
use super::functions::{self, Function};
use super::source::Source;
use super::syntax::{Kind, Literal, Node};

/// How large a compiled pattern may get; a pattern like `(a{1000}){1000}` would eat the memory otherwise.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The tree of `text`.
pub(super) fn parse(text: &str) -> Result<Node, ExprError> {
    let source = Source::prepare(text)?;
    let parsed = cel::parser::Parser::default().parse_with_source_info(&source.rewritten);
    let (tree, places) = parsed.map_err(|errors| syntax_error(text, &source, &errors))?;
    Lowering { source: &source, places: &places }.node(&tree)
}

struct Lowering<'a> {
    source: &'a Source<'a>,
    places: &'a SourceInfo,
}

impl Lowering<'_> {
    fn node(&self, tree: &IdedExpr) -> Result<Node, ExprError> {
        let span = self.span(tree);
        let kind = match &tree.expr {
            CelExpr::Literal(value) => Kind::Literal(literal(value, &span)?),
            CelExpr::Ident(_) | CelExpr::Select(_) => self.reference(tree)?,
            CelExpr::List(list) => {
                Kind::List(list.elements.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            CelExpr::Call(call) => self.call(tree, call)?,
            CelExpr::Comprehension(_) => {
                let error = ExprError::new(span, "expressions do not loop over lists");
                return Err(error.help("`all`, `exists`, `filter` and `map` are not supported; use `in`"));
            }
            CelExpr::Map(_) | CelExpr::Struct(_) => {
                return Err(ExprError::new(span, "maps and messages have no meaning here"));
            }
            CelExpr::Unspecified => return Err(ExprError::new(span, "this is not an expression")),
        };
        let mut node = Node { span, kind };
        let (start, end) = node.children().iter().fold((node.span.start, node.span.end), |(start, end), part| {
            (start.min(part.span.start), end.max(part.span.end))
        });
        node.span = start..end;
        Ok(node)
    }

    fn span(&self, tree: &IdedExpr) -> Range<usize> {
        let own = self.places.offset_for(tree.id).unwrap_or((0, 0));
        let own = self.source.span(&(own.0 as usize..own.1 as usize + 1));
        let own = match &tree.expr {
            // The parser places a selection at its point and a call at its bracket; the name is what a reader looks for.
            CelExpr::Select(_) => own.start..self.source.name_end(own.end),
            CelExpr::Call(call) if !is_symbol(&call.func_name) => self.source.name_start(own.start)..own.end,
            _ => own,
        };
        let inner = match &tree.expr {
            CelExpr::Select(select) => Some(&*select.operand),
            CelExpr::Call(call) if call.func_name == operators::INDEX => call.args.first(),
            _ => None,
        };
        match inner.map(|inner| self.span(inner)) {
            Some(inner) => inner.start.min(own.start)..inner.end.max(own.end),
            None => own,
        }
    }

    /// A dotted reference, or `has` of one.
    fn reference(&self, tree: &IdedExpr) -> Result<Kind, ExprError> {
        if let CelExpr::Select(select) = &tree.expr
            && select.test
        {
            let mut path = self.path(&select.operand)?;
            path.push(self.source.name(&select.field));
            let inner = Node { span: self.span(tree), kind: Kind::Path(path) };
            return Ok(Kind::Call(Function::IsPresent, vec![inner]));
        }
        self.path(tree).map(Kind::Path)
    }

    fn path(&self, tree: &IdedExpr) -> Result<Vec<String>, ExprError> {
        match &tree.expr {
            CelExpr::Ident(name) => Ok(vec![self.source.name(name)]),
            CelExpr::Select(select) if !select.test => {
                let mut path = self.path(&select.operand)?;
                path.push(self.source.name(&select.field));
                Ok(path)
            }
            CelExpr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
                let mut path = self.path(&call.args[0])?;
                path.push(match &call.args[1].expr {
                    CelExpr::Literal(LiteralValue::String(key)) => key.inner().to_owned(),
                    CelExpr::Literal(LiteralValue::Int(index)) => index.inner().to_string(),
                    _ => {
                        let span = self.span(&call.args[1]);
                        return Err(ExprError::new(span, "an index is a text or a number written out"));
                    }
                });
                Ok(path)
            }
            CelExpr::Call(call) if call.func_name == "col" && call.target.is_none() => {
                if let [IdedExpr { expr: CelExpr::Literal(LiteralValue::String(name)), .. }] = call.args.as_slice() {
                    return Ok(vec![name.inner().to_owned()]);
                }
                let error = ExprError::new(self.span(tree), "`col` takes the name of one column as text");
                Err(error.help("write `col(\"Total Charges\")`"))
            }
            _ => Err(ExprError::new(self.span(tree), "only names and columns have fields")),
        }
    }

    fn call(&self, tree: &IdedExpr, call: &CallExpr) -> Result<Kind, ExprError> {
        let name = self.source.name(&call.func_name);
        if matches!(name.as_str(), operators::INDEX | "col") {
            return self.path(tree).map(Kind::Path);
        }
        let mut arguments: Vec<Node> = call
            .target
            .iter()
            .map(|target| &**target)
            .chain(&call.args)
            .map(|part| self.node(part))
            .collect::<Result<_, _>>()?;
        if let Some(function) = operator(&name) {
            return Ok(Kind::Call(function, arguments));
        }
        if name == operators::IN && arguments.len() == 2 {
            let list = arguments.pop().expect("there are two");
            let item = arguments.pop().expect("there are two");
            if !matches!(list.kind, Kind::List(_) | Kind::Path(_)) {
                let error = ExprError::new(list.span, "right of `in` stands a list");
                return Err(error.help("write `x in [1, 2]`; for text use `text.contains(part)`"));
            }
            return Ok(Kind::In(Box::new(item), Box::new(list)));
        }
        if name == "matches" {
            return self.matches(tree, arguments);
        }
        let Some(entry) = functions::find(&name) else {
            let error = ExprError::new(self.span(tree), format!("there is no function `{name}`"));
            return Err(match functions::nearest(&name) {
                Some(nearest) => error.help(format!("did you mean `{nearest}`?")),
                None => error,
            });
        };
        if arguments.len() < entry.min_arguments || arguments.len() > entry.max_arguments {
            let given = arguments.len();
            let error = ExprError::new(self.span(tree), format!("`{name}` does not take {given} arguments"));
            return Err(error.help(format!("write `{}`", entry.signature)));
        }
        Ok(Kind::Call(entry.function, arguments))
    }

    fn matches(&self, tree: &IdedExpr, mut arguments: Vec<Node>) -> Result<Kind, ExprError> {
        let (Some(Node { kind: Kind::Literal(Literal::Text(pattern)), span }), 2) = (arguments.get(1), arguments.len())
        else {
            let error = ExprError::new(self.span(tree), "`matches` takes a pattern written out as text");
            return Err(error.help("write `text.matches('[0-9]+')`"));
        };
        let regex = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build().map_err(|error| {
            // The crate draws the pattern over several lines and says what is wrong on the last.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or("").trim_start_matches("error: ");
            ExprError::new(span.clone(), format!("the pattern is not a regular expression: {reason}"))
        })?;
        Ok(Kind::Matches(Box::new(arguments.swap_remove(0)), regex))
    }
}

/// Whether the parser's name of a call is that of an operator.
fn is_symbol(name: &str) -> bool {
    name == operators::IN || name.contains(|letter: char| "+-*/%!=<>&|?[".contains(letter))
}

fn operator(name: &str) -> Option<Function> {
    Some(match name {
        operators::ADD => Function::Add,
        operators::SUBSTRACT => Function::Subtract,
        operators::MULTIPLY => Function::Multiply,
        operators::DIVIDE => Function::Divide,
        operators::MODULO => Function::Remainder,
        operators::NEGATE => Function::Negate,
        operators::LOGICAL_NOT => Function::Not,
        operators::LOGICAL_AND => Function::And,
        operators::LOGICAL_OR => Function::Or,
        operators::EQUALS => Function::Equal,
        operators::NOT_EQUALS => Function::NotEqual,
        operators::LESS => Function::Less,
        operators::LESS_EQUALS => Function::LessEqual,
        operators::GREATER => Function::Greater,
        operators::GREATER_EQUALS => Function::GreaterEqual,
        operators::CONDITIONAL => Function::If,
        _ => return None,
    })
}

fn literal(value: &LiteralValue, span: &Range<usize>) -> Result<Literal, ExprError> {
    Ok(match value {
        LiteralValue::Null => Literal::Null,
        LiteralValue::Boolean(value) => Literal::Bool(*value.inner()),
        LiteralValue::Int(value) => Literal::Int(*value.inner()),
        LiteralValue::Double(value) => Literal::Float(*value.inner()),
        LiteralValue::String(value) => Literal::Text(value.inner().to_owned()),
        LiteralValue::UInt(value) => Literal::Int(
            i64::try_from(*value.inner())
                .map_err(|_| ExprError::new(span.clone(), "the number does not fit into 64 bits with a sign"))?,
        ),
        LiteralValue::Bytes(_) => return Err(ExprError::new(span.clone(), "bytes have no meaning here")),
    })
}

/// The parser's first complaint in our words, at the user's position.
fn syntax_error(text: &str, source: &Source<'_>, errors: &cel::ParseErrors) -> ExprError {
    let Some(first) = errors.errors.first() else {
        return ExprError::new(0..text.len(), "this is not an expression");
    };
    let (line, column) = first.pos;
    let before: usize =
        source.rewritten.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum();
    let rest = source.rewritten.get(before..).unwrap_or("");
    let within =
        rest.char_indices().nth(usize::try_from(column - 1).unwrap_or(0)).map_or(rest.len(), |(index, _)| index);
    let start = (before + within).min(source.rewritten.len());
    let place = source.span(&(start..start + 1));
    let span = place.start..source.name_end(place.start).max(place.end);
    let seen = first.msg.trim_start_matches("Syntax error: ");
    let message = if seen.contains("'<EOF>'") {
        "the expression ends too early".to_owned()
    } else if let Some(name) = seen.strip_prefix("reserved identifier: ") {
        format!("`{name}` is a reserved word")
    } else if let Some(quoted) = seen.split_once('\'').and_then(|(_, rest)| rest.split_once('\'')) {
        format!("`{}` is not expected here", quoted.0)
    } else {
        format!("this is not an expression: {seen}")
    };
    let error = ExprError::new(span, message);
    let has_word = |word: &str| {
        text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .any(|part| part.eq_ignore_ascii_case(word))
    };
    if has_word("and") || has_word("or") || has_word("not") {
        error.help("write `&&`, `||` and `!` for and, or and not")
    } else if seen.starts_with("reserved") {
        error.help("put names that are not plain words in backquotes")
    } else {
        error
    }
}
