//! The key that turns secrets into digests which mean nothing elsewhere: `key`, 32 random bytes, made once.

use anyhow::{Context, Result, bail};

use super::files::Folder;

const NAME: &str = "key";

/// The key of one fleet. Two equal values of a secret have the same digest; without the key, a digest cannot be tried against guesses.
pub struct Key([u8; 32]);

impl Key {
    /// The digest of a secret's value, to be remembered and compared.
    pub fn digest(&self, name: &str, value: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        // The length stands before the name, so that no two pairs give the same text.
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(value);
        format!("blake3-keyed:{}", hasher.finalize().to_hex())
    }
}

/// The key, if there is one.
pub(super) fn read(folder: &Folder) -> Result<Option<Key>> {
    let path = folder.path_of(NAME);
    let mut buffer = Vec::new();
    if !folder.read(NAME, &mut buffer).with_context(|| format!("cannot read the key {}", path.display()))? {
        return Ok(None);
    }
    match buffer.try_into() {
        Ok(key) => Ok(Some(Key(key))),
        // Another key would make every secret look changed.
        Err(_) => bail!(
            "the key {} is damaged: nothing was compared. Remove it to make a new one; agents whose secrets have `on_change = \"replace\"` \
             are replaced once then",
            path.display()
        ),
    }
}

/// The key, made if there is none yet.
pub(super) fn make(folder: &Folder) -> Result<Key> {
    if let Some(key) = read(folder)? {
        return Ok(key);
    }
    let mut key = [0; 32];
    let mut filled = 0;
    while filled < key.len() {
        filled += rustix::rand::getrandom(&mut key[filled..], rustix::rand::GetRandomFlags::empty()).context("cannot make a random key")?;
    }
    folder.create(NAME, &key).with_context(|| format!("cannot write the key {}", folder.path_of(NAME).display()))?;
    // Another process may have been faster: what stands there counts.
    read(folder)?.context("the key vanished while it was being made")
}
