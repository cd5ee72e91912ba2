//! Agents that wait for each other in a circle: it is cut at one place on the way out, and blocks on the way in.

use super::*;

#[test]
fn a_circle_made_of_two_manifests_is_cut() {
    // ada waits for bob by the manifest that applies now; bob waits for ada by that under which it was started.
    let manifest = "[guard]\nmax_stop = 2\n[agents.bob]\ncommand = [\"run\"]\n[agents.ada]\ncommand = [\"run\"]\nafter = [\"bob\"]\n";
    let look = "ada running command=[\"old\"] after=[]\n bob running command=[\"old\"] after=[\"ada\"]";
    check_rounds("", manifest, look, "bob drain 1 by 1: keys C-c\n ada drain 1 by 1: keys C-c, bob spawn 2\n ada spawn 2");
}

/// A look in which some live under cares that wait for each other, which no one manifest can say.
fn in_a_circle(manifest: &str, look: &str, edges: &[(&str, &str)], terms: &str) -> (String, Desired, Observed) {
    let desired = desired(manifest);
    let mut observed = look::read(manifest, &desired, look);
    for (from, to) in edges {
        let spec = observed.agents.get_mut(*from).unwrap().spec.as_mut().unwrap();
        spec.care.after.insert(name(to), Milestone::Ready);
    }
    let terms = read_terms(terms);
    let plan = plan(&desired, &observed, &terms);
    laws::hold(&desired, &observed, &terms, &plan);
    (show(&plan), desired, observed)
}

#[test]
fn a_circle_of_those_who_go_is_cut_at_one_place() {
    let look = "ada running\n bob running\n cyd running";
    let (plan, ..) = in_a_circle("", look, &[("ada", "bob"), ("bob", "cyd"), ("cyd", "ada")], "unbound");
    assert_eq!(
        plan,
        tidy(
            "
        ada  stop  asked for  drain 1 by 1: keys C-c
        bob  stop  asked for  waits for the end of ada
        cyd  stop  asked for  waits for the end of bob
    "
        )
    );
    // What stands behind a circle waits for it, and is held with it.
    let circle = [("ada", "bob"), ("bob", "ada"), ("bob", "zoe")];
    let (plan, ..) = in_a_circle("", "ada running\n bob running\n zoe running", &circle, "unbound");
    assert_eq!(
        plan,
        tidy(
            "
        ada  stop  asked for  drain 1 by 1: keys C-c
        bob  stop  asked for  waits for the end of ada
        zoe  stop  asked for  waits for the end of bob
    "
        )
    );
    let (plan, ..) = in_a_circle("", "ada running\n bob running protect=true\n zoe running", &circle, "unbound");
    assert_eq!(
        plan,
        tidy(
            "
        ada  stop  asked for  held: by bob
        bob  stop  asked for  held: protected
        zoe  stop  asked for  held: by bob
    "
        )
    );
    // Waiting for oneself is no wait.
    let (plan, ..) = in_a_circle("", "ada running", &[("ada", "ada")], "unbound");
    assert_eq!(plan, tidy("ada  stop  asked for  drain 1 by 1: keys C-c"));
}

#[test]
fn a_circle_of_those_who_start_is_blocked() {
    // The loader refuses it; whoever makes a fleet by other means is told.
    let manifest = "[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\n[agents.cyd]\ncommand = [\"run\"]\n";
    let mut desired = desired(manifest);
    for (from, to) in [("ada", "bob"), ("bob", "ada"), ("cyd", "cyd")] {
        desired.agents.get_mut(from).unwrap().spec.care.after.insert(name(to), Milestone::Ready);
    }
    let observed = look::read(manifest, &desired, "ada absent\n bob absent\n cyd absent");
    let plan = plan(&desired, &observed, &Terms::default());
    assert_eq!(
        show(&plan),
        tidy(
            "
        ada  spawn  new in the manifest  dependency_cycle: waits for itself in a circle of `after`
        bob  spawn  new in the manifest  dependency_cycle: waits for itself in a circle of `after`
        cyd  spawn  new in the manifest  dependency_cycle: waits for itself in a circle of `after`
    "
        )
    );
}
