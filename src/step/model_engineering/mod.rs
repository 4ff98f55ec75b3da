//! Model engineering: train models and choose among them.
