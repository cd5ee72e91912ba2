//! `[strangers]`: names of programs, with wildcards.

use super::context::Context;
use super::file::Strangers;
use super::read::At;

/// The patterns. What is wrong with one is reported.
pub(crate) fn patterns(written: Option<&Strangers<'_>>, context: &Context<'_>) -> Vec<String> {
    let names = written.and_then(|strangers| strangers.names.as_deref()).unwrap_or_default();
    names.iter().map(|name| pattern(*name, context)).collect()
}

fn pattern(name: At<&str>, context: &Context<'_>) -> String {
    let report = context.report;
    let errors = report.errors();
    let text = context.fields().word(name).into_owned();
    if report.errors() > errors {
        return text;
    }
    let shown = text.escape_debug();
    if text.contains('/') {
        let last = text.rsplit('/').find(|part| !part.is_empty()).unwrap_or("claude");
        let hint = format!("write the name of its file alone: \"{}\"", last.escape_debug());
        report.error(name.spot, format!("`{shown}` is a path, and a program is known by its name"), Some(hint));
    } else if text.chars().all(|letter| matches!(letter, '*' | '?')) {
        let hint = Some("name the programs that are meant, such as \"claude\" or \"claude-*\"".to_owned());
        report.error(name.spot, format!("`{shown}` has nothing but wildcards, and would match whatever runs"), hint);
    } else if text.contains(['[', ']', '{', '}']) {
        let hint = Some("`*` stands for anything and `?` for one character; write a pattern for each name".to_owned());
        report.error(name.spot, format!("`{shown}` has brackets, which mean nothing here"), hint);
    }
    text
}
