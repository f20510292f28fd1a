//! Acting as somebody else: the right to be them, by each part of who they are.

use super::names::known_name;
use super::walk::{Here, Walk};
use super::{Need, On, Reach};
use crate::plan::model::IdentityChoice;
use crate::template::Template;

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

impl Walk<'_> {
    /// `as` of a step.
    pub(super) fn impersonation(&mut self, choice: &IdentityChoice, here: &Here) {
        match choice {
            IdentityChoice::ServiceAccount { name, namespace } => {
                let reach = here.names.reach(namespace.as_ref());
                let name = known_name(here.names.text(name));
                self.impersonate(here, "serviceaccounts", name, &reach);
            }
            IdentityChoice::User { user, groups } => {
                self.user(user, here);
                for group in groups {
                    let name = known_name(here.names.text(group));
                    self.impersonate(here, "groups", name, &Reach::Cluster);
                }
            }
        }
    }

    fn user(&mut self, user: &Template, here: &Here) {
        let text = here.names.text(user);
        // the server takes such a user apart, and so does whoever gives the right
        let account = text
            .as_deref()
            .and_then(|user| user.strip_prefix(SERVICE_ACCOUNT)?.split_once(':'));
        match account {
            Some((namespace, name)) => {
                let name = known_name(Some(name.to_owned()));
                let reach = here.names.reach_of(namespace);
                self.impersonate(here, "serviceaccounts", name, &reach);
            }
            None => self.impersonate(here, "users", known_name(text), &Reach::Cluster),
        }
    }

    fn impersonate(&mut self, here: &Here, plural: &str, name: Option<String>, reach: &Reach) {
        let who = On::resource("", plural);
        let verbs = ["impersonate"];
        let name = name.as_deref();
        self.push(here, Need::Needed, &verbs, who, None, name, reach);
    }
}
