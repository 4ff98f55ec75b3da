//! YAML text -> [`Manifest`], in which every value knows its place. Pure but for reading the files themselves.
//!
//! A mistake never ends the reading: everything that is wrong with a file comes back at once, as [`Rejected`].

mod decode;
mod files;
mod nearest;
mod node;
mod rejected;
mod render;
mod scalar;
mod source;
mod template;
mod yaml;

mod document;
mod gate;
mod notify;
mod param;
mod purpose;
mod reference;
mod schema;
mod settings;
mod step;
mod trigger;

pub use document::{Manifest, load, load_with_mistakes, parse, read_with_mistakes};
pub use gate::{GateDecl, Reaction, Terms};
pub use nearest::{nearest, suggest};
pub use node::{Entry, Node, Yaml};
pub use notify::{Channel, NotifyRule, Occasion, WebhookUrl};
pub use param::{ParamDecl, ParamType};
pub use purpose::{CriterionDecl, Purpose, RiskDecl, Weight};
pub use reference::{InputDecl, Reference};
pub use rejected::{Colour, Mistake, Rejected};
pub use schema::schema;
pub use settings::{Cache, Gpu, Machine, PoolUse, Retry, Settings, Timeouts};
pub use source::{MAX_FILE_BYTES, Source, Span, Spanned};
pub use step::{Axis, COMMAND, StepDecl, Work};
pub use template::{Part, has_expression, split, whole};
pub use trigger::{AfterOutcome, CronLine, Missed, Overlap, Trigger, TriggerKind, WebhookProof, trigger_fields, zone};
