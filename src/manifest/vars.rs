//! The variables of a manifest: its own, those of the environment that it asks for, and those given from outside.

use std::collections::{BTreeMap, BTreeSet};

use super::file::Manifest;
use super::interpolate::Vars;
use super::read::At;
use super::report::{Report, Spot};
use super::sources::Sources;
use super::suggest;
use super::words::{Scalar, Variable};

/// The variables of the manifest, those given from outside on top. Those of the environment that were asked for are added to `read`.
pub(super) fn variables(
    manifest: &Manifest<'_>,
    given: &BTreeMap<String, String>,
    sources: &dyn Sources,
    read: &mut BTreeSet<String>,
    report: &Report,
) -> Vars {
    let mut vars = Vars::default();
    for (name, variable) in manifest.vars.iter().flat_map(|vars| &vars.0) {
        let wrong = |character: char| !(character.is_ascii_alphanumeric() || matches!(character, '_' | '-'));
        if name.value.is_empty() || name.value.contains(wrong) {
            let hint = Some("use letters, digits, `_` and `-`".to_owned());
            report.error(name.spot, format!("`{}` cannot be the name of a variable", name.value.escape_debug()), hint);
        }
        if given.contains_key(name.value) {
            continue;
        }
        let value = match variable.value {
            Variable::Here(Scalar::Text(text)) => text.to_owned(),
            Variable::Here(Scalar::Number(number)) => number.to_string(),
            Variable::Here(Scalar::Flag(flag)) => flag.to_string(),
            Variable::Env(asked) => {
                read.insert(asked.value.to_owned());
                of_environment(asked, sources, report)
            }
        };
        vars.values.insert(name.value.to_owned(), value);
    }
    for (name, value) in given {
        vars.values.insert(name.clone(), value.clone());
    }
    let declared = manifest.vars.iter().flat_map(|vars| &vars.0).map(|(name, _)| name.value.to_owned());
    *vars.used.borrow_mut() = declared.collect();
    vars
}

fn of_environment(asked: At<&str>, sources: &dyn Sources, report: &Report) -> String {
    let name = asked.value.escape_debug();
    let message = match sources.variable(asked.value) {
        Ok(Some(value)) => return value,
        Ok(None) => format!("the environment variable `{name}` is not set"),
        Err(why) => format!("the environment variable `{name}` could not be read: {why}"),
    };
    report.error(asked.spot, message, Some("set it, or give the value by `--var`".to_owned()));
    String::new()
}

/// Warns of variables from outside that mean nothing.
pub(super) fn unused(vars: &Vars, given: &BTreeMap<String, String>, report: &Report) {
    let used = vars.used.borrow();
    for name in given.keys().filter(|name| !used.contains(*name)) {
        let hint = suggest::did_you_mean(name, used.iter().map(String::as_str));
        report.warning(Spot::default(), format!("variable `{}` is given, but not used or declared", name.escape_debug()), hint);
    }
}
