//! `${…}` in strings. Knows the names of the variables, not where in a manifest they may be used.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::suggest;

/// What the variables stand for at one place.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    /// `${var.X}`.
    pub(crate) vars: &'s Vars,
    /// `${fleet}`.
    pub(crate) fleet: &'s str,
    /// `${name}`.
    pub(crate) name: Option<&'s str>,
    /// `${index}`.
    pub(crate) index: Option<&'s str>,
    /// `${each}`.
    pub(crate) each: Option<&'s str>,
    /// `${each.path}`.
    pub(crate) each_path: Option<&'s str>,
    /// `${dir.state}`.
    pub(crate) state: &'s str,
    /// `${dir.manifest}`.
    pub(crate) manifest: &'s str,
}

/// The variables of the manifest, and which of them were used.
#[derive(Default)]
pub(crate) struct Vars {
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) used: RefCell<BTreeSet<String>>,
}

/// Something wrong in a string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The bytes of the string.
    pub(crate) bytes: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// How values are put into a string.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// As they are.
    None,
    /// As one word of a shell.
    Shell,
}

/// The string with all variables filled in.
pub(crate) fn fill<'t>(text: &'t str, scope: &Scope<'_>, quoting: Quoting) -> Result<Cow<'t, str>, Vec<Wrong>> {
    // Most strings have no variable, and a search for one byte is the fastest.
    if !text.as_bytes().contains(&b'$') || !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut filled = String::with_capacity(text.len() + 16);
    let mut wrong = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[..start].ends_with('$') {
            // `$${` is a literal `${`: one of the two dollars is already there.
            filled.push_str(&text[at..start]);
            filled.push('{');
            at = start + 2;
            continue;
        }
        filled.push_str(&text[at..start]);
        let Some(length) = text[start..].find('}') else {
            wrong.push(Wrong {
                bytes: start..start + 2,
                message: "`${` without a `}`".to_owned(),
                hint: Some("write `$${` for a literal `${`".to_owned()),
            });
            break;
        };
        let bytes = start..start + length + 1;
        match value(&text[start + 2..start + length], scope) {
            Ok(value) if quoting == Quoting::Shell => filled.push_str(&shell_word(value)),
            Ok(value) => filled.push_str(value),
            Err((message, hint)) => wrong.push(Wrong { bytes: bytes.clone(), message, hint }),
        }
        at = bytes.end;
    }
    filled.push_str(text.get(at..).unwrap_or_default());
    if wrong.is_empty() { Ok(Cow::Owned(filled)) } else { Err(wrong) }
}

fn value<'s>(name: &str, scope: &Scope<'s>) -> Result<&'s str, (String, Option<String>)> {
    let only = |value: Option<&'s str>, where_: &str| value.ok_or_else(|| (format!("`${{{name}}}` has no value here: {where_}"), None));
    match name {
        "fleet" => Ok(scope.fleet),
        "name" => only(scope.name, "it is an agent's name"),
        "index" => only(scope.index, "it is the number of a copy made by `replicas`"),
        "each" => only(scope.each, "it is the value for which `for_each` made a copy"),
        "each.path" => only(scope.each_path, "it is the folder for which `for_each = { dirs = … }` made a copy"),
        "dir.state" => Ok(scope.state),
        "dir.manifest" => Ok(scope.manifest),
        _ => match name.strip_prefix("var.") {
            Some(var) => match scope.vars.values.get(var) {
                Some(value) => {
                    let mut used = scope.vars.used.borrow_mut();
                    if !used.contains(var) {
                        used.insert(var.to_owned());
                    }
                    Ok(value)
                }
                None => {
                    let hint = suggest::nearest(var, scope.vars.values.keys().map(String::as_str))
                        .map_or_else(|| "declare it under [vars]".to_owned(), |near| format!("did you mean `${{var.{near}}}`?"));
                    Err((format!("unknown variable `${{{}}}`", name.escape_debug()), Some(hint)))
                }
            },
            None => Err((format!("unknown variable `${{{}}}`", name.escape_debug()), Some(hint(name, scope)))),
        },
    }
}

const NAMES: [&str; 7] = ["fleet", "name", "index", "each", "each.path", "dir.state", "dir.manifest"];

fn hint(name: &str, scope: &Scope<'_>) -> String {
    if scope.vars.values.contains_key(name) {
        return format!("did you mean `${{var.{name}}}`?");
    }
    match suggest::nearest(name, NAMES.into_iter()) {
        Some(near) => format!("did you mean `${{{near}}}`?"),
        None => "write `$${` for a literal `${`, which is what a shell or the program itself should see".to_owned(),
    }
}

/// The text as one word of a POSIX shell.
fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { Cow::Borrowed(text) } else { Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(vars: &Vars) -> Scope<'_> {
        Scope { vars, fleet: "atlas", name: Some("lead"), index: None, each: None, each_path: None, state: "/state", manifest: "/work" }
    }

    fn check(text: &str, expected: &str) {
        let vars = Vars { values: BTreeMap::from([("model".to_owned(), "it's $5".to_owned())]), ..Vars::default() };
        let show = |quoting| match fill(text, &scope(&vars), quoting) {
            Ok(text) => text.into_owned(),
            Err(wrong) => wrong.iter().map(|w| format!("{}: {}", &text[w.bytes.clone()], w.message)).collect::<Vec<_>>().join("; "),
        };
        assert_eq!(format!("{} | {}", show(Quoting::None), show(Quoting::Shell)), expected);
    }

    #[test]
    fn values_are_filled_in() {
        check("a$b {c}", "a$b {c} | a$b {c}");
        check("${fleet}-${name}", "atlas-lead | atlas-lead");
        check("x ${var.model}", r"x it's $5 | x 'it'\''s $5'");
        check("$${fleet} ${fleet}", "${fleet} atlas | ${fleet} atlas");
        check("$$${fleet}", "$${fleet} | $${fleet}");
        check("${dir.state}/${dir.manifest}", "/state//work | /state//work");
    }

    #[test]
    fn what_is_unknown_is_shown_in_its_place() {
        let unknown = "${flet}: unknown variable `${flet}`; ${var.x}: unknown variable `${var.x}`";
        check("${flet} ${var.x}", &format!("{unknown} | {unknown}"));
        let open = "${: `${` without a `}`";
        check("a ${b", &format!("{open} | {open}"));
    }
}
