//! What runs leave: the command that removes it, and a word about runs that died before this one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::dispatcher::Teller;
use super::executor::RunOptions;
use crate::cluster::{Cluster, ClusterError, ConnectOptions, Detail, Resource};
use crate::event::EventKind;
use crate::marks::{self, RUN_LABEL, SignOfLife, is_run_id};
use crate::plan::model::Suite;

/// What is older may be removed without a second thought.
const LONG_AGO: Duration = Duration::from_secs(3600);

/// The command that removes what a run left, in all clusters that it was told to use.
pub fn command(run: &str, suites: &[Suite], options: &RunOptions) -> String {
    let mut command = with_connection(&format!("--run {run}"), &options.connect);
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for suite in suites {
        for (name, other) in further(suite, options) {
            let place = place(&other, &options.connect);
            places.entry(name).or_default().insert(place);
        }
    }
    for (name, places) in places {
        for (number, place) in places.iter().enumerate() {
            // two suites may mean two clusters by one name
            let name = match number {
                0 => name.clone(),
                _ => format!("{name}-{}", number + 1),
            };
            command.push_str(&format!(
                " --cluster {}",
                quoted(&format!("{name}={place}"))
            ));
        }
    }
    command
}

/// The further clusters of a suite by name, but for those that nobody has given.
pub fn further(suite: &Suite, options: &RunOptions) -> BTreeMap<String, ConnectOptions> {
    let own = &options.connect;
    let further = suite.clusters.iter().filter_map(|choice| {
        let found = match options.clusters.get(&choice.name) {
            Some(found) => found.clone(),
            None if choice.kubeconfig.is_some() || choice.context.is_some() => ConnectOptions {
                kubeconfig: choice.kubeconfig.clone().or_else(|| own.kubeconfig.clone()),
                context: choice.context.clone(),
                ..own.clone()
            },
            None => return None,
        };
        Some((choice.name.clone(), found))
    });
    further.collect()
}

/// `FILE[:CONTEXT]`; without the file where it is that of the run's own cluster.
fn place(options: &ConnectOptions, own: &ConnectOptions) -> String {
    let file = options.kubeconfig.as_ref();
    let file = file.map_or_else(String::new, |file| file.to_string_lossy().into_owned());
    match &options.context {
        Some(context) if options.kubeconfig == own.kubeconfig => format!(":{context}"),
        Some(context) => format!("{file}:{context}"),
        None => file,
    }
}

fn with_connection(what: &str, connect: &ConnectOptions) -> String {
    let kubeconfig = connect.kubeconfig.as_ref();
    let kubeconfig = kubeconfig.map(|path| path.to_string_lossy().into_owned());
    let mut command = format!("kubeproof cleanup {what}");
    for (flag, value) in [
        ("--kubeconfig", kubeconfig),
        ("--context", connect.context.clone()),
        ("--as", connect.impersonate_user.clone()),
    ] {
        if let Some(value) = value {
            command.push_str(&format!(" {flag} {}", quoted(&value)));
        }
    }
    command
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "@%+=:,./-_".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Tells where namespaces or Leases of dead runs are left. Whoever may not look is told nothing.
pub async fn tell(cluster: Cluster, run: String, connect: ConnectOptions, teller: Arc<Teller>) {
    match look(&cluster, &run).await {
        Ok(ages) => {
            if let Some(text) = notice(&ages, &connect) {
                teller.tell(EventKind::Notice { text });
            }
        }
        Err(error) => tracing::debug!("what dead runs left was not looked for: {error}"),
    }
}

/// How long ago each dead run was last seen.
async fn look(cluster: &Cluster, run: &str) -> Result<Vec<Duration>, ClusterError> {
    let (namespaces, leases) = (Resource::namespace(), Resource::lease());
    let (namespaces, leases) = futures::try_join!(
        cluster.survey(&namespaces, None, RUN_LABEL, Detail::Metadata),
        cluster.survey(&leases, None, RUN_LABEL, Detail::Whole),
    )?;
    let now = leases.at.or(namespaces.at);
    let now = now.unwrap_or_else(|| cluster.now().latest);
    Ok(dead(&namespaces.objects, &leases.objects, run, now))
}

fn dead(namespaces: &[Value], leases: &[Value], own: &str, now: Timestamp) -> Vec<Duration> {
    let mut runs: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
    let own_namespaces: HashSet<_> = namespaces
        .iter()
        .map(|namespace| &namespace["metadata"]["name"])
        .collect();
    // what is made elsewhere has a Lease beside it
    let elsewhere = leases
        .iter()
        .filter(|lease| !own_namespaces.contains(&lease["metadata"]["namespace"]));
    for object in namespaces.iter().chain(elsewhere) {
        let metadata = &object["metadata"];
        let run = metadata["labels"][RUN_LABEL].as_str();
        // those on their way out need nobody
        let is_going = metadata["deletionTimestamp"].is_string();
        if let Some(run) = run.filter(|run| is_run_id(run) && *run != own && !is_going) {
            let made = metadata["creationTimestamp"].as_str();
            let made = made.and_then(|time| time.parse().ok());
            let youngest = runs.entry(run).or_default();
            *youngest = made.max(*youngest);
        }
    }
    let signs: Vec<_> = leases.iter().filter_map(SignOfLife::of).collect();
    let ages = runs.into_iter().filter_map(|(run, youngest)| {
        let signs: Vec<_> = signs
            .iter()
            .filter(|sign| sign.run == run)
            .cloned()
            .collect();
        if marks::lives(&signs, youngest, now) {
            return None;
        }
        let last = signs.iter().map(|sign| sign.renewed).chain(youngest).max();
        Some(last.map_or(Duration::MAX, |last| marks::age(last, now)))
    });
    ages.collect()
}

fn notice(ages: &[Duration], connect: &ConnectOptions) -> Option<String> {
    let which = match ages.iter().all(|age| *age >= LONG_AGO) {
        true => "--older-than 1h",
        false => "--all",
    };
    let runs = match ages.len() {
        0 => return None,
        1 => "a dead run".to_owned(),
        count => format!("{count} dead runs"),
    };
    let command = with_connection(which, connect);
    Some(format!(
        "leftovers of {runs} are in the cluster: {command} removes them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_command_is_one_that_a_shell_takes() {
        let mut connect = ConnectOptions::default();
        let command = |connect: &ConnectOptions| with_connection("--run 7", connect);
        assert_eq!(command(&connect), "kubeproof cleanup --run 7");
        connect.kubeconfig = Some("/home/me/my config".into());
        connect.context = Some("prod".to_owned());
        assert_eq!(
            command(&connect),
            "kubeproof cleanup --run 7 --kubeconfig '/home/me/my config' --context prod"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_further_cluster_is_named_as_the_run_was_told_of_it() {
        let options = |kubeconfig: Option<&str>, context: Option<&str>| ConnectOptions {
            kubeconfig: kubeconfig.map(Into::into),
            context: context.map(str::to_owned),
            ..ConnectOptions::default()
        };
        let own = options(Some("own"), Some("prod"));
        for (other, expected) in [
            (options(Some("child"), None), "child"),
            (options(Some("child"), Some("c")), "child:c"),
            (options(Some("own"), Some("c")), ":c"),
            (options(Some("own"), None), "own"),
        ] {
            assert_eq!(place(&other, &own), expected);
        }
        let unsaid = options(None, None);
        assert_eq!(place(&options(None, Some("c")), &unsaid), ":c");
    }

    #[test]
    fn dead_runs_are_counted_once_and_living_ones_not() {
        let namespace = |run: &str, made: &str, more: Value| {
            let mut metadata = json!({"name": format!("n-{run}"), "labels": {RUN_LABEL: run}, "creationTimestamp": made});
            for (field, value) in more.as_object().unwrap() {
                metadata[field] = value.clone();
            }
            json!({"metadata": metadata})
        };
        let at = |time: &str| format!("2026-01-01T{time}Z");
        let lease = |run: &str, renewed: &str| {
            let labels = [(RUN_LABEL.to_owned(), run.to_owned())];
            marks::lease(
                &format!("n-{run}"),
                marks::LEASE_NAME,
                run,
                &labels,
                at(renewed).parse().unwrap(),
            )
        };
        let namespaces = [
            namespace("dead000000", &at("00:00:00"), json!({})),
            namespace("dead000000", &at("00:30:00"), json!({})),
            namespace("dead000001", &at("08:00:00"), json!({})),
            namespace("1111111111", &at("00:00:00"), json!({})),
            namespace("2222222222", &at("09:59:50"), json!({})),
            namespace("3333333333", &at("00:00:00"), json!({})),
            namespace(
                "4444444444",
                &at("00:00:00"),
                json!({"deletionTimestamp": at("09:59:00")}),
            ),
            namespace("theirs", &at("00:00:00"), json!({})),
        ];
        let leases = [
            lease("dead000001", "09:00:00"),
            lease("1111111111", "09:59:50"),
            lease("4444444444", "09:00:00"),
            lease("5555555555", "07:00:00"),
            lease("6666666666", "09:59:50"),
        ];
        let now = at("10:00:00").parse().unwrap();
        let ages = dead(&namespaces, &leases, "3333333333", now);
        let hours = |hours: f64| Duration::from_secs_f64(hours * 3600.0);
        assert_eq!(ages, [hours(3.0), hours(9.5), hours(1.0)]);
    }

    #[test]
    fn the_notice_says_what_removes_all_of_them() {
        let connect = ConnectOptions::default();
        let notice = |seconds: &[u64]| {
            let ages: Vec<_> = seconds.iter().map(|s| Duration::from_secs(*s)).collect();
            notice(&ages, &connect)
        };
        assert_eq!(notice(&[]), None);
        assert_eq!(
            notice(&[4000]).unwrap(),
            "leftovers of a dead run are in the cluster: kubeproof cleanup --older-than 1h \
             removes them"
        );
        assert_eq!(
            notice(&[4000, 60]).unwrap(),
            "leftovers of 2 dead runs are in the cluster: kubeproof cleanup --all removes them"
        );
    }
}
