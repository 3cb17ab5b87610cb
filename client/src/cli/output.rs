//! How answers look: text for people, one JSON object for scripts.
//!
//! Everything printed has passed a parser whose characters cannot drive a terminal.

use discreet_client::{Answer, FoundMapping, Notice, Outcome, Service, Timestamp};
use serde_json::{Value, json};
use std::io::IsTerminal;

/// Prints an answer for people.
pub(crate) fn text(answer: &Answer) {
    let bold = Bold::new();
    let who = answer.csi.value();
    match answer.outcome() {
        Outcome::NoMapping => println!("{who}: no mapping; nobody by this identifier wants to be found here"),
        Outcome::SeveralMappings => println!("{who}: several mappings, each attested by another authority"),
        _ => {}
    }
    for mapping in &answer.mappings {
        println!("{who}, attested by {} (tag {}):", bold.of(&mapping.authority), mapping.tag.as_str());
        if mapping.services.is_empty() {
            println!("  exists, but lists no service");
        }
        for (at, service) in mapping.services.iter().enumerate() {
            println!(
                "  {}. {}{}{}",
                at + 1,
                bold.of(service.uri.as_str()),
                thumbprint(service),
                confirmed(service)
            );
        }
        println!(
            "  holder since {}, confirmed {}, ask again after {}",
            date(mapping.holder_since),
            date(mapping.confirmed_at),
            date(mapping.fresh_until)
        );
    }
    for notice in &answer.notices {
        eprintln!("discreet: warning: {}", sentence(notice));
    }
}

/// An answer in a line, where there is somewhere to reach somebody.
pub(crate) fn line(answer: &Answer) {
    let services = answer.mappings.iter().flat_map(|mapping| &mapping.services);
    let services: Vec<_> = services.map(|service| service.uri.as_str()).collect();
    if !services.is_empty() {
        println!("{}: {}", answer.csi.value(), services.join(", "));
    }
    for notice in &answer.notices {
        eprintln!("discreet: warning: {}: {}", answer.csi.value(), sentence(notice));
    }
}

/// An answer for scripts.
pub(crate) fn json(answer: &Answer) -> Value {
    json!({
        "identifier": answer.csi.uri(),
        "outcome": name(answer.outcome()),
        "mappings": answer.mappings.iter().map(mapping).collect::<Vec<_>>(),
        "notices": answer.notices.iter().map(sentence).collect::<Vec<_>>(),
    })
}

/// As [`json()`]; an answer from the cache says when it came.
pub(crate) fn json_from(answer: &Answer, asked_at: Option<Timestamp>) -> Value {
    let mut object = json(answer);
    if let (Some(asked_at), Some(object)) = (asked_at, object.as_object_mut()) {
        object.insert("asked_at".to_owned(), asked_at.unix().into());
    }
    object
}

/// What people are told of an answer from the cache.
pub(crate) fn from_cache(asked_at: Timestamp, now: Timestamp) -> String {
    let ago = match now.unix().saturating_sub(asked_at.unix()) / 3600 {
        0 => "within the last hour".to_owned(),
        1 => "an hour ago".to_owned(),
        hours @ 2..48 => format!("{hours} hours ago"),
        hours => format!("{} days ago", hours / 24),
    };
    format!("from the cache, asked {ago}; nothing was sent (--fresh asks again)")
}

/// A failure for scripts.
pub(crate) fn failure(error: &str, code: u8) -> Value {
    json!({ "error": error, "code": code })
}

fn mapping(mapping: &FoundMapping) -> Value {
    let service = |service: &Service| {
        json!({
            "uri": service.uri.as_str(),
            "provider": service.uri.provider(),
            "thumbprint": service.thumbprint.map(hex::encode),
            "confirmed": service.confirmed,
        })
    };
    json!({
        "authority": mapping.authority,
        "tag": mapping.tag.as_str(),
        "services": mapping.services.iter().map(service).collect::<Vec<_>>(),
        "holder_since": mapping.holder_since.unix(),
        "confirmed_at": mapping.confirmed_at.unix(),
        "fresh_until": mapping.fresh_until.unix(),
    })
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NoMapping => "no_mapping",
        Outcome::NoService => "no_service",
        Outcome::OneService => "one_service",
        Outcome::SeveralServices => "several_services",
        Outcome::SeveralMappings => "several_mappings",
    }
}

fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::NewHolder { authority } => format!(
            "{authority} attests a new holder since you last looked; make sure it is the person you mean"
        ),
        Notice::Refused { reason } => format!("another answer was left out: {reason}"),
        Notice::NewKey { authority } => {
            format!("the holder has a new key since you last looked; {authority} says it is the same person")
        }
    }
}

fn thumbprint(service: &Service) -> String {
    service.thumbprint.map(|thumbprint| format!("  key {}", hex::encode(thumbprint))).unwrap_or_default()
}

fn confirmed(service: &Service) -> String {
    if service.confirmed { format!("  confirmed by {}", service.uri.provider()) } else { String::new() }
}

/// `YYYY-MM-DD`, UTC.
pub(crate) fn date(time: Timestamp) -> String {
    let seconds = i64::try_from(time.unix()).ok();
    let moment = seconds.and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment.map_or_else(|| "beyond the calendar".to_owned(), |moment| moment.date().to_string())
}

/// `YYYY-MM-DD HH:MM UTC`.
pub(crate) fn moment(time: Timestamp) -> String {
    let minutes = time.unix() / 60;
    format!("{} {:02}:{:02} UTC", date(time), minutes / 60 % 24, minutes % 60)
}

/// Emphasis on terminals that want it (<https://no-color.org>).
pub(crate) struct Bold(bool);

impl Bold {
    pub(crate) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(std::io::stdout().is_terminal() && !unwanted)
    }

    pub(crate) fn of(&self, text: &str) -> String {
        if self.0 { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
