//! The environment of the program: what was declared, in the order in which the parts win over each other, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dotenv;
use super::secret;
use super::signals::Signals;
use super::spec::Spec;
use super::status::{StartError, StartErrorKind};
use crate::desired::glob;
use crate::safe_open::{Trust, read_trusted};

/// Names with this beginning are ours and cannot be taken away.
const OURS: &str = "RECONCILE";

/// The whole environment. `pane` is the TERM of the keeper's own terminal, if it has one.
///
/// PWD is the working folder, as it is for a program started by hand there, unless a file or the declared variables say otherwise. The commands of
/// secrets see what `unset` is going to take away, so that what they need for their work can be kept from the program.
pub(super) fn assemble(spec: &Spec, pane: Option<&str>, signals: &mut Signals) -> Result<BTreeMap<String, String>, StartError> {
    let mut variables = declared(spec, pane, &spec.env_files)?;
    let mut secrets = BTreeMap::new();
    for (name, source) in &spec.secrets {
        secrets.insert(name.clone(), secret::resolve(name, source, &variables, signals)?);
    }
    variables.extend(secrets);
    take_away(&mut variables, spec);
    Ok(variables)
}

/// The environment of hooks: that of the program without its secrets, which a keeper does not keep. Before the spawn, files of variables that cannot be
/// read yet are left out: a hook may be about to write them.
pub(super) fn of_hooks(spec: &Spec, pane: Option<&str>) -> BTreeMap<String, String> {
    let all = declared(spec, pane, &spec.env_files).or_else(|_| declared(spec, pane, &[]));
    let mut variables = all.unwrap_or_default();
    take_away(&mut variables, spec);
    variables
}

fn take_away(variables: &mut BTreeMap<String, String>, spec: &Spec) {
    variables.retain(|name, _| name.starts_with(OURS) || !spec.unset.iter().any(|pattern| glob(pattern, name)));
}

/// All but the secrets.
fn declared(spec: &Spec, pane: Option<&str>, files: &[PathBuf]) -> Result<BTreeMap<String, String>, StartError> {
    let mut from_files = BTreeMap::new();
    for path in files {
        from_files.extend(read_variables(path)?);
    }
    Ok(layered(spec, pane, from_files))
}

/// What the preflight can know of the environment before the start: all but the secrets, with what the files bring.
pub(super) fn foreseen(spec: &Spec, from_files: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut variables = layered(spec, None, from_files);
    take_away(&mut variables, spec);
    variables
}

/// The variables of a file, as a program gets them.
pub(super) fn read_variables(path: &Path) -> Result<Vec<(String, String)>, StartError> {
    let wrong = |why: String| StartError::new(StartErrorKind::EnvFile, format!("env_file {}: {why}", path.display()));
    let text = read_trusted(path, Trust::System).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(text).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    dotenv::parse(&text).map_err(wrong)
}

fn layered(spec: &Spec, pane: Option<&str>, from_files: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut variables = spec.inherited.clone();
    // Of the folder that the acting process was in.
    variables.remove("OLDPWD");
    variables.insert("PWD".to_owned(), spec.cwd.to_string_lossy().into_owned());
    if let Some(term) = pane {
        variables.insert("TERM".to_owned(), term.to_owned());
    }
    variables.extend(from_files);
    variables.extend(spec.env.clone());
    variables
}
