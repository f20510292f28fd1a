//! `kubeproof cleanup`: shows what dead runs left, asks, and has it removed.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use jiff::Timestamp;

use super::args::CleanupArgs;
use super::exit::Exit;
use super::runtime::Runtime;
use super::{eprint_text, print_line, print_text};
use crate::cluster::{Cluster, ClusterError};
use crate::report::sanitize;
use crate::sweep::{self, Fate, Found, Left, MarkedRun, SweepError, Wish};

/// Shows, asks, removes.
pub fn execute(args: &CleanupArgs) -> Exit {
    let wish = match (&args.run, args.older_than) {
        (Some(run), _) => Wish::Run(run.clone()),
        (None, Some(least)) => Wish::OlderThan(least),
        (None, None) => Wish::All,
    };
    let asks = wish == Wish::All && !args.yes && !args.dry_run;
    if asks && !io::stdin().is_terminal() {
        eprint_text("error: nobody can be asked, since this is no terminal: --all needs --yes\n");
        return Exit::Usage;
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprint_text(&format!("error: no runtime: {error}\n"));
            return Exit::Errored;
        }
    };
    let (cluster, found) = match runtime.block_on(look(args, &wish)) {
        Ok(found) => found,
        Err(message) => {
            eprint_text(&format!("error: {message}\n"));
            return Exit::Errored;
        }
    };
    for note in notes(&found, &wish) {
        eprint_text(&format!("note: {}\n", sanitize::line(&note)));
    }
    let chosen: Vec<_> = found
        .runs
        .iter()
        .filter(|run| wish.fate(run, found.now) == Fate::Removed)
        .collect();
    if chosen.is_empty() {
        print_line("there is nothing to remove");
        return Exit::Passed;
    }
    print_text(&plan(&chosen, found.now));
    if args.dry_run {
        return Exit::Passed;
    }
    if asks && !is_agreed() {
        print_line("nothing was removed");
        return Exit::Left;
    }
    let left = runtime.block_on(sweep::remove(&cluster, &chosen, args.timeout));
    print_text(&result(&chosen, &left));
    match left.is_empty() {
        true => Exit::Passed,
        false => Exit::Left,
    }
}

/// Connects and finds what is there.
async fn look(args: &CleanupArgs, wish: &Wish) -> Result<(Cluster, Found), String> {
    let options = args.connection.options();
    let cluster = Cluster::connect(&options)
        .await
        .map_err(|error| error.to_string())?;
    let run = match wish {
        Wish::Run(run) => Some(run.as_str()),
        Wish::OlderThan(_) | Wish::All => None,
    };
    let namespace = args.namespace.as_deref();
    let mut found = sweep::find(&cluster, run, namespace)
        .await
        .map_err(|error| match (&error, namespace) {
            (SweepError::Nothing(_), None) => {
                format!("{error}; --namespace NAME looks in one namespace only")
            }
            _ => error.to_string(),
        })?;
    // whoever cannot tell the dead from the living removes nothing
    match (found.unknown_life.take(), run) {
        (Some(error), None) => Err(SweepError::Leases(error).to_string()),
        _ => Ok((cluster, found)),
    }
}

/// What is left alone, and what could not be looked at.
fn notes(found: &Found, wish: &Wish) -> Vec<String> {
    let mut notes = Vec::new();
    for run in &found.runs {
        let seen = seen(run, found.now);
        match wish.fate(run, found.now) {
            Fate::Lives => notes.push(format!("run {} goes on ({seen}): left alone", run.id)),
            Fate::TooYoung => {
                notes.push(format!("run {} is too young ({seen}): left alone", run.id))
            }
            Fate::Removed if run.lives(found.now) => {
                notes.push(format!("run {} still goes on ({seen})", run.id));
            }
            Fate::Removed | Fate::Other => {}
        }
    }
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (kind, error) in &found.not_looked_at {
        reasons.entry(why(error)).or_default().push(kind);
    }
    for (why, kinds) in reasons {
        notes.push(format!("not looked at: {} ({why})", kinds.join(", ")));
    }
    notes
}

/// Why a kind could not be listed: in words that many kinds share.
fn why(error: &ClusterError) -> String {
    match error.code() {
        Some(403) => "you may not list them".to_owned(),
        Some(405) => "they cannot be listed".to_owned(),
        _ => error.to_string(),
    }
}

/// The runs with all that is there of them.
fn plan(runs: &[&MarkedRun], now: Timestamp) -> String {
    let mut text = String::new();
    for run in runs {
        text.push_str(&format!("run {}, {}:\n", run.id, seen(run, now)));
        for object in &run.objects {
            text.push_str(&format!("  {}\n", object.shown()));
        }
    }
    text
}

/// `last seen 3m5s ago`.
fn seen(run: &MarkedRun, now: Timestamp) -> String {
    match run.age(now) {
        Some(age) => format!("last seen {} ago", age_in_words(age)),
        None => "last seen nobody knows when".to_owned(),
    }
}

/// The two largest units: `3d4h`, `2h5m`, `1m30s`.
fn age_in_words(age: Duration) -> String {
    let seconds = age.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(amount, _)| *amount > 0);
    let Some(first) = first else {
        return "0s".to_owned();
    };
    parts[first..]
        .iter()
        .take(2)
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, unit)| format!("{amount}{unit}"))
        .collect()
}

fn result(runs: &[&MarkedRun], left: &[Left]) -> String {
    if left.is_empty() {
        let objects = runs.iter().map(|run| run.objects.len()).sum();
        return format!(
            "removed: {} of {}\n",
            count(objects, "object"),
            count(runs.len(), "run")
        );
    }
    let mut text = "Not cleaned up:\n".to_owned();
    for Left { object, reason } in left {
        let (object, reason) = (sanitize::line(object), sanitize::line(reason));
        text.push_str(&format!("  {object}: {reason}\n"));
    }
    text
}

fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}

/// Whether whoever sits at the terminal wants it.
fn is_agreed() -> bool {
    eprint_text("Remove all of it? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    let answer = answer.trim().to_lowercase();
    read.is_ok() && ["y", "yes"].contains(&answer.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (90, "1m30s"),
            (3600, "1h"),
            (7505, "2h5m"),
            (86_400 * 3 + 3600 * 4 + 59, "3d4h"),
        ] {
            assert_eq!(age_in_words(Duration::from_secs(seconds)), expected);
        }
    }
}
