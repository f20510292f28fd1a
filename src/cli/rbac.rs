//! `kubeproof rbac`: prints the roles that running suites takes. The cluster is asked only about
//! kinds that are not built into Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use super::args::RbacArgs;
use super::exit::Exit;
use super::roles::{self, Grant, Granted, Scope};
use super::runtime::Runtime;
use super::{eprint_text, in_full, load, print_for_machines};
use crate::cluster::{Cluster, ClusterError};
use crate::plan::model::{Namespace, Suite};
use crate::plan::rights::{Facts, Need, On, Reach, Right, rights};
use crate::report::guard::Form;
use crate::report::sanitize;
use crate::run;
use crate::secret::Mask;

/// Prints the roles.
pub fn execute(args: &RbacArgs, mask: &Mask, runtime: &Runtime) -> Exit {
    let Ok(mut suites) = load::suites(&args.suites, &args.inputs) else {
        return Exit::Usage;
    };
    if suites.is_empty() {
        eprint_text("no suite was selected\n");
        return Exit::Passed;
    }
    if let Some(namespace) = &args.namespace {
        for suite in &mut suites {
            suite.namespace = Namespace::Existing(namespace.clone());
        }
    }
    let rights: Vec<_> = suites
        .iter()
        .flat_map(|suite| rights(suite, &Facts::default()))
        .collect();
    let (own, others): (Vec<_>, Vec<_>) = rights
        .into_iter()
        .partition(|right| right.cluster.is_none());
    let kinds = match Kinds::find(&own, args, mask, runtime) {
        Ok(kinds) => kinds,
        Err((exit, message)) => {
            eprint_text(&mask.mask(&format!("error: {message}\n")));
            return exit;
        }
    };
    let mut grants = Vec::new();
    let mut notes: BTreeSet<_> = others
        .into_iter()
        .filter_map(|right| right.cluster)
        .map(|name| sanitize::line(&format!("not in them: what is done in the cluster {name}")))
        .collect();
    for right in &own {
        match kinds.grant(right, args.namespace.as_deref()) {
            Ok(grant) => grants.push(grant),
            Err(note) => {
                // it becomes a comment, which must not end before it does
                notes.insert(sanitize::line(&note));
            }
        }
    }
    for note in &notes {
        eprint_text(&mask.mask(&format!("note: {note}\n")));
    }
    let changes_others = own.iter().any(|right| right.need == Need::Durable);
    let header = header(&suites, args.namespace.as_deref(), changes_others, &notes);
    let roles = roles::yaml(&name(&suites), args.namespace.as_deref(), &grants);
    print_for_machines(Form::Yaml, &format!("{header}{roles}"));
    Exit::Passed
}

/// The name of the roles.
fn name(suites: &[Suite]) -> String {
    match suites {
        [suite] => format!("kubeproof-{}", suite.name),
        _ => "kubeproof".to_owned(),
    }
}

fn header(
    suites: &[Suite],
    namespace: Option<&str>,
    changes_others: bool,
    notes: &BTreeSet<String>,
) -> String {
    let ids: Vec<_> = suites.iter().map(|suite| suite.id.as_str()).collect();
    let place = namespace.map_or_else(String::new, |name| format!(" --namespace {name}"));
    let mut text = format!(
        "# What running these suites takes: kubeproof run {}{place}\n\
         # Beside it, what every authenticated user may do by default: system:discovery and \
         system:basic-user.\n",
        sanitize::line(&ids.join(" "))
    );
    if changes_others {
        text.push_str(
            "# Secrets are made and deleted to write down what is changed that was there before. \
             To put it back after\n# a run that was killed, `kubeproof cleanup` takes besides: get, \
             list on secrets; get, update on what was changed,\n# patch on its subresources.\n",
        );
    }
    for note in notes {
        text.push_str(&format!("# {note}\n"));
    }
    text
}

/// What roles call the kinds that suites name.
struct Kinds(BTreeMap<On, Kind>);

#[derive(Clone, Debug)]
struct Kind {
    group: String,
    plural: String,
    namespaced: bool,
}

impl Kinds {
    /// Finds every kind: those that are built in without asking, the others in the cluster.
    fn find(
        rights: &[Right],
        args: &RbacArgs,
        mask: &Mask,
        runtime: &Runtime,
    ) -> Result<Self, (Exit, String)> {
        let mut kinds = BTreeMap::new();
        let mut unknown: BTreeMap<On, &Right> = BTreeMap::new();
        for right in rights {
            if let Some(kind) = right.on.built_in() {
                let kind = Kind {
                    group: kind.group.to_owned(),
                    plural: kind.plural.to_owned(),
                    namespaced: kind.namespaced,
                };
                kinds.insert(right.on.clone(), kind);
            } else if matches!(right.on, On::Named(_) | On::Manifest { .. }) {
                unknown.entry(right.on.clone()).or_insert(right);
            }
        }
        if !unknown.is_empty() {
            let first = unknown.values().next().expect("there is one");
            let because = |why: String| {
                let what = shown(&first.on);
                format!(
                    "{what} at {} is not built into Kubernetes: {why}",
                    first.place
                )
            };
            let found = runtime
                .until_signal(ask(args, unknown.keys(), mask))
                .map_err(|ended| (ended, because("it was interrupted".to_owned())))?
                .map_err(|why| (Exit::Errored, because(why)))?;
            kinds.extend(found);
        }
        Ok(Self(kinds))
    }

    /// A right as roles know it; in words where no role can.
    fn grant(&self, right: &Right, namespace: Option<&str>) -> Result<Grant, String> {
        let resource = |kind: &Kind| {
            let resource = match &right.subresource {
                Some(subresource) => format!("{}/{subresource}", kind.plural),
                None => kind.plural.clone(),
            };
            Granted::Resource {
                group: kind.group.clone(),
                resource,
                names: right.name.iter().cloned().collect(),
            }
        };
        let (on, namespaced) = match (&right.on, self.0.get(&right.on)) {
            (_, Some(kind)) => (resource(kind), kind.namespaced),
            (On::Path(path), _) => (Granted::Path(path.clone()), false),
            (On::Resource { group, plural }, None) => {
                let kind = Kind {
                    group: group.clone(),
                    plural: plural.clone(),
                    namespaced: right.reach != Reach::Cluster,
                };
                (resource(&kind), kind.namespaced)
            }
            (On::Unknown(text), _) => {
                return Err(format!(
                    "not in them: what {} does to {text:?}, whose kind only the run will know",
                    right.place
                ));
            }
            (On::Named(_) | On::Manifest { .. }, None) => {
                return Err(format!(
                    "not in them: what {} does, since the cluster does not serve {}",
                    right.place,
                    shown(&right.on)
                ));
            }
        };
        let is_here = match &right.reach {
            Reach::Own => namespace.is_some(),
            Reach::Namespace(name) => namespace == Some(name),
            Reach::Connection | Reach::Every | Reach::Unknown | Reach::Cluster => false,
        };
        Ok(Grant {
            verbs: right.verbs.clone(),
            on,
            place: match is_here && namespaced {
                true => Scope::Here,
                false => Scope::Cluster,
            },
        })
    }
}

async fn ask(
    args: &RbacArgs,
    kinds: impl Iterator<Item = &On>,
    mask: &Mask,
) -> Result<Vec<(On, Kind)>, String> {
    let options = args.connection.options();
    run::note_credentials(mask, [&options].into_iter()).await;
    let cluster = Cluster::connect(&options)
        .await
        .map_err(|error| in_full(&error, mask))?;
    let mut found = Vec::new();
    for on in kinds {
        let resource = match on {
            On::Named(name) => cluster.served_name(name).await,
            On::Manifest { api_version, kind } => cluster.served_kind(api_version, kind).await,
            On::Resource { .. } | On::Path(_) | On::Unknown(_) => Ok(None),
        };
        let resource = resource.map_err(|error: ClusterError| error.to_string())?;
        found.extend(resource.map(|resource| {
            let kind = Kind {
                group: resource.group,
                plural: resource.plural,
                namespaced: resource.namespaced,
            };
            (on.clone(), kind)
        }));
    }
    Ok(found)
}

/// A kind as it stands in the suite.
fn shown(on: &On) -> String {
    match on {
        On::Named(name) => format!("the kind {name}"),
        On::Manifest { api_version, kind } => format!("the kind {kind} ({api_version})"),
        On::Resource { group, plural } => format!("{plural}.{group}"),
        On::Path(path) => path.clone(),
        On::Unknown(text) => text.clone(),
    }
}
