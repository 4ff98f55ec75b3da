//! What each route needs, in one table. The guard refuses a route that is not in it.

use std::collections::HashMap;

use crate::store::{Rights, Role, Scope};

/// Bytes of a body at most, unless a route says otherwise.
const BODY_BYTES: usize = 1024 * 1024;

/// What a request must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the answer says only that the server runs.
    Nothing,
    /// A token of at least this role.
    Role(Role),
    /// An operator's token, or one for the trigger that the path names by `{pipeline}` and `{trigger}`. A request that
    /// carries a signature and no token reaches the handler, which must verify it before anything else.
    Webhook,
    /// An operator's token, or one for the endpoint that the path names by `{name}`.
    Predict,
}

/// A route and what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`; `HEAD` counts as `GET`.
    pub method: &'static str,
    /// The path with its parts in braces, as the router has it.
    pub path: &'static str,
    /// What a request must show.
    pub need: Need,
    /// Bytes of a body at most.
    pub body_bytes: usize,
    /// Whether the answer goes on until one side has enough.
    pub is_stream: bool,
    /// Whether it changes something, and so stands in the audit log.
    pub is_change: bool,
}

impl Route {
    const fn new(method: &'static str, path: &'static str, need: Need) -> Route {
        Route { method, path, need, body_bytes: BODY_BYTES, is_stream: false, is_change: true }
    }

    /// A route that reads.
    pub const fn get(path: &'static str, need: Need) -> Route {
        Route::new("GET", path, need).only_asks()
    }

    /// A route that does something.
    pub const fn post(path: &'static str, need: Need) -> Route {
        Route::new("POST", path, need)
    }

    /// A route that sets something.
    pub const fn put(path: &'static str, need: Need) -> Route {
        Route::new("PUT", path, need)
    }

    /// A route that removes something.
    pub const fn delete(path: &'static str, need: Need) -> Route {
        Route::new("DELETE", path, need)
    }

    /// The same route with another limit for its body.
    #[must_use]
    pub const fn body_bytes(self, body_bytes: usize) -> Route {
        Route { body_bytes, ..self }
    }

    /// The same route, whose answers are streams.
    #[must_use]
    pub const fn stream(self) -> Route {
        Route { is_stream: true, ..self }
    }

    /// The same route, which changes nothing although its method may.
    #[must_use]
    pub const fn only_asks(self) -> Route {
        Route { is_change: false, ..self }
    }

    /// What the path names: `run_1/train` for `/runs/{run}/steps/{step}`.
    pub(super) fn object(&self, path: &str) -> Option<String> {
        let parts = self.path.split('/').zip(path.split('/'));
        let named: Vec<&str> = parts.filter(|(template, _)| template.starts_with('{')).map(|(_, part)| part).collect();
        (!named.is_empty()).then(|| named.join("/"))
    }

    /// Whether `rights` suffice for a request of `path`.
    pub(super) fn allows(&self, rights: &Rights, path: &str) -> bool {
        match (self.need, rights) {
            (Need::Nothing, _) => true,
            (Need::Role(least), Rights::Role(role)) => *role >= least,
            (Need::Webhook | Need::Predict, Rights::Role(role)) => *role >= Role::Operator,
            (Need::Webhook, Rights::Scope(Scope::Webhook { pipeline, trigger })) => {
                self.part(path, "{pipeline}") == Some(pipeline.as_str())
                    && self.part(path, "{trigger}") == Some(trigger.as_str())
            }
            (Need::Predict, Rights::Scope(Scope::Predict { endpoint })) => {
                self.part(path, "{name}") == Some(endpoint.as_str())
            }
            (Need::Role(_) | Need::Webhook | Need::Predict, Rights::Scope(_)) => false,
        }
    }

    /// The part of `path` that stands for `name`, as the client wrote it: a name in disguise (`%61`) is another one.
    fn part<'path>(&self, path: &'path str, name: &str) -> Option<&'path str> {
        self.path.split('/').zip(path.split('/')).find_map(|(template, part)| (template == name).then_some(part))
    }
}

/// All routes by path and method.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_path: HashMap<&'static str, Vec<Route>>,
}

/// What the table says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    Found(Route),
    /// The path takes other methods.
    OtherMethod,
    /// The router knows a path that the table does not: a mistake of ours.
    Missing,
}

impl Table {
    pub(super) fn new(routes: &[Route]) -> Table {
        let mut table = Table::default();
        for route in routes {
            table.by_path.entry(route.path).or_default().push(*route);
        }
        table
    }

    pub(super) fn lookup(&self, method: &str, template: &str) -> Lookup {
        let method = if method == "HEAD" { "GET" } else { method };
        match self.by_path.get(template) {
            None => Lookup::Missing,
            Some(routes) => routes
                .iter()
                .find(|route| route.method == method)
                .map_or(Lookup::OtherMethod, |route| Lookup::Found(*route)),
        }
    }

    /// The methods that a path takes, for `Allow`.
    pub(super) fn methods(&self, template: &str) -> String {
        let routes = self.by_path.get(template).map(Vec::as_slice).unwrap_or_default();
        let methods: Vec<&str> = routes.iter().map(|route| route.method).collect();
        methods.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_token_opens_its_one_path_and_no_disguise_of_it() {
        let route = Route::post("/endpoints/{name}/predict", Need::Predict);
        let rights = Rights::Scope("predict:churn".parse().unwrap());
        for (path, is_allowed) in [
            ("/endpoints/churn/predict", true),
            ("/endpoints/other/predict", false),
            ("/endpoints/%63hurn/predict", false),
            ("/endpoints/churn%00/predict", false),
        ] {
            assert_eq!(route.allows(&rights, path), is_allowed, "{path}");
        }
        assert!(!Route::get("/endpoints", Need::Role(Role::Viewer)).allows(&rights, "/endpoints"));
    }

    #[test]
    fn a_route_that_is_not_in_the_table_is_told_from_a_method_that_it_does_not_take() {
        let table = Table::new(&[Route::get("/a", Need::Nothing), Route::post("/a", Need::Role(Role::Admin))]);
        assert!(matches!(table.lookup("HEAD", "/a"), Lookup::Found(Route { method: "GET", .. })));
        assert_eq!(table.lookup("DELETE", "/a"), Lookup::OtherMethod);
        assert_eq!(table.lookup("GET", "/b"), Lookup::Missing);
        assert_eq!(table.methods("/a"), "GET, POST");
        let route = Route::post("/runs/{run}/steps/{step}", Need::Nothing);
        assert_eq!(route.object("/runs/run_1/steps/train").as_deref(), Some("run_1/train"));
    }
}
