//! Deployment: put a model behind an endpoint.

mod deploy_endpoint;

pub use deploy_endpoint::DeployEndpoint;
