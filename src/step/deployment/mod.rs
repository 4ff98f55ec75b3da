//! Deployment: put a model behind an endpoint.
