//! What the steps of a case, or of a suite's setup or teardown, work with.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::change::Change;
use super::super::deadline::Deadline;
use super::super::ledger::{Claim, Deed, Ledger, Subject};
use super::super::scope::Names;
use super::super::suite::SuiteRun;
use super::{StepFailure, write};
use crate::cluster::{Cluster, Identity, ObjectKey, Resource, Watch};
use crate::event::CaseId;
use crate::plan::model::{IdentityChoice, ObjectCheck, Step};
use crate::template::{Scope, Template};

/// Cheap to clone: nested steps get one of their own.
#[derive(Clone)]
pub struct StepContext<'a> {
    /// The suite that they belong to.
    pub suite: &'a SuiteRun,
    /// Where requests go, as whoever the step is.
    pub cluster: Cluster,
    /// Its name; nothing is the run's own.
    pub cluster_name: Option<String>,
    /// What templates see.
    pub names: Names,
    /// For namespaced objects that name no namespace.
    pub namespace: Option<String>,
    /// Where objects are written down before they are made.
    pub ledger: &'a Ledger,
    /// Of the whole case, or of the suite.
    pub deadline: Option<Deadline>,
    /// Pulled when no step may go on.
    pub cancel: &'a CancellationToken,
    /// What the step waits for, for whoever ends it before its time.
    pub awaited: Arc<Mutex<Option<String>>>,
    /// Whether a step waits for what may come: the looks of `during` do not.
    pub is_patient: bool,
    /// Which testcase the steps are told of; nothing where they are not.
    pub told_of: Option<Arc<CaseId>>,
    /// Until when, before the step, the run may have written what it does not know of.
    pub unseen_until: Option<Instant>,
}

impl StepContext<'_> {
    /// What templates are rendered with.
    pub fn scope(&self) -> Scope {
        self.names.scope()
    }

    /// The scope of a condition about one object.
    pub fn scope_of(&self, object: &Value) -> Scope {
        self.names.clone().with_value("object", object).scope()
    }

    /// The same with all the objects of the target, where a check asks for them.
    pub fn with_objects<'c>(
        &self,
        checks: impl IntoIterator<Item = &'c ObjectCheck>,
        objects: &[Arc<Value>],
    ) -> Self {
        let mut own = self.clone();
        let asks = |check: &ObjectCheck| {
            let in_that = check
                .that
                .as_ref()
                .is_some_and(|that| that.names().contains("objects"));
            let in_pattern = check.pattern.as_ref().is_some_and(|pattern| {
                let mut templates = pattern.templates().into_iter();
                templates.any(|template| template.names().contains("objects"))
            });
            in_that || in_pattern
        };
        if checks.into_iter().any(asks) {
            own.names = own
                .names
                .with_value("objects", &Value::from(plain(objects)));
        }
        own
    }

    /// Follows the objects of a kind, or joins whoever does, unless that may know them only as they
    /// were before something that may have written to any of them.
    pub(super) fn watch(&self, resource: &Resource, namespace: Option<&str>) -> Watch {
        self.cluster
            .watch_since(resource, namespace, self.unseen_until)
    }

    /// Whether what such a watch knows is no older than the run's last write to what it follows.
    pub(super) fn is_current(
        &self,
        watch: &Watch,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> bool {
        let cluster = self.cluster_name.as_deref();
        let writes = &self.suite.writes;
        watch.read(|state| state.is_synced() && writes.seen_by(state, cluster, resource, namespace))
    }

    /// Notes what the step waits for.
    pub(super) fn awaits(&self, what: &str) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        *awaited = Some(what.to_owned());
    }

    /// What the step waited for last.
    pub(super) fn awaited(&self) -> Option<String> {
        let awaited = self.awaited.lock();
        awaited.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the run began, by the clock of the step's cluster: no later than it did.
    pub(super) fn run_started(&self) -> jiff::Timestamp {
        self.cluster.time_at(self.suite.run_started).earliest
    }

    /// The same in the step's own cluster and as whom it says.
    pub(super) fn for_step(&self, step: &Step) -> Result<Self, StepFailure> {
        let mut own = self.clone();
        own.awaited = Arc::default();
        own.unseen_until = self.suite.writes.unseen_until();
        if let Some(name) = &step.cluster {
            own.cluster_name = Some(name.clone());
            own.cluster = self.suite.cluster(Some(name))?.clone();
            own.names = own.names.with_clock_of(&own.cluster);
        }
        if let Some(choice) = &step.identity {
            own.cluster = own.cluster.impersonating(&own.identity(choice)?);
        }
        Ok(own)
    }

    /// Who is meant.
    pub(super) fn identity(&self, choice: &IdentityChoice) -> Result<Identity, StepFailure> {
        let scope = self.scope();
        match choice {
            IdentityChoice::ServiceAccount { name, namespace } => {
                let namespace = self.needed_namespace(namespace.as_ref(), "a service account")?;
                Ok(Identity::service_account(
                    &namespace,
                    &name.render_text(&scope)?,
                ))
            }
            IdentityChoice::User { user, groups } => {
                let mut identity = Identity::user(&user.render_text(&scope)?);
                identity.groups = groups
                    .iter()
                    .map(|group| group.render_text(&scope))
                    .collect::<Result<_, _>>()?;
                Ok(identity)
            }
        }
    }

    /// The namespace of a target: its own, or else the suite's.
    pub fn namespace_of(&self, own: Option<&Template>) -> Result<Option<String>, StepFailure> {
        match own {
            Some(template) => Ok(Some(template.render_text(&self.scope())?)),
            None => Ok(self.namespace.clone()),
        }
    }

    /// The same where there must be one.
    pub(super) fn needed_namespace(
        &self,
        own: Option<&Template>,
        what: &str,
    ) -> Result<String, StepFailure> {
        self.namespace_of(own)?.ok_or_else(|| {
            StepFailure::errored(format!(
                "{what} needs a namespace, and the suite has none: say `namespace:`"
            ))
        })
    }

    /// An object in the cluster of the step.
    pub(super) fn subject(&self, key: &ObjectKey) -> Subject {
        Subject {
            cluster: self.cluster_name.clone(),
            key: key.clone(),
        }
    }

    /// Claims an object before it is touched, against the other cases and suites of the run.
    pub(super) async fn claim(&self, subject: &Subject) -> Result<Claim<'_>, StepFailure> {
        self.ledger.claim(subject).await.map_err(|owner| {
            let key = &subject.key;
            StepFailure::errored(match owner.suite() == self.ledger.owner().suite() {
                true => format!(
                    "{key} is made or changed by {owner} already: two cases cannot make the same \
                     object, or change or delete it, at the same time"
                ),
                false => format!(
                    "{key} belongs to the suite {:?}, which goes on beside this one: two suites \
                     cannot make or change the same object at the same time. Run them one after \
                     another (`--parallel-suites 1`), or give each a namespace of its own",
                    owner.suite().name
                ),
            })
        })
    }

    /// Writes an object down before it is touched; whether it is the first time. Only then is it
    /// forgotten where the API server refuses: an earlier step has made or changed it otherwise.
    pub(super) fn write_down(&self, claim: &Claim<'_>, subject: &Subject, deed: Deed) -> bool {
        if let Deed::Made { .. } = deed {
            self.suite.shows_life(subject.cluster.as_deref());
        }
        claim.write_down(deed)
    }

    /// The same for an object that is there, as it is. Where it is not the run's own, what it is
    /// like is going to be written down in the cluster as well.
    pub(super) fn write_down_change(
        &self,
        claim: &Claim<'_>,
        subject: &Subject,
        object: &Value,
    ) -> bool {
        let is_first = claim.write_down(Deed::Changed(Change::of(object.clone())));
        // with the namespace of a run goes whatever is in it
        if is_first
            && !write::is_ours(object, self)
            && let Some(kept) = self.suite.keeper(subject)
        {
            self.ledger.keep(subject, Arc::new(kept));
        }
        is_first
    }
}

/// Objects of a watch as data of their own.
pub fn plain(objects: &[Arc<Value>]) -> Vec<Value> {
    objects.iter().map(|object| (**object).clone()).collect()
}
