//! Comparison, three-valued logic, choice, and what is missing.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::zip::zip;
use arrow::compute::kernels::{boolean, cmp};
use arrow::datatypes::{Float64Type, Int64Type};

use super::super::functions::Function;
use super::super::operand::Operand;
use super::super::types::Type;

/// `left op right`, both already of one type.
pub(in super::super) fn compare(function: Function, left: &Operand, right: &Operand) -> ArrayRef {
    if left.kind() == Type::Null {
        let rows = if left.is_scalar { right.array.len() } else { left.array.len() };
        return Arc::new(BooleanArray::new_null(rows));
    }
    let kernel = match function {
        Function::Equal => cmp::eq,
        Function::NotEqual => cmp::neq,
        Function::Less => cmp::lt,
        Function::LessEqual => cmp::lt_eq,
        Function::Greater => cmp::gt,
        _ => cmp::gt_eq,
    };
    // Minus zero equals zero, as in CEL and SQL, while Arrow's total order tells them apart.
    let (left, right) = (plain_zero(left), plain_zero(right));
    // A scalar beside a scalar is compared as columns of one.
    let both = left.is_scalar && right.is_scalar;
    let result = if both { kernel(&left.array, &right.array) } else { kernel(&left, &right) };
    Arc::new(result.expect("both sides have one type and length"))
}

fn plain_zero(operand: &Operand) -> Operand {
    if operand.kind() != Type::Float {
        return operand.clone();
    }
    let floats = operand.array.as_primitive::<Float64Type>();
    if !floats.values().iter().any(|value| *value == 0.0 && value.is_sign_negative()) {
        return operand.clone();
    }
    // Minus zero plus zero is zero; every other float stays as it is.
    Operand { array: Arc::new(floats.unary::<_, Float64Type>(|value| value + 0.0)), is_scalar: operand.is_scalar }
}

/// `&&` and `||` with null as "not known".
pub(in super::super) fn connect(function: Function, left: &ArrayRef, right: &ArrayRef) -> ArrayRef {
    let (left, right) = (left.as_boolean(), right.as_boolean());
    let result = match function {
        Function::And => boolean::and_kleene(left, right),
        _ => boolean::or_kleene(left, right),
    };
    Arc::new(result.expect("both sides have one length"))
}

/// `!`, which leaves null as it is.
pub(in super::super) fn not(array: &ArrayRef) -> ArrayRef {
    Arc::new(boolean::not(array.as_boolean()).expect("negation fits every length"))
}

/// Whether each value is missing.
pub(in super::super) fn is_null(array: &ArrayRef) -> BooleanArray {
    match array.logical_nulls() {
        Some(nulls) => BooleanArray::new(!nulls.inner(), None),
        None => BooleanArray::from(vec![false; array.len()]),
    }
}

/// `yes` where `condition` is true, `no` where it is false, null where it is null.
pub(in super::super) fn choose(condition: &ArrayRef, yes: &ArrayRef, no: &ArrayRef) -> ArrayRef {
    let condition = condition.as_boolean();
    let chosen = if yes.data_type() == &arrow::datatypes::DataType::Null {
        yes.clone()
    } else {
        zip(condition, yes, no).expect("both sides have one type and length")
    };
    if condition.null_count() == 0 {
        return chosen;
    }
    arrow::compute::nullif(&chosen, &is_null(&(Arc::new(condition.clone()) as ArrayRef)))
        .expect("the mask has the array's length")
}

/// The first value that is not null.
pub(in super::super) fn coalesce(arrays: &[ArrayRef]) -> ArrayRef {
    let mut arrays = arrays.iter();
    let mut result = arrays.next().expect("coalesce has arguments").clone();
    for next in arrays {
        if result.logical_null_count() == 0 {
            break;
        }
        result = choose(&(Arc::new(is_null(&result)) as ArrayRef), next, &result);
    }
    result
}

/// The least or the greatest of each row; null if one is.
pub(in super::super) fn extreme(function: Function, arrays: &[ArrayRef]) -> ArrayRef {
    let wanted = if function == Function::Min { Function::Less } else { Function::Greater };
    let mut arrays = arrays.iter();
    let mut result = arrays.next().expect("min and max have arguments").clone();
    for next in arrays {
        let column = |array: &ArrayRef| Operand { array: array.clone(), is_scalar: false };
        let replaces = compare(wanted, &column(next), &column(&result));
        result = choose(&replaces, next, &result);
    }
    result
}

/// Whether each value is among `list`, whose values have the same type and are not null.
pub(in super::super) fn is_in(array: &ArrayRef, list: &ArrayRef, kind: Type) -> ArrayRef {
    let result: BooleanArray = match kind {
        Type::Int => {
            let known: HashSet<i64> = list.as_primitive::<Int64Type>().iter().flatten().collect();
            BooleanArray::from_unary(array.as_primitive::<Int64Type>(), |value| known.contains(&value))
        }
        Type::Float => {
            let bits = |value: f64| (value + 0.0).to_bits();
            let known: HashSet<u64> = list.as_primitive::<Float64Type>().iter().flatten().map(bits).collect();
            BooleanArray::from_unary(array.as_primitive::<Float64Type>(), |value| known.contains(&bits(value)))
        }
        Type::Text => {
            let known: HashSet<&str> = list.as_string::<i32>().iter().flatten().collect();
            let texts = array.as_string::<i32>();
            texts.iter().map(|value| value.map(|value| known.contains(value))).collect()
        }
        _ => {
            let mut found: ArrayRef = choose(
                &(Arc::new(is_null(array)) as ArrayRef),
                &(Arc::new(BooleanArray::new_null(array.len())) as ArrayRef),
                &(Arc::new(BooleanArray::from(vec![false; array.len()])) as ArrayRef),
            );
            let column = Operand { array: array.clone(), is_scalar: false };
            for index in 0..list.len() {
                let equal = compare(Function::Equal, &column, &Operand::scalar(list.slice(index, 1)));
                found = connect(Function::Or, &found, &equal);
            }
            found.as_boolean().clone()
        }
    };
    Arc::new(result)
}
