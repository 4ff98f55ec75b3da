//! Which columns of its inputs each column of a query's result comes from, read from the plan of the query.
//!
//! Like the column lineage of OpenLineage it tells columns whose values go into a column (`identity`, `expression`,
//! `aggregate`, `window`) from those that only decide which rows there are (`condition`: what is filtered, joined, grouped
//! or cut by).

use std::collections::BTreeMap;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan, Subquery};

/// How a column of an input reaches a column of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// It decides which rows there are.
    Condition,
    /// Its values as they are.
    Identity,
    /// Its values are computed with, row by row.
    Expression,
    /// Its values in the rows around.
    Window,
    /// Its values in many rows.
    Aggregate,
}

impl How {
    /// The word in the lineage.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            How::Condition => "condition",
            How::Identity => "identity",
            How::Expression => "expression",
            How::Window => "window",
            How::Aggregate => "aggregate",
        }
    }
}

/// Columns of tables by table and name.
pub(crate) type Origins = BTreeMap<(String, String), How>;

/// Where the rows and columns of a part of a plan come from.
#[derive(Debug, Clone, Default)]
struct Traced {
    /// One for each column, in their order.
    columns: Vec<Origins>,
    /// What decides which rows there are.
    rows: Origins,
    /// What the rows are ordered by, which decides about them once a limit cuts them.
    order: Origins,
}

/// The columns of a plan's result with their origins, in order.
///
/// # Errors
/// When the plan does not hold together.
pub(crate) fn origins(plan: &LogicalPlan) -> Result<Vec<(String, Origins)>, DataFusionError> {
    let traced = trace(plan, &[])?;
    let with_rows = |mut column: Origins| {
        condition(&mut column, traced.rows.keys().cloned());
        column
    };
    let names = plan.schema().fields().iter().map(|field| field.name().clone());
    Ok(names.zip(traced.columns.into_iter().map(with_rows)).collect())
}

/// A query around a subquery, whose columns the subquery may name.
type Scope<'plan> = (&'plan DFSchema, &'plan Traced);

fn trace(plan: &LogicalPlan, around: &[Scope<'_>]) -> Result<Traced, DataFusionError> {
    let width = plan.schema().fields().len();
    Ok(match plan {
        LogicalPlan::TableScan(scan) => {
            let table = scan.table_name.table().to_owned();
            let column = |name: &str| Origins::from([((table.clone(), name.to_owned()), How::Identity)]);
            let columns = scan.projected_schema.fields().iter().map(|field| column(field.name())).collect();
            Traced { columns, ..Traced::default() }
        }
        LogicalPlan::Projection(projection) => {
            let mut part = Part::of(&projection.input, around)?;
            let columns = part.each(&projection.expr)?;
            Traced { columns, ..part.traced }
        }
        LogicalPlan::Filter(filter) => {
            let mut part = Part::of(&filter.input, around)?;
            part.decide([&filter.predicate])?;
            part.traced
        }
        LogicalPlan::Window(window) => {
            let mut part = Part::of(&window.input, around)?;
            let columns = part.each(&window.window_expr)?;
            part.traced.columns.extend(columns);
            part.traced
        }
        LogicalPlan::Aggregate(aggregate) => {
            let mut part = Part::of(&aggregate.input, around)?;
            let groups: Vec<Expr> = match aggregate.group_expr.as_slice() {
                [Expr::GroupingSet(set)] => set.distinct_expr().into_iter().cloned().collect(),
                expressions => expressions.to_vec(),
            };
            // A number that tells grouping sets apart stands between.
            let mut columns = fitted(part.each(&groups)?, width.saturating_sub(aggregate.aggr_expr.len()));
            columns.extend(part.each(&aggregate.aggr_expr)?);
            part.decide(&groups)?;
            Traced { columns, rows: part.traced.rows, order: Origins::new() }
        }
        LogicalPlan::Sort(sort) => {
            let mut part = Part::of(&sort.input, around)?;
            let by = part.each(sort.expr.iter().map(|by| &by.expr))?;
            for origins in by {
                merge(&mut part.traced.order, origins);
            }
            if sort.fetch.is_some() { part.traced.cut() } else { part.traced }
        }
        LogicalPlan::Limit(limit) => trace(&limit.input, around)?.cut(),
        LogicalPlan::Join(join) => {
            let (left, right) = (trace(&join.left, around)?, trace(&join.right, around)?);
            let both = left.clone().beside(right.clone());
            let schema = join.left.schema().join(join.right.schema())?;
            let mut part = Part { schema: &schema, traced: both, around };
            part.decide(join.on.iter().flat_map(|(one, other)| [one, other]).chain(&join.filter))?;
            let columns = match join.join_type {
                JoinType::LeftSemi | JoinType::LeftAnti => left.columns,
                JoinType::RightSemi | JoinType::RightAnti => right.columns,
                _ => part.traced.columns,
            };
            // A mark, where there is one, says whether a row has a partner: the condition is its origin.
            Traced { columns: fitted(columns, width), ..part.traced }
        }
        LogicalPlan::Union(union) => {
            let mut all = Traced { columns: vec![Origins::new(); width], ..Traced::default() };
            for input in &union.inputs {
                all.merge(trace(input, around)?);
            }
            all
        }
        LogicalPlan::RecursiveQuery(query) => {
            let mut all = trace(&query.static_term, around)?;
            all.merge(trace(&query.recursive_term, around)?);
            all
        }
        LogicalPlan::Unnest(unnest) => {
            let part = trace(&unnest.input, around)?;
            let column = |index: &usize| part.columns.get(*index).cloned().unwrap_or_default();
            let columns = unnest.dependency_indices.iter().map(column).collect();
            Traced { columns, ..part }
        }
        LogicalPlan::Distinct(Distinct::On(on)) => {
            let mut part = Part::of(&on.input, around)?;
            part.decide(&on.on_expr)?;
            let columns = part.each(&on.select_expr)?;
            Traced { columns, ..part.traced }.cut()
        }
        other => {
            // Aliases, `DISTINCT` and the like give the columns of their one input; what has no input has no origin.
            let mut all = Traced::default();
            for input in other.inputs() {
                all = all.beside(trace(input, around)?);
            }
            Traced { columns: fitted(all.columns, width), ..all }
        }
    })
}

fn fitted(mut columns: Vec<Origins>, width: usize) -> Vec<Origins> {
    columns.resize(width, Origins::new());
    columns
}

/// The input of a node, for the expressions over it.
struct Part<'plan> {
    schema: &'plan DFSchema,
    traced: Traced,
    around: &'plan [Scope<'plan>],
}

impl<'plan> Part<'plan> {
    fn of(input: &'plan LogicalPlan, around: &'plan [Scope<'plan>]) -> Result<Self, DataFusionError> {
        Ok(Part { schema: input.schema(), traced: trace(input, around)?, around })
    }

    /// The origins of each of the expressions.
    fn each<'a>(&mut self, expressions: impl IntoIterator<Item = &'a Expr>) -> Result<Vec<Origins>, DataFusionError> {
        expressions.into_iter().map(|expression| self.origins(expression)).collect()
    }

    /// Notes that the expressions decide which rows there are.
    fn decide<'a>(&mut self, expressions: impl IntoIterator<Item = &'a Expr>) -> Result<(), DataFusionError> {
        for origins in self.each(expressions)? {
            condition(&mut self.traced.rows, origins.into_keys());
        }
        Ok(())
    }

    fn origins(&mut self, expression: &Expr) -> Result<Origins, DataFusionError> {
        let mut how = match expression.clone().unalias() {
            Expr::Column(_) | Expr::OuterReferenceColumn(..) => How::Identity,
            _ => How::Expression,
        };
        let mut found = Origins::new();
        let mut subqueries: Vec<Subquery> = Vec::new();
        expression.apply(|part| {
            match part {
                Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => merge(&mut found, self.look_up(column)),
                Expr::AggregateFunction(_) => how = how.max(How::Aggregate),
                Expr::WindowFunction(_) => how = how.max(How::Window),
                Expr::ScalarSubquery(subquery) => subqueries.push(subquery.clone()),
                Expr::InSubquery(found) => subqueries.push(found.subquery.clone()),
                Expr::SetComparison(found) => subqueries.push(found.subquery.clone()),
                Expr::Exists(found) => subqueries.push(found.subquery.clone()),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        for subquery in subqueries {
            let around: Vec<Scope<'_>> = self.around.iter().copied().chain([(self.schema, &self.traced)]).collect();
            let inner = trace(&subquery.subquery, &around)?;
            inner.columns.into_iter().for_each(|origins| merge(&mut found, origins));
            merge(&mut found, inner.rows);
        }
        let lifted = |(origin, known): ((String, String), How)| {
            (origin, if known == How::Condition { known } else { known.max(how) })
        };
        Ok(found.into_iter().map(lifted).collect())
    }

    /// The origins of a column of the input, or of a query around it.
    fn look_up(&self, column: &Column) -> Origins {
        let scopes = [(self.schema, &self.traced)].into_iter().chain(self.around.iter().rev().copied());
        let places = scopes.filter_map(|(schema, traced)| Some((schema.maybe_index_of_column(column)?, traced)));
        places.map(|(index, traced)| traced.columns.get(index).cloned().unwrap_or_default()).next().unwrap_or_default()
    }
}

impl Traced {
    /// The same rows after a limit: what they are ordered by decides which are left.
    fn cut(mut self) -> Traced {
        let order = std::mem::take(&mut self.order);
        condition(&mut self.rows, order.into_keys());
        self
    }

    /// The columns of both, side by side.
    fn beside(mut self, other: Traced) -> Traced {
        self.columns.extend(other.columns);
        merge(&mut self.rows, other.rows);
        self.order = Origins::new();
        self
    }

    /// Takes in the origins of further rows with the same columns.
    fn merge(&mut self, other: Traced) {
        for (column, origins) in self.columns.iter_mut().zip(other.columns) {
            merge(column, origins);
        }
        merge(&mut self.rows, other.rows);
    }
}

fn merge(into: &mut Origins, origins: Origins) {
    for (origin, how) in origins {
        add(into, origin, how);
    }
}

fn condition(into: &mut Origins, origins: impl IntoIterator<Item = (String, String)>) {
    for origin in origins {
        add(into, origin, How::Condition);
    }
}

/// An origin that is there in two ways is there in the one that says more.
fn add(into: &mut Origins, origin: (String, String), how: How) {
    let known = into.entry(origin).or_insert(how);
    *known = how.max(*known);
}
