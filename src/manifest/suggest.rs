//! "Did you mean": hints from the words that would have been right.

/// `did you mean …?` with the word that is nearest to `wrong`, if one is near.
pub(crate) fn did_you_mean<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, words).map(|word| format!("did you mean `{word}`?"))
}

/// The word that is nearest to `wrong`, if one is near.
pub(crate) fn nearest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let likeness = |word: &str| {
        let word = word.to_lowercase();
        let begins = word.len().min(wrong.len()) >= 3 && (word.starts_with(&wrong) || wrong.starts_with(&word));
        strsim::normalized_damerau_levenshtein(&wrong, &word) + if begins { 0.4 } else { 0.0 }
    };
    // At 0.6, a third of the letters may be wrong: it finds slips of the finger, but no unrelated words.
    words
        .map(|word| (likeness(word), word))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, word)| word)
}

/// Words in backticks with commas.
pub(crate) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
