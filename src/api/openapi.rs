//! The description of the API for programs: OpenAPI, made from the handlers and served at `/api/v1/openapi.json`.

use std::collections::BTreeMap;

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response};
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiState, Need, Route, routes as handlers};
use crate::store::Role;

pub(super) const ROUTES: &[Route] = &[Route::get("/api/v1/openapi.json", Need::Role(Role::Viewer))];

const ABOUT: &str = "Everything that `phaseline` does with runs, for other machines and programs.\n\n\
    Every request needs a token (`Authorization: Bearer ...`, made by `phaseline token create`) of at least the role that \
    the operation names. A list gives `items` and `next`; `next` goes into `cursor` for the page after it. Every POST \
    takes an `Idempotency-Key`: the same key gives the same answer. Reads have an `ETag`. Anything that is wrong is told \
    in one form, `error`, with a stable `code`.";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(document))
}

/// The form of every answer that tells that something is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// What is wrong.
    error: ErrorDetail,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    /// The stable code.
    #[schema(example = "no_such_run")]
    code: String,
    /// A sentence for people.
    message: String,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// More for programs; its shape depends on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

/// The answers that every operation can give.
pub(super) struct Errors;

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
        let answer = |about: &str| {
            let response = ResponseBuilder::new().description(about).content("application/json", content.clone());
            RefOr::T(response.build())
        };
        [("4XX", "What is wrong with the request, or why it is refused."), ("5XX", "Why the server did not do it.")]
            .into_iter()
            .map(|(status, about)| (status.to_owned(), answer(about)))
            .collect()
    }
}

/// What stands above all operations.
pub(super) fn description() -> OpenApi {
    let info = InfoBuilder::new().title("Phaseline").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let mut api = OpenApiBuilder::new().info(info.build()).build();
    let components = api.components.get_or_insert_default();
    components.schemas.insert("ErrorBody".to_owned(), <ErrorBody as utoipa::PartialSchema>::schema());
    components.schemas.insert("ErrorDetail".to_owned(), <ErrorDetail as utoipa::PartialSchema>::schema());
    let token =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of `phaseline token create`."));
    components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(token.build()).into());
    api
}

/// The description of all operations, each with the role that it needs.
pub fn openapi() -> OpenApi {
    let mut api = handlers::all().into_openapi();
    for route in handlers::table() {
        let Some(path) = api.paths.paths.get_mut(route.path) else { continue };
        let operation = match route.method {
            "GET" => path.get.as_mut(),
            "POST" => path.post.as_mut(),
            "PUT" => path.put.as_mut(),
            "DELETE" => path.delete.as_mut(),
            _ => None,
        };
        let Some(operation) = operation else { continue };
        let needs = match route.need {
            Need::Nothing => {
                operation.security = Some(vec![]);
                continue;
            }
            Need::Role(role) => format!("Needs the role {role}."),
            Need::Webhook => "Needs the role operator, or the token or signature of the trigger.".to_owned(),
            Need::Predict => "Needs the role operator, or the token of the endpoint.".to_owned(),
        };
        operation.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
        let about = operation.description.take().map_or_else(String::new, |about| format!("{about}\n\n"));
        operation.description = Some(format!("{about}{needs}"));
    }
    api
}

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "description",
    responses((status = 200, body = Value, description = "An OpenAPI document."), Errors))]
async fn document() -> Json<Value> {
    static DOCUMENT: std::sync::LazyLock<Value> =
        std::sync::LazyLock::new(|| serde_json::to_value(openapi()).expect("a description is plain data"));
    Json(DOCUMENT.clone())
}
