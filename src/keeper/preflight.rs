//! What a keeper would find wrong with a start, found out before anything is stopped for it. These are the keeper's own rules, asked by the look
//! that comes before the start; the values of secrets are not looked up.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::status::{StartError, StartErrorKind};
use super::{Spec, environment, exec_size};
use crate::process::{find_program, is_settling, is_unfinished, search_program, written_by};

/// A file of variables as it was read.
type Variables = Result<Vec<(String, String)>, StartError>;

/// What was found out already: a thousand agents share a few files and programs.
#[derive(Debug, Default)]
pub struct Preflight {
    files: HashMap<PathBuf, Variables>,
    programs: HashMap<(String, Option<String>, PathBuf), Result<PathBuf, String>>,
    /// The process that has a program open for writing.
    writers: HashMap<PathBuf, Option<u32>>,
    is_careful: bool,
}

impl Preflight {
    /// The file that the keeper would execute for this spec; none where only a secret says in which PATH it is looked for.
    ///
    /// # Errors
    ///
    /// Why the keeper would not start it: a file of variables, the program or its interpreter, or words that the kernel does not take.
    pub fn program(&mut self, spec: &Spec) -> Result<Option<PathBuf>, StartError> {
        let mut from_files = BTreeMap::new();
        for path in &spec.env_files {
            let read = self.files.entry(path.clone()).or_insert_with(|| environment::read_variables(path));
            from_files.extend(read.clone()?);
        }
        let mut variables = environment::foreseen(spec, from_files);
        let wrong = |why: String| StartError::new(StartErrorKind::Program, why);
        let name = spec.argv.first().ok_or_else(|| wrong("no program is named".to_owned()))?;
        exec_size::check(&spec.argv, &variables).map_err(|why| wrong(format!("{}: {why}", name.escape_debug())))?;
        if spec.secrets.contains_key("PATH") {
            return Ok(None);
        }
        let path = variables.remove("PATH");
        let named = |why: String| format!("{}: {why}", name.escape_debug());
        match self.find(name, path.clone(), &spec.cwd) {
            Ok(found) => match self.unsettled(&found) {
                Some(why) => Err(StartError::new(StartErrorKind::Unsettled, named(why))),
                None => Ok(Some(found)),
            },
            // What is installed just now may be whole at the next look.
            Err(why) => match search_program(name, path.as_deref(), &spec.cwd) {
                Ok(file) if is_unfinished(&file) => Err(StartError::new(StartErrorKind::Unsettled, named(why))),
                Ok(_) | Err(_) => Err(wrong(named(why))),
            },
        }
    }

    /// From now on, a program that was changed within the last second counts as one that is being written, or it does not: for whoever can wait.
    pub fn be_careful(&mut self, is_careful: bool) {
        self.is_careful = is_careful;
    }

    /// Why a program that could be started is better not started yet.
    fn unsettled(&mut self, file: &Path) -> Option<String> {
        if let Some(pid) = self.writers.entry(file.to_owned()).or_insert_with(|| written_by(file)) {
            return Some(format!("its file is being written, by process {pid}"));
        }
        (self.is_careful && is_settling(file)).then(|| "its file was changed within the last second".to_owned())
    }

    fn find(&mut self, name: &str, path: Option<String>, cwd: &Path) -> Result<PathBuf, String> {
        // Only a relative path depends on the folder.
        let is_relative = if name.contains('/') { !name.starts_with('/') } else { path.as_ref().is_some_and(|path| !is_absolute(path)) };
        let key = (name.to_owned(), path, if is_relative { cwd.to_owned() } else { PathBuf::new() });
        if let Some(known) = self.programs.get(&key) {
            return known.clone();
        }
        let found = find_program(name, key.1.as_deref(), cwd);
        self.programs.entry(key).or_insert(found).clone()
    }
}

fn is_absolute(path: &str) -> bool {
    path.split(':').all(|folder| folder.starts_with('/'))
}
