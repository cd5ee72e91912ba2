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

/// The whole environment. `pane` is the TERM of the keeper's own terminal, if it has one.
///
/// PWD is the working folder, as it is for a program started by hand there, unless a file or the declared variables say otherwise. What `unset` names is
/// taken from what was inherited; what is declared stays. The commands of secrets see it all the same, so that what they need for their work can be kept
/// from the program.
pub(super) fn assemble(spec: &Spec, pane: Option<&str>, signals: &mut Signals) -> Result<BTreeMap<String, String>, StartError> {
    let layers = Layers::new(spec, pane, from_files(&spec.env_files)?);
    let of_commands = layers.all();
    let mut secrets = BTreeMap::new();
    for (name, source) in &spec.secrets {
        secrets.insert(name.clone(), secret::resolve(name, source, &of_commands, signals)?);
    }
    let mut variables = layers.of_program(&spec.unset);
    variables.extend(secrets);
    Ok(variables)
}

/// The environment of hooks: that of the program without its secrets, which a keeper does not keep. Before the spawn, files of variables that cannot be
/// read yet are left out: a hook may be about to write them.
pub(super) fn of_hooks(spec: &Spec, pane: Option<&str>) -> BTreeMap<String, String> {
    Layers::new(spec, pane, from_files(&spec.env_files).unwrap_or_default()).of_program(&spec.unset)
}

/// What the preflight can know of the environment before the start: all but the secrets, with what the files bring.
pub(super) fn foreseen(spec: &Spec, from_files: BTreeMap<String, String>) -> BTreeMap<String, String> {
    Layers::new(spec, None, from_files).of_program(&spec.unset)
}

/// All but the secrets.
struct Layers {
    inherited: BTreeMap<String, String>,
    declared: BTreeMap<String, String>,
}

impl Layers {
    fn new(spec: &Spec, pane: Option<&str>, from_files: BTreeMap<String, String>) -> Self {
        let mut inherited = spec.inherited.clone();
        // Of the folder that the acting process was in.
        inherited.remove("OLDPWD");
        inherited.insert("PWD".to_owned(), spec.cwd.to_string_lossy().into_owned());
        if let Some(term) = pane {
            inherited.insert("TERM".to_owned(), term.to_owned());
        }
        let mut declared = from_files;
        declared.extend(spec.env.clone());
        Self { inherited, declared }
    }

    fn all(&self) -> BTreeMap<String, String> {
        let mut all = self.inherited.clone();
        all.extend(self.declared.clone());
        all
    }

    fn of_program(self, unset: &[String]) -> BTreeMap<String, String> {
        let mut all = self.inherited;
        all.retain(|name, _| !unset.iter().any(|pattern| glob(pattern, name)));
        all.extend(self.declared);
        all
    }
}

fn from_files(files: &[PathBuf]) -> Result<BTreeMap<String, String>, StartError> {
    let mut variables = BTreeMap::new();
    for path in files {
        variables.extend(read_variables(path)?);
    }
    Ok(variables)
}

/// The variables of a file, as a program gets them.
pub(super) fn read_variables(path: &Path) -> Result<Vec<(String, String)>, StartError> {
    let wrong = |why: String| StartError::new(StartErrorKind::EnvFile, format!("env_file {}: {why}", path.display()));
    let text = read_trusted(path, Trust::System).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(text).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    dotenv::parse(&text).map_err(wrong)
}
