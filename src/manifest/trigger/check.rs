//! Triggers against the rest of the manifest: the params that they set, and pipelines that would start themselves.

use super::declared::Trigger;
use super::kind::TriggerKind;
use super::scope::trigger_fields;
use crate::expr::Expr;
use crate::manifest::decode::Decoder;
use crate::manifest::document::Manifest;
use crate::manifest::nearest::suggest;
use crate::manifest::node::{Node, Yaml};
use crate::manifest::rejected::Mistake;
use crate::manifest::source::Spanned;
use crate::manifest::template::{Part, has_expression, split};

/// Notes what is wrong with the triggers of `manifest`.
pub(in crate::manifest) fn check(decoder: &mut Decoder, manifest: &Manifest) {
    for trigger in &manifest.triggers {
        for (name, value) in &trigger.set {
            check_setting(decoder, manifest, trigger, name, value);
        }
        for (name, declared) in &manifest.params {
            let is_set = trigger.set.iter().any(|(set, _)| set.value == name.as_str());
            if declared.is_required && !is_set {
                let message = format!("trigger `{}` gives no value to param `{name}`", trigger.name.value);
                let help = format!("write `set: {{{name}: …}}` there, or give the param a default");
                decoder.note(Mistake::new("missing_param", trigger.name.span.clone(), message).help(help));
            }
        }
    }
}

fn check_setting(decoder: &mut Decoder, manifest: &Manifest, trigger: &Trigger, name: &Spanned<String>, value: &Node) {
    let Some((_, declared)) = manifest.params.iter().find(|(known, _)| known.as_str() == name.value) else {
        let known = manifest.params.keys().map(crate::id::ParamName::as_str);
        let message = format!("pipeline `{}` has no param `{}`", manifest.pipeline, name.value);
        decoder.note(Mistake::new("unknown_param", name.span.clone(), message).maybe_help(suggest(&name.value, known)));
        return;
    };
    let text = match &value.value {
        Yaml::Text(text) | Yaml::Literal(text) if has_expression(text) => text,
        _ => {
            if let Err(mistake) = declared.accept(&name.value, value) {
                decoder.note(mistake);
            }
            return;
        }
    };
    match split(text, &value.span, &manifest.source.text) {
        Ok(parts) => {
            for part in parts {
                if let Part::Expression(expression) = part {
                    check_expression(decoder, &trigger.kind, &expression);
                }
            }
        }
        Err(mistake) => decoder.note(mistake),
    }
}

fn check_expression(decoder: &mut Decoder, kind: &TriggerKind, text: &Spanned<String>) {
    let parsed = match Expr::parse(&text.value) {
        Ok(parsed) => parsed,
        Err(error) => {
            decoder.note(Mistake::new("expression", text.span.clone(), error.message).maybe_help(error.help));
            return;
        }
    };
    let known = trigger_fields(kind);
    for path in parsed.paths() {
        let fits = path.first().is_some_and(|root| root == "trigger")
            && path.get(1).is_some_and(|field| known.contains(&field.as_str()));
        if !fits {
            let message = format!("`{}` is nothing that a tick of `{}` has", path.join("."), kind.word());
            let fields: Vec<String> = known.iter().map(|field| format!("trigger.{field}")).collect();
            let help = suggest(&path.join("."), fields.iter().map(String::as_str));
            decoder.note(Mistake::new("unknown_name", text.span.clone(), message).maybe_help(help));
        }
    }
}
