//! Whether the kernel accepts a command line: it limits each word and variable, and all of them together.

use std::collections::BTreeMap;

use rustix::process::{Resource, getrlimit};

/// The longest word or variable in bytes, without the byte that ends it: 32 pages of 4 KiB (`MAX_ARG_STRLEN`).
const LONGEST: usize = 32 * 4096 - 1;

/// What the kernel always allows for all words and variables together, in bytes (`ARG_MAX`).
const LEAST: u64 = 128 * 1024;

/// What the kernel never exceeds: three quarters of the usual stack of 8 MiB.
const MOST: u64 = 6 << 20;

/// Errors with the word or the variable that is too long, by its place or name and never by its content, or with the length of all together.
pub(super) fn check(argv: &[String], environment: &BTreeMap<String, String>) -> Result<(), String> {
    let stack = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
    check_for(argv, environment, (stack / 4).clamp(LEAST, MOST))
}

fn check_for(argv: &[String], environment: &BTreeMap<String, String>, limit: u64) -> Result<(), String> {
    if let Some((at, word)) = argv.iter().enumerate().find(|(_, word)| word.len() > LONGEST) {
        let length = word.len();
        return Err(format!("word {at} of its command has {length} bytes, and the kernel takes at most {LONGEST}: put it into a file"));
    }
    let length = |name: &str, value: &str| name.len() + 1 + value.len();
    if let Some((name, value)) = environment.iter().find(|(name, value)| length(name, value) > LONGEST) {
        let length = length(name, value);
        return Err(format!("the variable {name} has {length} bytes, and the kernel takes at most {LONGEST}: put it into a file"));
    }
    // Each ends with a byte of its own and is pointed to; the program's file is one more.
    let strings = argv.iter().map(String::len).chain(environment.iter().map(|(name, value)| length(name, value)));
    let all: u64 = strings.chain(argv.first().map(String::len)).map(|length| length as u64 + 1 + 8).sum();
    if all > limit {
        return Err(format!("its command and its environment have {all} bytes together, and the kernel takes at most {limit}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn words(lengths: &[usize]) -> Vec<String> {
        std::iter::once("/bin/true".to_owned()).chain(lengths.iter().map(|length| "x".repeat(*length))).collect()
    }

    #[test]
    fn what_is_too_long_is_named_without_its_content() {
        let variables = |length: usize| BTreeMap::from([("KEY".to_owned(), "x".repeat(length))]);
        assert_eq!(check_for(&words(&[LONGEST]), &variables(10), MOST), Ok(()));
        let why = "word 1 of its command has 131072 bytes, and the kernel takes at most 131071: put it into a file";
        assert_eq!(check_for(&words(&[LONGEST + 1]), &variables(10), MOST), Err(why.to_owned()));
        assert_eq!(check_for(&words(&[]), &variables(LONGEST - 4), MOST), Ok(()));
        let why = "the variable KEY has 131072 bytes, and the kernel takes at most 131071: put it into a file";
        assert_eq!(check_for(&words(&[]), &variables(LONGEST - 3), MOST), Err(why.to_owned()));
        assert!(check_for(&words(&[LONGEST; 2]), &variables(10), LEAST).unwrap_err().contains("together"));
    }

    #[test]
    fn the_kernel_agrees() {
        let starts = |argv: &[String]| Command::new(&argv[0]).env_clear().args(&argv[1..]).status().is_ok();
        for lengths in [&[LONGEST][..], &[LONGEST + 1], &[100_000; 20], &[100_000; 80]] {
            let argv = words(lengths);
            assert_eq!(check(&argv, &BTreeMap::new()).is_ok(), starts(&argv), "{} words of {}", lengths.len(), lengths[0]);
        }
    }
}
