//! A plan for the comment on a pull request.

use super::summary::{refusal, summary};
use super::text::plain;
use super::{Extent, PlanView, Style, detail, human, rounds};

/// A list that a reader of `diff` colours, and the details folded. What comes from outside stands in fences that it cannot end.
pub fn plan_markdown(view: &PlanView<'_>, extent: Extent) -> String {
    let fleet = &view.desired.fleet;
    let style = Style { width: usize::MAX, ..Style::PLAIN };
    if view.plan.is_empty() {
        return format!("**Fleet `{fleet}`**\n\n{}", fenced("text", &human::plan_human(view, extent, style)));
    }
    let mut listing = String::new();
    human::listing(view, extent, style, &mut listing);
    // A reader of `diff` wants the sign as the first character.
    let listing: String = listing.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect();
    let mut out = format!("**Fleet `{fleet}`**: {}\n\n", summary(view.plan));
    for guard in view.plan.broken_guards() {
        out.push_str(&format!("> {}\n\n", refusal(guard)));
    }
    out.push_str(&fenced("diff", &listing));
    let mut details = String::new();
    detail::write(view, extent, style, &mut details);
    let rounds: String = rounds::lines(view.rounds, extent).iter().map(|round| format!("{round}\n")).collect();
    for (title, text) in [("Details", details.trim_start_matches('\n')), ("Rounds to come", &rounds)] {
        if !text.is_empty() {
            out.push_str(&format!("<details><summary>{title}</summary>\n\n{}</details>\n\n", fenced("text", text)));
        }
    }
    let gaps: String = view.observed.gaps.iter().map(|gap| format!("not looked at: {}\n", plain(gap))).collect();
    let gaps = gaps + &view.observed.warnings.iter().map(|warning| format!("{}\n", plain(warning))).collect::<String>();
    let gaps = gaps + &human::conditions(view.observed).map(|told| told + "\n").collect::<String>();
    let mut halted = String::new();
    human::halted(view.manifest, view.observed, style, &mut halted);
    out.push_str(&fenced("text", &format!("{}\n{halted}{gaps}", human::header(view))));
    out
}

/// A block with a fence that is longer than any in its text.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{text}{fence}\n\n")
}
