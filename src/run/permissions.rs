//! Whether the run's user may do what the suites do, asked before anything is made.
//!
//! Only what a suite cannot do without is asked for, of the run's own cluster and user. What a
//! right is needed for is `plan::rights`' to say.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};

use crate::cluster::{Access, Cluster, ClusterError};
use crate::event::{Detail, Explanation};
use crate::plan::model::Suite;
use crate::plan::rights::{Facts, Need, On, Reach, Right, rights};

/// How many questions are under way at once.
const AT_ONCE: usize = 16;
/// How many lines of what is missing stand in the message itself.
const TOLD: usize = 3;

/// A suite with the namespace that it will have.
pub type Planned<'a> = (&'a Suite, Option<&'a str>);

/// What was found out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What suites cannot do without and the user may not do.
    pub missing: Option<Explanation>,
    /// What may turn out to be missing.
    pub notices: Vec<String>,
}

/// One thing to ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    /// As roles name it: `daemonsets.apps`, `pods/exec`, or a path.
    shown: String,
    /// Nothing is every namespace, or none at all.
    namespace: Option<String>,
    verb: String,
    on: Asked,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Resource {
        group: String,
        plural: String,
        subresource: Option<String>,
        namespaced: bool,
    },
    Path,
}

/// Who needs it.
#[derive(Clone, Debug, Default)]
struct Askers {
    suites: BTreeSet<String>,
    /// The objects that it is about; nothing where it is about all of them.
    names: Option<BTreeSet<String>>,
    /// Whether it is about namespaces that only the run will know.
    is_vague: bool,
    /// Whether all that fails without it is what others put back after a run that was killed.
    is_durable: bool,
}

/// Asks for everything that the suites need, all at once.
///
/// # Errors
/// Where one of the questions cannot be asked: nothing is known then.
pub async fn ask(
    cluster: &Cluster,
    run: &str,
    suites: &[Planned<'_>],
) -> Result<Answer, ClusterError> {
    let questions = questions(cluster, run, suites).await?;
    let refused: Vec<(Question, Askers)> = futures::stream::iter(questions)
        .map(|(question, askers)| async move {
            let is_allowed = is_allowed(cluster, &question, &askers).await?;
            Ok::<_, ClusterError>((!is_allowed).then_some((question, askers)))
        })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|refused| async move { Ok(refused) })
        .try_collect()
        .await?;
    Ok(answer(&cluster.server().user, refused, suites))
}

/// What follows from what was refused.
fn answer(user: &str, refused: Vec<(Question, Askers)>, suites: &[Planned<'_>]) -> Answer {
    let (durable, needed): (Vec<_>, Vec<_>) = refused
        .into_iter()
        .partition(|(_, askers)| askers.is_durable);
    let (vague, certain): (Vec<_>, Vec<_>) =
        needed.into_iter().partition(|(_, askers)| askers.is_vague);
    let vague = lines(user, vague)
        .into_iter()
        .map(|line| format!("it may turn out that {line}"));
    let durable = lines(user, durable).into_iter().map(|line| {
        format!(
            "{line} to write down there what it changes, and goes on: if this run is killed, \
             nobody can put that back"
        )
    });
    Answer {
        notices: vague.chain(durable).collect(),
        missing: explanation(&lines(user, certain), suites),
    }
}

/// Every question once.
async fn questions(
    cluster: &Cluster,
    run: &str,
    suites: &[Planned<'_>],
) -> Result<BTreeMap<Question, Askers>, ClusterError> {
    let mut questions: BTreeMap<Question, Askers> = BTreeMap::new();
    for (suite, namespace) in suites {
        let facts = Facts {
            run: Some(run),
            namespace: *namespace,
            server: Some((cluster.server().major, cluster.server().minor)),
        };
        for right in rights(suite, &facts) {
            let is_another_cluster = right.cluster.is_some();
            // the server asks about the credentials themselves, and they cannot be asked about
            let is_of_credentials = cluster.identity().is_some() && right.verbs == ["impersonate"];
            if right.need == Need::Helpful || is_another_cluster || is_of_credentials {
                continue;
            }
            let Some((shown, on)) = asked(cluster, &right).await? else {
                continue;
            };
            let is_namespaced = matches!(
                &on,
                Asked::Resource {
                    namespaced: true,
                    ..
                }
            );
            let own_or = match &right.reach {
                Reach::Own => namespace.map(str::to_owned),
                Reach::Namespace(name) => Some(name.clone()),
                Reach::Connection => Some(cluster.server().default_namespace.clone()),
                Reach::Every | Reach::Unknown | Reach::Cluster => None,
            };
            for verb in &right.verbs {
                let question = Question {
                    shown: shown.clone(),
                    namespace: own_or.clone().filter(|_| is_namespaced),
                    verb: verb.clone(),
                    on: on.clone(),
                };
                let is_vague = is_namespaced && right.reach == Reach::Unknown;
                let askers = questions.entry(question).or_insert_with(|| Askers {
                    suites: BTreeSet::new(),
                    names: Some(BTreeSet::new()),
                    is_vague: true,
                    is_durable: true,
                });
                askers.suites.insert(suite.name.clone());
                askers.is_vague &= is_vague;
                askers.is_durable &= right.need == Need::Durable;
                match (&right.name, &mut askers.names) {
                    (Some(name), Some(names)) => {
                        names.insert(name.clone());
                    }
                    _ => askers.names = None,
                }
            }
        }
    }
    Ok(questions)
}

/// What a right is on, as the API server calls it. Nothing where that is not known, or the cluster
/// does not serve it: the suite's own requirements and steps tell that.
async fn asked(cluster: &Cluster, right: &Right) -> Result<Option<(String, Asked)>, ClusterError> {
    let found = match &right.on {
        On::Unknown(_) => return Ok(None),
        On::Path(path) => return Ok(Some((path.clone(), Asked::Path))),
        On::Named(name) => cluster.served_name(name).await,
        On::Manifest { api_version, kind } => cluster.served_kind(api_version, kind).await,
        On::Resource { group, plural } => {
            let namespaced = right.reach != Reach::Cluster;
            return Ok(Some(named(group, plural, right, namespaced)));
        }
    };
    let found = match found {
        // what needs that group will tell; the others are asked about
        Err(ClusterError::GroupDown { .. }) => None,
        found => found?,
    };
    Ok(found.map(|found| named(&found.group, &found.plural, right, found.namespaced)))
}

fn named(group: &str, plural: &str, right: &Right, namespaced: bool) -> (String, Asked) {
    let mut shown = plural.to_owned();
    if !group.is_empty() {
        shown = format!("{shown}.{group}");
    }
    if let Some(subresource) = &right.subresource {
        shown = format!("{shown}/{subresource}");
    }
    let on = Asked::Resource {
        group: group.to_owned(),
        plural: plural.to_owned(),
        subresource: right.subresource.clone(),
        namespaced,
    };
    (shown, on)
}

/// Whether it is allowed for all objects, or else for each of those that it is about.
async fn is_allowed(
    cluster: &Cluster,
    question: &Question,
    askers: &Askers,
) -> Result<bool, ClusterError> {
    if cluster.can(&access(question, None), None).await?.allowed {
        return Ok(true);
    }
    let Some(names) = askers.names.as_ref().filter(|names| !names.is_empty()) else {
        return Ok(false);
    };
    for name in names {
        if !cluster
            .can(&access(question, Some(name)), None)
            .await?
            .allowed
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn access(question: &Question, name: Option<&str>) -> Access {
    let verb = question.verb.clone();
    match &question.on {
        Asked::Path => Access::Path {
            verb,
            path: question.shown.clone(),
        },
        Asked::Resource {
            group,
            plural,
            subresource,
            ..
        } => Access::Resource {
            verb,
            group: group.clone(),
            resource: plural.clone(),
            subresource: subresource.clone(),
            name: name.map(str::to_owned),
            namespace: question.namespace.clone(),
        },
    }
}

/// A line for all the verbs of one resource in one namespace.
fn lines(user: &str, refused: Vec<(Question, Askers)>) -> Vec<String> {
    type Group = (BTreeSet<String>, BTreeSet<String>);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (question, askers) in refused {
        let place = match (&question.namespace, &question.on) {
            (Some(namespace), _) => format!(" in namespace {namespace}"),
            (
                None,
                Asked::Resource {
                    namespaced: true, ..
                },
            ) => " in every namespace".to_owned(),
            (None, _) => String::new(),
        };
        let (verbs, suites) = groups
            .entry(format!("{}{place}", question.shown))
            .or_default();
        verbs.insert(question.verb);
        suites.extend(askers.suites);
    }
    groups
        .into_iter()
        .map(|(what, (verbs, suites))| {
            let need = match suites.len() {
                1 => "the suite {} needs it",
                _ => "the suites {} need it",
            };
            let need = need.replace("{}", &joined(&suites));
            format!("the user {user} may not {} {what}: {need}", joined(&verbs))
        })
        .collect()
}

fn joined(words: &BTreeSet<String>) -> String {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    words.join(", ")
}

fn explanation(missing: &[String], suites: &[Planned<'_>]) -> Option<Explanation> {
    if missing.is_empty() {
        return None;
    }
    let ids: Vec<_> = suites.iter().map(|(suite, _)| suite.id.as_str()).collect();
    let mut message = missing[..missing.len().min(TOLD)].join("; ");
    if missing.len() > TOLD {
        message.push_str(&format!("; and {} more", missing.len() - TOLD));
    }
    message.push_str(&format!(
        " (kubeproof rbac {} prints the roles)",
        ids.join(" ")
    ));
    let details = match missing.len() > TOLD {
        true => vec![Detail {
            title: "missing".to_owned(),
            text: missing.join("\n"),
        }],
        false => Vec::new(),
    };
    Some(Explanation {
        details,
        ..Explanation::new(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(
        verb: &str,
        shown: &str,
        namespace: Option<&str>,
        suite: &str,
    ) -> (Question, Askers) {
        let question = Question {
            shown: shown.to_owned(),
            namespace: namespace.map(str::to_owned),
            verb: verb.to_owned(),
            on: Asked::Resource {
                group: String::new(),
                plural: shown.to_owned(),
                subresource: None,
                namespaced: shown != "nodes",
            },
        };
        let askers = Askers {
            suites: [suite.to_owned()].into(),
            ..Askers::default()
        };
        (question, askers)
    }

    #[test]
    fn what_is_missing_is_told_by_resource_and_namespace() {
        let told = lines(
            "ci",
            vec![
                refused("patch", "daemonsets.apps", Some("a"), "overlay"),
                refused("create", "daemonsets.apps", Some("a"), "overlay"),
                refused("create", "pods", None, "smoke"),
                refused("list", "nodes", None, "overlay"),
                refused("list", "nodes", None, "smoke"),
            ],
        );
        assert_eq!(
            told,
            [
                "the user ci may not create, patch daemonsets.apps in namespace a: the suite \
                 overlay needs it",
                "the user ci may not list nodes: the suites overlay, smoke need it",
                "the user ci may not create pods in every namespace: the suite smoke needs it",
            ]
        );
    }

    #[test]
    fn a_run_that_cannot_write_down_what_it_changes_is_told_and_goes_on() {
        let durable = refused("create", "secrets", Some("a"), "smoke");
        let durable = (
            durable.0,
            Askers {
                is_durable: true,
                ..durable.1
            },
        );
        let answer = answer("ci", vec![durable.clone()], &[]);
        assert_eq!(answer.missing, None);
        assert_eq!(
            answer.notices,
            [
                "the user ci may not create secrets in namespace a: the suite smoke needs it to write \
                 down there what it changes, and goes on: if this run is killed, nobody can put \
                 that back"
            ]
        );
        // what another step cannot do without is another matter
        let needed = refused("create", "secrets", Some("a"), "smoke");
        let answer = super::answer("ci", vec![needed], &[]);
        assert!(answer.missing.is_some() && answer.notices.is_empty());
    }

    #[test]
    fn a_long_list_is_in_the_details() {
        let lines: Vec<_> = (0..5).map(|number| format!("line {number}")).collect();
        let why = explanation(&lines, &[]).unwrap();
        assert!(
            why.message
                .starts_with("line 0; line 1; line 2; and 2 more")
        );
        assert_eq!(why.details[0].text, lines.join("\n"));
        assert_eq!(explanation(&[], &[]), None);
        assert!(explanation(&lines[..3], &[]).unwrap().details.is_empty());
    }
}
