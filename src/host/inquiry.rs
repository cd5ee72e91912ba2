//! Probes that nobody waits for: what takes long is asked beside the rounds, and its answer counts in the round after it has come. So one that hangs
//! delays no other agent.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::helpers::Helpers;
use super::news::Bell;
use super::probe::ask_one;
use super::{Answer, Query};
use crate::desired::Probe;
use crate::quit;

/// Answers that come this soon count in the same round.
const AT_ONCE: Duration = Duration::from_millis(20);

/// So many are asked at the same time; the others have their turn in a later round.
const MOST: usize = 64;

/// An answer that nobody asked for again is forgotten after this time.
const KEPT: Duration = Duration::from_secs(60);

/// What is being asked, and the answers that nobody has taken yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Inquiries {
    shared: Arc<Shared>,
    /// How long the answer to a question that was not asked before is waited for, where that is longer than at once.
    at_first: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    asked: Mutex<BTreeMap<String, Inquiry>>,
    answered: Condvar,
    helpers: Helpers,
}

#[derive(Debug)]
struct Inquiry {
    answer: Option<(Answer, Instant)>,
    /// Whether a round waits for it at this moment.
    is_awaited: bool,
}

/// Whether an answer to this may take long.
pub(super) fn takes_long(probe: &Probe) -> bool {
    match probe {
        Probe::Tcp(_) | Probe::Http { .. } | Probe::Command(_) => true,
        Probe::Screen(_) | Probe::File(_) | Probe::Delay(_) | Probe::Heartbeat { .. } | Probe::Preset => false,
    }
}

impl Inquiries {
    /// With so long for the first answer to a question: it is waited for once, and then counts when it comes.
    pub(super) fn waiting(at_first: Duration) -> Self {
        Self { shared: Arc::default(), at_first }
    }

    /// One answer for each question, in their order; for those that have none yet, [`Answer::Pending`]. The bell rings when one has.
    pub(super) fn ask(&self, questions: &[&Query], bell: Option<&Bell>) -> Vec<Answer> {
        let keys: Vec<String> = questions.iter().map(|query| key(query)).collect();
        let mut asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, inquiry| inquiry.answer.as_ref().is_none_or(|(_, at)| at.elapsed() < KEPT));
        let mut end = Instant::now() + AT_ONCE;
        for (query, key) in questions.iter().zip(&keys) {
            let busy = asked.values().filter(|inquiry| inquiry.answer.is_none()).count();
            if !asked.contains_key(key) && busy < MOST {
                end = end.max(Instant::now() + quit::patience(self.at_first));
                asked.insert(key.clone(), Inquiry { answer: None, is_awaited: true });
                if let Err(error) = self.begin((*query).clone(), key.clone(), bell.cloned()) {
                    let answer = Answer::Unknown(format!("it could not be asked: no thread can be started: {error}"));
                    asked.insert(key.clone(), Inquiry { answer: Some((answer, Instant::now())), is_awaited: true });
                }
            } else if let Some(inquiry) = asked.get_mut(key) {
                inquiry.is_awaited = true;
            }
        }
        let open =
            |asked: &BTreeMap<String, Inquiry>| keys.iter().any(|key| asked.get(key).is_some_and(|inquiry| inquiry.answer.is_none()));
        while open(&asked) {
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            asked = self.shared.answered.wait_timeout(asked, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut take = |key: &String| match asked.get_mut(key) {
            Some(Inquiry { answer: Some(_), .. }) => {
                asked.remove(key).and_then(|inquiry| inquiry.answer).map_or(Answer::Pending, |(answer, _)| answer)
            }
            Some(inquiry) => {
                inquiry.is_awaited = false;
                Answer::Pending
            }
            None => Answer::Pending,
        };
        keys.iter().map(&mut take).collect()
    }

    /// Ends the commands that have not answered.
    pub(super) fn end_all(&self) {
        self.shared.helpers.end_all();
    }

    fn begin(&self, query: Query, key: String, bell: Option<Bell>) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let answer = ask_one(&query, &shared.helpers);
            let mut asked = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(inquiry) = asked.get_mut(&key) else { return };
            inquiry.answer = Some((answer, Instant::now()));
            shared.answered.notify_all();
            if let (false, Some(bell)) = (inquiry.is_awaited, bell) {
                bell.ring();
            }
        };
        std::thread::Builder::new().name("probe".to_owned()).spawn(work).map(drop)
    }
}

/// The same question about the same life.
fn key(query: &Query) -> String {
    let Query { instance, probe, owner, cwd, since } = query;
    format!("{} {} {probe:?} {owner:?} {cwd:?} {since:?}", instance.agent, instance.generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Owner;
    use crate::observed::{Instance, Seat};

    fn query(script: &str) -> Query {
        let instance = Instance {
            agent: "a".parse().unwrap(),
            generation: crate::desired::Generation(1),
            mark: None,
            keeper: None,
            program: None,
            seat: Seat::Adrift { processes: Vec::new() },
        };
        let probe = Probe::Command(["sh", "-c", script].map(str::to_owned).to_vec());
        Query { instance, probe, owner: Owner::Any, cwd: Some("/".into()), since: None }
    }

    #[test]
    fn a_new_question_is_waited_for_once_and_then_no_more() {
        let inquiries = Inquiries::waiting(Duration::from_secs(20));
        assert_eq!(inquiries.ask(&[&query("sleep 0.2")], None), [Answer::Yes], "it is waited for");
        let inquiries = Inquiries::waiting(Duration::from_millis(200));
        let hangs = query("exec sleep 1075");
        let asks = || {
            let begun = Instant::now();
            (inquiries.ask(&[&hangs], None), begun.elapsed())
        };
        let (answers, took) = asks();
        assert!(answers == [Answer::Pending] && took >= Duration::from_millis(200), "{took:?}");
        let shortest = (0..20).map(|_| asks().1).min().unwrap();
        assert!(shortest < Duration::from_millis(150), "{shortest:?}");
        inquiries.end_all();
    }

    #[test]
    fn a_probe_that_hangs_is_pending_and_delays_no_other() {
        let root = tempfile::tempdir().unwrap();
        let gate = root.path().join("gate");
        let hangs = query(&format!("until test -e {}; do read -t 0.05 x < /dev/tty || sleep 0.05; done", gate.display()));
        let inquiries = Inquiries::default();
        let quick = query("exit 3");
        let begun = Instant::now();
        let mut answers = inquiries.ask(&[&hangs, &quick], None);
        assert_eq!(answers[0], Answer::Pending);
        let end = Instant::now() + Duration::from_secs(20);
        while answers[1] == Answer::Pending && Instant::now() < end {
            answers = inquiries.ask(&[&hangs, &quick], None);
        }
        assert!(matches!(&answers[1], Answer::No(why) if why.contains("exit status: 3")), "{answers:?}");
        assert!(begun.elapsed() < Duration::from_secs(4), "the slow one was waited for");
        std::fs::write(&gate, "").unwrap();
        let mut answer = Answer::Pending;
        while answer == Answer::Pending && Instant::now() < end {
            answer = inquiries.ask(&[&hangs], None).remove(0);
        }
        assert_eq!(answer, Answer::Yes);
    }
}
