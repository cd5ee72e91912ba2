//! The next key that answers a dialog. One step at a time: after each key the screen is read again.

use super::rules::Dialog;
use super::{Meaning, Reading};

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One key, `Up` or `Down`, towards the wanted row.
    Move(&'static str),
    /// The wanted row is selected: `Enter`.
    Confirm,
    /// These keys, as the rule says.
    Press(Vec<String>),
    /// No key is safe, and why.
    Refuse(String),
}

impl Answer {
    /// The keys to press, by the names that tmux gives them. Never a digit of our own: what a digit selects differs between versions.
    pub fn keys(&self) -> Vec<String> {
        match self {
            Self::Move(key) => vec![(*key).to_owned()],
            Self::Confirm => vec!["Enter".to_owned()],
            Self::Press(keys) => keys.clone(),
            Self::Refuse(_) => Vec::new(),
        }
    }
}

/// The next step towards the row of the wanted dialog that is chosen by its label.
pub fn answer(reading: &Reading, wanted: &Dialog) -> Answer {
    next(reading, wanted).unwrap_or_else(Answer::Refuse)
}

fn next(reading: &Reading, wanted: &Dialog) -> Result<Answer, String> {
    let Meaning::Dialog { name, choices, selected } = &reading.meaning else {
        return Err(format!("the screen does not show the dialog `{}`", wanted.name));
    };
    if *name != wanted.name {
        return Err(format!("the screen shows the dialog `{name}`, not `{}`", wanted.name));
    }
    if wanted.human {
        return Err(format!("only a person may answer the dialog `{name}`"));
    }
    if !wanted.keys.is_empty() {
        return Ok(Answer::Press(wanted.keys.clone()));
    }
    let choose = wanted.choose.as_ref().ok_or_else(|| format!("no rule says how to answer the dialog `{name}`"))?;
    let rows: Vec<usize> = (0..choices.len()).filter(|row| choose.matches(&choices[*row].label)).collect();
    let [row] = rows[..] else {
        return Err(format!("{} rows of the dialog `{name}` have a label like `{}`", rows.len(), choose.as_str()));
    };
    if wanted.decline.as_ref().is_some_and(|decline| decline.matches(&choices[row].label)) {
        return Err(format!("`{}` both accepts and declines the dialog `{name}`", choices[row].label));
    }
    let selected = selected.ok_or_else(|| format!("it cannot be seen which row of the dialog `{name}` is selected"))?;
    Ok(match row.cmp(&selected) {
        std::cmp::Ordering::Less => Answer::Move("Up"),
        std::cmp::Ordering::Equal => Answer::Confirm,
        std::cmp::Ordering::Greater => Answer::Move("Down"),
    })
}
