//! What an executable file is itself run by: the interpreter that the first line of a script names, the loader that a binary names. Where one of
//! these is missing the kernel says "No such file or directory" of a file that is there.
//!
//! An interpreter by a relative path, which no script that works has, is not judged.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{program_file, program_search::search_program};

/// The part of a first line that the kernel reads.
const FIRST_LINE: usize = 256;

/// How many interpreters may be scripts that have one themselves; the kernel follows no more.
const DEPTH: usize = 5;

/// Errors with what is missing, in words that continue the file's name. A file that cannot be read, or is a binary of another machine, is not judged.
pub(super) fn check(file: &Path, path: Option<&str>, cwd: &Path) -> Result<(), String> {
    check_at(file, path, cwd, DEPTH)
}

fn check_at(file: &Path, path: Option<&str>, cwd: &Path, depth: usize) -> Result<(), String> {
    let mut head = [0; FIRST_LINE];
    let Ok(mut opened) = File::open(file) else { return Ok(()) };
    let Ok(length) = opened.read(&mut head) else { return Ok(()) };
    let head = &head[..length];
    program_file::check(&opened, head)?;
    if head.starts_with(b"\x7fELF") {
        return loader(&opened, head).map_or(Ok(()), |loader| there("loader", &loader, ""));
    }
    let Some(line) = head.strip_prefix(b"#!") else { return Ok(()) };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let blank = [' ', '\t'];
    let line = line.trim_matches(blank);
    let (interpreter, argument) = line.split_once(blank).unwrap_or((line, ""));
    if !interpreter.starts_with('/') {
        return Ok(());
    }
    let crlf = if line.ends_with('\r') { " (the script has CRLF line ends)" } else { "" };
    there("interpreter", interpreter, crlf)?;
    if let Some(program) = by_env(interpreter, argument)
        && search_program(program, path, cwd).is_err()
    {
        let program = program.escape_debug();
        return Err(format!("its interpreter `{program}`, which {interpreter} runs, is not in the PATH of the agent{crlf}"));
    }
    if depth == 0 {
        return Err("its first line leads to no program: its interpreters are scripts that are run by each other".to_owned());
    }
    check_at(Path::new(interpreter), path, cwd, depth - 1).map_err(|why| match why.strip_prefix("it is ") {
        Some(why) => format!("its interpreter `{}` is {why}", interpreter.escape_debug()),
        None => why,
    })
}

fn there(what: &str, file: &str, more: &str) -> Result<(), String> {
    if !file.starts_with('/') {
        return Ok(());
    }
    search_program(file, None, Path::new("/")).map(drop).map_err(|why| {
        let why = why.strip_prefix("it ").unwrap_or(&why);
        format!("its {what} `{}` {why}{more}", file.escape_debug())
    })
}

/// The program that `env` would look for, if it is asked for nothing else.
fn by_env<'a>(interpreter: &str, argument: &'a str) -> Option<&'a str> {
    if interpreter.rsplit('/').next() != Some("env") {
        return None;
    }
    let argument = argument.trim_start();
    // Without -S, all that follows is one word.
    let word = match argument.strip_prefix("-S") {
        Some(words) => words.trim_start().split([' ', '\t']).next()?,
        None => argument,
    };
    // Other options and assignments may change where it looks, and a quote the word.
    let is_plain = !word.is_empty() && !word.starts_with('-') && !word.contains(['=', '"', '\'', '\\', '$', '/']);
    is_plain.then_some(word)
}

/// The loader that an ELF file of this machine names, for 64 bits and the byte order of this machine: others may be run by an emulator, which has its
/// own place for it.
fn loader(file: &File, head: &[u8]) -> Option<String> {
    let number = |bytes: &[u8], at: usize, length: usize| -> Option<u64> {
        let mut wide = [0; 8];
        wide[..length].copy_from_slice(bytes.get(at..at + length)?);
        Some(u64::from_le_bytes(wide))
    };
    const LOADER: u64 = 3;
    let is_native = head.get(4..6) == Some(&[2, 1]) && cfg!(target_endian = "little") && number(head, 18, 2)? == native()?;
    if !is_native {
        return None;
    }
    let (table, size, count) = (number(head, 32, 8)?, number(head, 54, 2)?, number(head, 56, 2)?);
    for entry in 0..count.min(64) {
        let mut header = [0; 56];
        file.read_exact_at(&mut header, table.checked_add(entry * size)?).ok()?;
        if number(&header, 0, 4)? == LOADER {
            let (offset, length) = (number(&header, 8, 8)?, number(&header, 32, 8)?);
            let mut name = vec![0; usize::try_from(length).ok().filter(|length| *length <= 4096)?];
            file.read_exact_at(&mut name, offset).ok()?;
            let name = String::from_utf8(name).ok()?;
            return Some(name.trim_end_matches('\0').to_owned()).filter(|name| !name.is_empty());
        }
    }
    None
}

/// The number by which ELF calls this machine.
fn native() -> Option<u64> {
    match std::env::consts::ARCH {
        "x86_64" => Some(62),
        "aarch64" => Some(183),
        "riscv64" => Some(243),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    #[track_caller]
    fn verdict(content: &[u8]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("start");
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
        check(&file, Some("/usr/bin:/bin"), folder.path())
    }

    #[test]
    fn a_script_whose_interpreter_is_missing_is_told_with_its_name() {
        for (script, why) in [
            ("#!/bin/sh\r\necho\r\n", r"its interpreter `/bin/sh\r` does not exist (the script has CRLF line ends)"),
            ("#!/nowhere/sh -e\n", "its interpreter `/nowhere/sh` does not exist"),
            ("#! /etc/passwd\n", "its interpreter `/etc/passwd` is not executable"),
            ("#!/usr/bin/env no-such-tool\n", "its interpreter `no-such-tool`, which /usr/bin/env runs, is not in the PATH of the agent"),
            (
                "#!/usr/bin/env -S no-such-tool -x\n",
                "its interpreter `no-such-tool`, which /usr/bin/env runs, is not in the PATH of the agent",
            ),
            (
                "#!/usr/bin/env sh\r\n",
                r"its interpreter `sh\r`, which /usr/bin/env runs, is not in the PATH of the agent (the script has CRLF line ends)",
            ),
        ] {
            assert_eq!(verdict(script.as_bytes()), Err(why.to_owned()), "{script:?}");
        }
    }

    #[test]
    fn what_the_kernel_would_not_run_is_told() {
        let shell = "it is neither a binary nor a script whose first line names an interpreter, such as `#!/bin/sh`";
        for (content, why) in
            [("echo without a first line\n", shell), ("", "it is empty"), ("\x7fELF cut off", "it is cut off within its ELF header")]
        {
            assert_eq!(verdict(content.as_bytes()), Err(why.to_owned()), "{content:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, interpreter: &Path| {
            let file = folder.path().join(name);
            std::fs::write(&file, format!("#!{}\n", interpreter.display())).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
            file
        };
        let itself = script("itself", &folder.path().join("itself"));
        let circle = Err("its first line leads to no program: its interpreters are scripts that are run by each other".to_owned());
        assert_eq!(check(&itself, None, folder.path()), circle);
        // As many as the kernel follows, and one more.
        let mut last = PathBuf::from("/bin/sh");
        for number in 0..DEPTH {
            last = script(&number.to_string(), &last);
            assert_eq!(check(&last, None, folder.path()), Ok(()));
            assert!(std::process::Command::new(&last).stdin(std::process::Stdio::null()).status().is_ok(), "{number}");
        }
        let more = script("more", &last);
        assert_eq!(check(&more, None, folder.path()), circle);
        assert!(std::process::Command::new(&more).stdin(std::process::Stdio::null()).status().is_err());
    }

    #[test]
    fn what_can_run_or_cannot_be_judged_is_let_through() {
        for script in [
            "#!/bin/sh\n",
            "#!/bin/sh",
            "#! /bin/sh -e\n",
            "#!\n",
            "#!   \n",
            "#!python\n",
            "#!/usr/bin/env sh\n",
            "#!/usr/bin/env -S sh -e\n",
            "#!/usr/bin/env -i sh\n",
            "#!/usr/bin/env PATH=/x tool\n",
        ] {
            assert_eq!(verdict(script.as_bytes()), Ok(()), "{script:?}");
        }
        assert_eq!(check(Path::new("/nowhere"), None, Path::new("/")), Ok(()));
    }

    #[test]
    fn a_binary_whose_loader_is_missing_is_told_with_its_name() {
        let mut binary = std::fs::read("/bin/sh").unwrap();
        let loader = loader(&File::open("/bin/sh").unwrap(), &binary[..FIRST_LINE]).expect("the shell of this machine has a loader");
        assert_eq!(verdict(&binary), Ok(()));
        let at = binary.windows(loader.len()).position(|window| window == loader.as_bytes()).unwrap();
        binary[at + 1] = b'X';
        let missing = format!("its loader `/X{}` does not exist", &loader[2..]);
        assert_eq!(verdict(&binary), Err(missing));
    }
}
