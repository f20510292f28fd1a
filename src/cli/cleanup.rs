//! `kubeproof cleanup`: shows what dead runs left, asks, and has it removed.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use jiff::Timestamp;

use super::args::CleanupArgs;
use super::exit::Exit;
use super::run::clusters;
use super::runtime::Runtime;
use super::{eprint_text, in_full, print_line, print_text};
use crate::cluster::{Cluster, ClusterError, ConnectOptions};
use crate::report::{sanitize, stream};
use crate::run;
use crate::secret::Mask;
use crate::sweep::{self, Fate, Found, Left, MarkedRun, SECRETS, SweepError, Wish};

/// Shows, asks, removes.
pub fn execute(args: &CleanupArgs, mask: &Mask, runtime: &Runtime) -> Exit {
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
    let connect = args.connection.options();
    let mut places = vec![(None, connect.clone())];
    match clusters(&args.clusters, &connect) {
        Ok(further) => {
            let further = further.into_iter();
            places.extend(further.map(|(name, options)| (Some(name), options)));
        }
        Err(message) => {
            eprint_text(&format!("error: {message}\n"));
            return Exit::Usage;
        }
    }
    let looking = async {
        run::note_credentials(mask, places.iter().map(|(_, options)| options)).await;
        let looks = places.iter();
        let looks = looks.map(|(_, options)| look(options, args, &wish, mask));
        futures::future::join_all(looks).await
    };
    let looks = match runtime.until_signal(looking) {
        Ok(looks) => looks,
        Err(exit) => return exit,
    };
    let mut seen = Vec::new();
    let mut is_blind = false;
    for ((name, _), look) in places.into_iter().zip(looks) {
        match look {
            Ok((cluster, found)) => seen.push(Seen {
                name,
                cluster,
                found,
            }),
            Err(message) => {
                let message = format!("{}{message}", prefix(name.as_deref()));
                eprint_text(&format!(
                    "error: {}\n",
                    sanitize::text(&mask.mask(&message))
                ));
                is_blind = true;
            }
        }
    }
    for Seen { name, found, .. } in &seen {
        for note in notes(found, &wish) {
            let note = format!("{}{note}", prefix(name.as_deref()));
            eprint_text(&format!("note: {}\n", sanitize::line(&mask.mask(&note))));
        }
    }
    let chosen: Vec<_> = seen
        .iter()
        .map(|seen| (seen, seen.chosen(&wish)))
        .filter(|(_, chosen)| !chosen.is_empty())
        .collect();
    let unseen: Vec<_> = seen.iter().flat_map(Seen::unseen).collect();
    // what could not be looked at may hold something
    let is_blind = is_blind || !unseen.is_empty();
    let at_best = |exit| if is_blind { Exit::Errored } else { exit };
    if chosen.is_empty() {
        if !unseen.is_empty() {
            let unseen = sanitize::line(&unseen.join(", "));
            print_line(&format!("nothing was found; not looked at: {unseen}"));
        } else if !seen.is_empty() {
            print_line("there is nothing to remove");
        }
        return at_best(Exit::Passed);
    }
    for (seen, chosen) in &chosen {
        let plan = plan(chosen, seen.found.now, seen.name.as_deref());
        print_text(&mask.mask(&plan));
    }
    if args.dry_run {
        return at_best(Exit::Passed);
    }
    if asks {
        let asking = async { tokio::task::spawn_blocking(is_agreed).await };
        match runtime.until_signal(asking) {
            Ok(Ok(true)) => {}
            Ok(_) => {
                print_line("nothing was removed");
                return at_best(Exit::Left);
            }
            Err(exit) => return exit,
        }
    }
    let namespace = args.namespace.as_deref();
    let removing = chosen
        .iter()
        .map(|(seen, chosen)| sweep::remove(&seen.cluster, chosen, namespace, args.timeout));
    let left = match runtime.until_signal(futures::future::join_all(removing)) {
        Ok(left) => left,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Passed;
    for ((seen, chosen), left) in chosen.iter().zip(left) {
        let result = result(chosen, &left, seen.name.as_deref());
        print_text(&mask.mask(&result));
        if !left.is_empty() {
            exit = Exit::Left;
        }
    }
    at_best(exit)
}

/// What was found in one cluster.
struct Seen {
    /// Nothing is the first, of `--kubeconfig` and `--context`.
    name: Option<String>,
    cluster: Cluster,
    found: Found,
}

impl Seen {
    fn chosen(&self, wish: &Wish) -> Vec<&MarkedRun> {
        let runs = self.found.runs.iter();
        runs.filter(|run| wish.fate(run, self.found.now) == Fate::Removed)
            .collect()
    }

    /// The kinds of which the cluster did not say what there is of them. Those that one may not
    /// list, or nobody can, are not among them: it has answered. But Secrets say what runs changed,
    /// and whoever made them needed no right to list them.
    fn unseen(&self) -> impl Iterator<Item = String> {
        let kinds = self.found.not_looked_at.iter();
        kinds
            .filter(|(kind, error)| kind == SECRETS || !matches!(error.code(), Some(403..=405)))
            .map(|(kind, _)| format!("{}{kind}", prefix(self.name.as_deref())))
    }
}

/// Before what is said of a further cluster.
fn prefix(cluster: Option<&str>) -> String {
    cluster.map_or_else(String::new, |name| format!("cluster {name}: "))
}

/// Connects and finds what is there.
async fn look(
    options: &ConnectOptions,
    args: &CleanupArgs,
    wish: &Wish,
    mask: &Mask,
) -> Result<(Cluster, Found), String> {
    let cluster = Cluster::connect(options).await;
    let cluster = cluster.map_err(|error| in_full(&error, mask))?;
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
    if found.is_blind_to_changes() {
        notes.push(
            "what killed runs changed is written down in Secrets: without a look at them nothing is \
             put back, and the Leases beside them stay"
                .to_owned(),
        );
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
fn plan(runs: &[&MarkedRun], now: Timestamp, cluster: Option<&str>) -> String {
    let mut text = String::new();
    let place = cluster.map_or_else(String::new, |name| format!(" in cluster {name}"));
    for run in runs {
        text.push_str(&format!("run {}{place}, {}:\n", run.id, seen(run, now)));
        for object in run.removed() {
            text.push_str(&format!("  {}\n", sanitize::line(&object.shown())));
        }
        for object in run.put_back() {
            let object = sanitize::line(object);
            text.push_str(&format!("  {object}: put back to what it was\n"));
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

fn result(runs: &[&MarkedRun], left: &[Left], cluster: Option<&str>) -> String {
    let place = cluster.map_or_else(String::new, |name| format!(" in cluster {name}"));
    if left.is_empty() {
        let removed = runs.iter().map(|run| run.removed().count()).sum();
        let put_back: usize = runs.iter().map(|run| run.put_back().len()).sum();
        let (removed, of) = (count(removed, "object"), count(runs.len(), "run"));
        let put_back = match put_back {
            0 => String::new(),
            many => format!(", and put back {}", count(many, "object")),
        };
        return format!("removed{place}: {removed} of {of}{put_back}\n");
    }
    let mut text = format!("Not cleaned up{place}:\n");
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
    // it is to be read before it is answered
    let _ = stream::stderr().settle(&|| Duration::MAX);
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
