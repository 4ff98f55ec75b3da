//! What makes the same inputs give other rows, or other orders of rows.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

/// What is said of functions that give another value at another time.
///
/// # Errors
/// When the plan does not hold together.
pub(crate) fn of_functions(plan: &LogicalPlan) -> Result<Vec<String>, DataFusionError> {
    let mut warnings = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.func.signature().volatility != Volatility::Immutable
                {
                    warnings.push(format!(
                        "`{}` gives another value at another time, but a result that is reused does not",
                        call.func.name()
                    ));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(warnings)
}

/// What is said of rows that come in no order.
pub(crate) fn of_order(plan: &LogicalPlan) -> Option<String> {
    let warning = "without `ORDER BY` the order of rows is up to the engine and may change with its version";
    (!is_ordered(plan)).then(|| warning.to_owned())
}

fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Limit(_) | LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().first().is_some_and(|input| is_ordered(input))
        }
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}
