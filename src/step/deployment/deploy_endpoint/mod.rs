//! `deploy.endpoint`: registers a model version and moves an alias to it, once the gates have passed.

mod evidence;
mod gates;
mod kind;

pub use kind::DeployEndpoint;
