//! Finding the file that a name of a program stands for, as a shell in the declared environment would. The keeper that starts the program and the
//! look that comes before the start use this one search, so what the look finds is what the keeper runs.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::interpreter;
use crate::desired::DEFAULT_PATH;

/// The file that would be executed for `name`, searched in `path` by a process in the folder `cwd`; `DEFAULT_PATH` without a `path`.
///
/// # Errors
///
/// Why the kernel would not execute it, in words that continue the program's name: it is not there, not executable, or what it is run by (the
/// interpreter of a script, the loader of a binary) is missing.
pub fn find_program(name: &str, path: Option<&str>, cwd: &Path) -> Result<PathBuf, String> {
    let file = search_program(name, path, cwd)?;
    interpreter::check(&file, path, cwd).map(|()| file)
}

/// The same without a look at what the file is run by.
///
/// # Errors
///
/// Why there is no such file to execute.
pub fn search_program(name: &str, path: Option<&str>, cwd: &Path) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("no program is named".to_owned());
    }
    if name.contains('/') {
        let file = cwd.join(name);
        return is_executable(&file).map(|()| file).map_err(why);
    }
    let path = path.unwrap_or(DEFAULT_PATH);
    let mut forbidden = None;
    for folder in path.split(':') {
        // An empty entry is the working folder. A name without a slash would be searched once more when it is executed.
        let file = cwd.join(if folder.is_empty() { "." } else { folder }).join(name);
        match is_executable(&file) {
            Ok(()) => return Ok(file),
            Err(Errno::ACCESS) => forbidden = forbidden.or(Some(file)),
            Err(_) => {}
        }
    }
    match forbidden {
        Some(file) => Err(format!("{} is not executable", file.display())),
        None => Err(format!("it is not in the PATH of the agent: {path}")),
    }
}

fn is_executable(file: &Path) -> Result<(), Errno> {
    let facts = std::fs::metadata(file).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    match (facts.is_dir(), facts.is_file()) {
        (true, _) => Err(Errno::ISDIR),
        (false, true) => access(file, Access::EXEC_OK),
        (false, false) => Err(Errno::ACCESS),
    }
}

fn why(errno: Errno) -> String {
    match errno {
        Errno::NOENT | Errno::NOTDIR => "it does not exist".to_owned(),
        Errno::ACCESS => "it is not executable".to_owned(),
        Errno::ISDIR => "it is a folder".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let path = folder.path().to_str();
        let find = |name: &str, path| find_program(name, path, folder.path());
        assert_eq!(find("tool", path), Err(format!("{} is not executable", file.display())));
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(find("tool", path), Ok(file.clone()));
        assert_eq!(find("tool", Some("/bin:")), Ok(folder.path().join("./tool")), "an empty entry is the working folder");
        assert_eq!(find("./tool", Some("/bin")), Ok(folder.path().join("./tool")));
        assert_eq!(find("tool", Some("/bin")), Err("it is not in the PATH of the agent: /bin".to_owned()));
        assert_eq!(find("", path), Err("no program is named".to_owned()));
        assert_eq!(find("./none", path), Err("it does not exist".to_owned()));
        assert_eq!(find("./tool/none", path), Err("it does not exist".to_owned()));
        assert_eq!(find(path.unwrap(), Some("/bin")), Err("it is a folder".to_owned()));
        assert_eq!(find("/dev/null", None), Err("it is not executable".to_owned()));
        assert!(find("sh", None).is_ok());
    }

    #[test]
    fn without_a_path_local_programs_are_found_too() {
        assert!(DEFAULT_PATH.split(':').any(|folder| folder == "/usr/local/bin"));
        assert_eq!(
            search_program("no-such-tool", None, Path::new("/")),
            Err(format!("it is not in the PATH of the agent: {DEFAULT_PATH}"))
        );
    }
}
