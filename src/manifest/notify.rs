//! Who is told of what: `notify`, a list of occasions and the way to tell.

use super::decode::Decoder;
use super::node::{Node, Yaml};
use super::rejected::Mistake;

/// Something that people want to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A run has failed.
    Failed,
    /// A gate has rejected a run.
    Rejected,
    /// A run waits for somebody's approval.
    Approval,
    /// A run has succeeded.
    Succeeded,
    /// A run has succeeded after the one before it had not.
    Recovered,
    /// A gate with `on_fail: notify` did not pass.
    Gate,
}

impl Occasion {
    /// Every occasion with its word.
    pub const WORDS: [(&'static str, Occasion); 6] = [
        ("failed", Occasion::Failed),
        ("rejected", Occasion::Rejected),
        ("approval", Occasion::Approval),
        ("succeeded", Occasion::Succeeded),
        ("recovered", Occasion::Recovered),
        ("gate", Occasion::Gate),
    ];

    /// The word in manifests, messages and tables.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, occasion)| *occasion == self).map_or("", |(word, _)| word)
    }
}

/// The way to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// A POST with a JSON document.
    Webhook {
        /// Where to.
        url: WebhookUrl,
        /// The secret that signs the document.
        signed_with: Option<String>,
    },
    /// A letter, by the server that the daemon's settings name.
    Email {
        /// To whom.
        to: Vec<String>,
    },
    /// A program that gets the JSON document on its standard input.
    Command(Vec<String>),
}

/// The address of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookUrl {
    /// As written.
    Plain(String),
    /// The value of a secret, for addresses that let in whoever knows them.
    Secret(String),
}

/// One entry of `notify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyRule {
    /// When.
    pub on: Vec<Occasion>,
    /// How.
    pub channel: Channel,
}

pub(super) const KEYS: [&str; 4] = ["on", "webhook", "email", "command"];
pub(super) const WEBHOOK_KEYS: [&str; 3] = ["url", "url_secret", "signing_secret"];
pub(super) const EMAIL_KEYS: [&str; 1] = ["to"];

/// When nothing is said: whenever somebody has to do something.
const USUAL: [Occasion; 4] = [Occasion::Failed, Occasion::Rejected, Occasion::Approval, Occasion::Gate];

impl NotifyRule {
    pub(super) fn read(decoder: &mut Decoder, node: &Node) -> Option<NotifyRule> {
        let fields = decoder.fields(node, "an entry of `notify`", &KEYS);
        let on = match fields.get("on") {
            None => USUAL.to_vec(),
            Some(node) => Decoder::one_or_many(node)
                .iter()
                .filter_map(|item| decoder.word(item, "`on`", &Occasion::WORDS))
                .collect(),
        };
        let ways: Vec<&str> = KEYS.into_iter().filter(|key| *key != "on" && fields.get(key).is_some()).collect();
        if ways.len() != 1 {
            let message = match ways.len() {
                0 => "an entry of `notify` does not say how to tell".to_owned(),
                _ => format!("an entry of `notify` has more than one way to tell: {}", ways.join(", ")),
            };
            let mistake = Mistake::new("notify_channel", node.span.clone(), message);
            decoder
                .note(mistake.help("give one of `webhook`, `email` and `command`; several ways are several entries"));
            return None;
        }
        let channel = match (fields.get("webhook"), fields.get("email"), fields.get("command")) {
            (Some(node), ..) => webhook(decoder, node)?,
            (_, Some(node), _) => email(decoder, node)?,
            (_, _, Some(node)) => command(decoder, node)?,
            (None, None, None) => return None,
        };
        Some(NotifyRule { on, channel })
    }
}

fn webhook(decoder: &mut Decoder, node: &Node) -> Option<Channel> {
    if !matches!(node.value, Yaml::Map(_)) {
        let url = WebhookUrl::Plain(address(decoder, node)?);
        return Some(Channel::Webhook { url, signed_with: None });
    }
    let fields = decoder.fields(node, "`webhook`", &WEBHOOK_KEYS);
    let signed_with = match fields.get("signing_secret") {
        Some(node) => Some(variable(decoder, node, "`signing_secret`")?),
        None => None,
    };
    let url = match (fields.get("url"), fields.get("url_secret")) {
        (Some(node), None) => WebhookUrl::Plain(address(decoder, node)?),
        (None, Some(node)) => WebhookUrl::Secret(variable(decoder, node, "`url_secret`")?),
        _ => {
            let message = "a webhook has either `url` or `url_secret`";
            decoder.note(Mistake::new("notify_channel", node.span.clone(), message));
            return None;
        }
    };
    Some(Channel::Webhook { url, signed_with })
}

fn address(decoder: &mut Decoder, node: &Node) -> Option<String> {
    let text = decoder.text(node, "the address of a webhook")?;
    let is_web = url::Url::parse(&text.value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_web {
        return Some(text.value);
    }
    let message = "the address of a webhook begins with `https://` or `http://`";
    decoder.note(Mistake::new("notify_url", text.span, message).help("a secret address goes into `url_secret: NAME`"));
    None
}

fn variable(decoder: &mut Decoder, node: &Node, what: &str) -> Option<String> {
    let name = decoder.text(node, what)?;
    let fits =
        |(index, byte): (usize, u8)| byte == b'_' || byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit());
    if !name.value.is_empty() && name.value.bytes().enumerate().all(fits) {
        return Some(name.value);
    }
    let message = format!("{what} is not the name of an environment variable");
    decoder.note(Mistake::new("bad_name", name.span, message).help("use letters, digits and `_`"));
    None
}

fn email(decoder: &mut Decoder, node: &Node) -> Option<Channel> {
    let to = if matches!(node.value, Yaml::Map(_)) {
        let fields = decoder.fields(node, "`email`", &EMAIL_KEYS);
        let Some(to) = fields.get("to") else {
            decoder.missing("to", "`email`", &node.span);
            return None;
        };
        to
    } else {
        node
    };
    let mut addresses = Vec::new();
    for item in Decoder::one_or_many(to) {
        let text = decoder.text(item, "an address")?;
        let is_address = text.value.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
            && !text.value.chars().any(|character| character.is_whitespace() || character.is_control());
        if !is_address {
            let message = format!("`{}` is not an email address", text.value);
            decoder.note(Mistake::new("notify_address", text.span, message));
            return None;
        }
        addresses.push(text.value);
    }
    Some(Channel::Email { to: addresses })
}

fn command(decoder: &mut Decoder, node: &Node) -> Option<Channel> {
    let words: Vec<String> = Decoder::one_or_many(node)
        .iter()
        .filter_map(|item| decoder.text(item, "a part of `command`"))
        .map(|text| text.value)
        .collect();
    if words.first().is_some_and(|program| !program.trim().is_empty()) {
        return Some(Channel::Command(words));
    }
    decoder.note(Mistake::new("notify_channel", node.span.clone(), "the command is empty"));
    None
}

#[cfg(test)]
mod tests {
    use super::super::{Source, parse};
    use super::*;

    fn read(notify: &str) -> Result<Vec<NotifyRule>, String> {
        let text = format!("version: 1\npipeline: p\nnotify:\n{notify}");
        match parse(Source::new("p.yaml", text)) {
            Ok(manifest) => Ok(manifest.notify),
            Err(rejected) => Err(rejected.mistakes().iter().map(|mistake| mistake.message.clone()).collect()),
        }
    }

    #[test]
    fn an_entry_says_when_and_how() {
        let rules = read(
            "  - {on: failed, webhook: 'https://example.org/x'}
  - {on: [succeeded, recovered], webhook: {url_secret: HOOK, signing_secret: KEY}}
  - {email: {to: [ada@example.org]}}
  - {on: approval, command: [./tell.sh, now]}
",
        )
        .unwrap();
        assert_eq!(rules[0].on, [Occasion::Failed]);
        let secret =
            Channel::Webhook { url: WebhookUrl::Secret("HOOK".to_owned()), signed_with: Some("KEY".to_owned()) };
        assert_eq!(rules[1], NotifyRule { on: vec![Occasion::Succeeded, Occasion::Recovered], channel: secret });
        assert_eq!(rules[2].on, USUAL);
        assert_eq!(rules[3].channel, Channel::Command(vec!["./tell.sh".to_owned(), "now".to_owned()]));
    }

    #[test]
    fn what_cannot_work_is_refused_when_the_manifest_is_read() {
        for (notify, word) in [
            ("  - {on: failed}\n", "how to tell"),
            ("  - {webhook: 'https://x', command: [y]}\n", "more than one way"),
            ("  - {webhook: 'ftp://x'}\n", "begins with"),
            ("  - {webhook: {signing_secret: K}}\n", "either `url`"),
            ("  - {email: nobody}\n", "not an email address"),
            ("  - {command: []}\n", "empty"),
            ("  - {on: late, command: [x]}\n", "late"),
        ] {
            let error = read(notify).expect_err(notify);
            assert!(error.contains(word), "{notify} gives {error}");
        }
    }
}
