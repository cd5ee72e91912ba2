mod captures;
mod rules;
mod signs;

use super::*;

/// The rules of a preset.
fn rules(name: &str) -> Rules {
    Rules::preset(name).unwrap().clone()
}

/// What a screen means, in one line.
fn shown(text: &str, preset: &str) -> String {
    line(&read(text, &rules(preset)))
}

/// A reading in one line: the selected row of a dialog has a star.
fn line(reading: &Reading) -> String {
    let draft = reading.composer.as_ref().map(|composer| composer.text.replace('\n', "|")).unwrap_or_default();
    match &reading.meaning {
        Meaning::Dialog { name, choices, selected } => {
            let row = |(place, choice): (usize, &Choice)| {
                let star = if Some(place) == *selected { "*" } else { "" };
                let number = choice.number.map(|number| format!("{number} ")).unwrap_or_default();
                format!("{star}{number}{}", choice.label)
            };
            format!("{name}: {}", choices.iter().enumerate().map(row).collect::<Vec<_>>().join(" / "))
        }
        Meaning::Draft => format!("draft: {draft}"),
        Meaning::Limit { until } => format!("limit: {until:?}"),
        Meaning::Starting => "starting".to_owned(),
        Meaning::Ready => "ready".to_owned(),
        Meaning::Busy => "busy".to_owned(),
        Meaning::Unclear => "unclear".to_owned(),
        Meaning::UnknownDialog => "unknown dialog".to_owned(),
        Meaning::Permission => "permission".to_owned(),
        Meaning::Login => "login".to_owned(),
        Meaning::ContextExhausted => "context exhausted".to_owned(),
        Meaning::Crashed => "crashed".to_owned(),
    }
}

/// The screen of Claude Code with something above its composer, in it and below it.
fn claude(above: &str, composer: &str, below: &str) -> String {
    let rule = "─".repeat(80);
    format!("{above}\n\n{rule}\n❯\u{a0}{composer}\n{rule}\n{below}\n\n\n")
}
