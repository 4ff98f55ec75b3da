//! The one expression language, CEL in form, typed and name-checked at load, evaluated over Arrow columns and scalars alike.
