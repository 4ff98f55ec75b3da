//! Which columns are read of files with types, what they become, and whether all files have the same ones.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::read::TypedFile;
use crate::step::understanding::source::{SourceFile, check_names, plain_type};
use crate::step::{StepContext, StepError};
use crate::table::TableError;

/// Which columns are wanted.
pub(super) struct Wanted<'params> {
    /// Their names, in order; all without any.
    pub(super) columns: &'params [String],
    /// Those whose decimals stay as they are.
    pub(super) decimals: Vec<String>,
}

/// The columns that are decimals of one type in all files.
pub(super) fn common_decimals<F: TypedFile>(files: &[F]) -> Vec<String> {
    let Some((first, others)) = files.split_first() else { return Vec::new() };
    let is_common = |field: &&Arc<Field>| {
        let same =
            |file: &F| file.schema().field_with_name(field.name()).is_ok_and(|it| it.data_type() == field.data_type());
        field.data_type().is_decimal() && others.iter().all(same)
    };
    first.schema().fields().iter().filter(is_common).map(|field| field.name().clone()).collect()
}

impl Wanted<'_> {
    /// The type that a column becomes.
    fn taken_type(&self, name: &str, found: &DataType) -> Option<DataType> {
        match found {
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
                if *scale >= 0 && self.decimals.iter().any(|kept| kept == name) =>
            {
                Some(DataType::Decimal128(*precision, *scale))
            }
            _ => plain_type(found),
        }
    }

    /// The names of the columns to read: those that are wanted, or all.
    pub(super) fn names<F: TypedFile>(&self, file: &SourceFile, schema: &Schema) -> Result<Vec<String>, StepError> {
        let all = || schema.fields().iter().map(|field| field.name());
        if schema.fields().is_empty() {
            return Err(StepError::input(F::COLUMNS, format!("`{}` has no columns", file.name)));
        }
        let read: Vec<&String> = all().filter(|name| self.columns.is_empty() || self.columns.contains(name)).collect();
        check_names(&format!("`{}`", file.name), read.iter().map(|name| name.as_str())).map_err(|wrong| {
            StepError::input(F::COLUMNS, wrong)
                .help("choose others with `columns`, or rename it where the file is written")
        })?;
        Ok(if self.columns.is_empty() { read.into_iter().cloned().collect() } else { self.columns.to_vec() })
    }

    /// The types that the columns become.
    pub(super) fn taken_schema(
        &self,
        file: &SourceFile,
        schema: &Schema,
        names: &[String],
    ) -> Result<SchemaRef, StepError> {
        let field = |name: &String| {
            let found = schema.field_with_name(name).map_err(|_| {
                let available = schema.fields().iter().map(|field| field.name().clone()).collect();
                StepError::from(TableError::NoColumn { column: name.clone(), available })
            })?;
            let taken = self.taken_type(name, found.data_type()).ok_or_else(|| {
                let (file, found) = (&file.name, found.data_type());
                let message = format!("column `{name}` of `{file}` has type {found}, which no step works with");
                StepError::input("column_type", message)
                    .help("leave it out with `columns`, or flatten it in a `data.sql` or `run:` step")
            })?;
            Ok::<Field, StepError>(Field::new(name, taken, true))
        };
        Ok(Arc::new(Schema::new(names.iter().map(field).collect::<Result<Vec<_>, _>>()?)))
    }

    /// Refuses a file that has other columns than the first one, of which `schema` is taken.
    pub(super) fn check_same<F: TypedFile>(
        &self,
        first: &SourceFile,
        schema: &Schema,
        file: &SourceFile,
        found: &Schema,
    ) -> Result<(), StepError> {
        let refuse = |message: String| {
            Err(StepError::input(F::COLUMNS, message).help("files that are read together have the same columns"))
        };
        for field in schema.fields() {
            let name = field.name();
            match found.field_with_name(name) {
                Err(_) => {
                    return refuse(format!("the column `{name}` of `{}` is missing from `{}`", first.name, file.name));
                }
                Ok(found) if self.taken_type(name, found.data_type()).as_ref() != Some(field.data_type()) => {
                    return refuse(format!(
                        "column `{name}` is {} in `{}` and {} in `{}`",
                        field.data_type(),
                        first.name,
                        found.data_type(),
                        file.name
                    ));
                }
                Ok(_) => {}
            }
        }
        let is_extra = |name: &&String| self.columns.is_empty() && schema.field_with_name(name).is_err();
        match found.fields().iter().map(|field| field.name()).find(is_extra) {
            Some(extra) => {
                refuse(format!("`{}` has a column `{extra}` that `{}` does not have", file.name, first.name))
            }
            None => Ok(()),
        }
    }
}

/// Says which decimal columns have more digits than the doubles that they become keep.
pub(super) fn tell_rounded(file: &SourceFile, schema: &Schema, taken: &Schema, context: &mut StepContext) {
    for field in taken.fields().iter().filter(|field| *field.data_type() == DataType::Float64) {
        let name = field.name();
        let found = schema.field_with_name(name).map(Field::data_type);
        if let Ok(
            DataType::Decimal64(precision @ 16.., scale)
            | DataType::Decimal128(precision @ 16.., scale)
            | DataType::Decimal256(precision @ 16.., scale),
        ) = found
        {
            context.log(format!(
                "warning: column `{name}` is decimal({precision},{scale}) in `{}` and becomes a double, which keeps 15 digits",
                file.name
            ));
        }
    }
}
