//! What each verb asks of the API server. Whoever changes what a step requests changes it here too.

use super::names::known_name;
use super::path::{Led, led};
use super::walk::{Aim, Here, Walk};
use super::{Need, On, Reach};
use crate::plan::model::{
    AssertCheck, Can, Delete, Events, Exec, Get, Http, HttpDestination, HttpWay, Logs, Patch,
    RunPod, Target, Until, Verb, Wait,
};

/// The first version whose server wants `create` of whoever opens a WebSocket to a pod.
const WANTS_CREATE: (u32, u32) = (1, 35);

impl Walk<'_> {
    /// The rights of a verb that does not consist of other steps.
    pub(super) fn verb(&mut self, verb: &Verb, here: &Here) {
        match verb {
            Verb::Apply(apply) => self.apply(apply, here),
            Verb::Create(create) => self.create(create, here),
            Verb::Patch(patch) => self.patch(patch, here),
            Verb::Delete(delete) => self.delete(delete, here),
            Verb::Get(Get::Object(target)) => {
                let aim = here.aim(target);
                self.read(here, Need::Needed, &aim);
            }
            Verb::Get(Get::Raw { path, .. }) => {
                self.raw(here.names.text(path), path.source(), here)
            }
            Verb::Assert(assert) => {
                for check in &assert.checks {
                    if let AssertCheck::Values(condition) = check {
                        self.note_condition(Some(condition));
                    }
                }
                if let Some(target) = &assert.target {
                    self.followed(target, here);
                }
            }
            Verb::Absent(absent) => self.followed(&absent.target, here),
            Verb::Wait(wait) => self.wait(wait, here),
            Verb::Exec(exec) => self.exec(exec, here),
            Verb::Run(run) => self.run(run, here),
            Verb::Logs(logs) => self.logs(logs, here),
            Verb::Events(events) => self.events_step(events, here),
            Verb::Http(http) => self.http(http, here),
            Verb::Can(can) => self.can(can, here),
            // what local programs ask for, only `permissions` can say
            Verb::Command(_)
            | Verb::Script(_)
            | Verb::Skip(_)
            | Verb::Error(_)
            | Verb::Sleep(_) => {}
            Verb::During(_) | Verb::Foreach(_) | Verb::Use(_) => {}
        }
    }

    /// Waiting by watch, and quoting a warning where it is in vain.
    fn followed(&mut self, target: &Target, here: &Here) {
        let aim = here.aim(target);
        self.follow(here, Need::Needed, &aim);
        self.quote_warnings(here, &aim);
    }

    fn patch(&mut self, patch: &Patch, here: &Here) {
        let aim = here.aim(&patch.target);
        self.read(here, Need::Needed, &aim);
        let need = match patch.expect.rejected {
            Some(_) => Need::Helpful,
            None => Need::Needed,
        };
        match &patch.subresource {
            Some(subresource) => {
                let on = (aim.on.clone(), subresource.as_str());
                self.add_sub(here, need, &["patch"], on, &aim.reach);
            }
            None => self.add_aimed(here, need, &["patch"], &aim),
        }
        if !self.is_own(&aim.reach) {
            let need = match self.may_have_made(&aim, here) {
                true => Need::Helpful,
                false => Need::Needed,
            };
            self.restore(here, need, &aim.on, aim.name.as_deref(), &aim.reach);
            if need == Need::Needed {
                self.snapshot(here, &aim.reach);
            }
        }
    }

    fn delete(&mut self, delete: &Delete, here: &Here) {
        let aim = here.aim(&delete.target);
        self.read(here, Need::Needed, &aim);
        let need = match delete.expect.rejected {
            Some(_) => Need::Helpful,
            None => Need::Needed,
        };
        self.add_aimed(here, need, &["delete"], &aim);
        self.followed(&delete.target, here);
    }

    fn raw(&mut self, path: Option<String>, source: &str, here: &Here) {
        let verbs = ["get"];
        let Some(path) = path else {
            let on = On::Unknown(source.to_owned());
            self.add(here, Need::Needed, &verbs, on, &Reach::Unknown);
            return;
        };
        match led(&path) {
            Led::Path(path) => {
                let on = On::Path(path.to_owned());
                self.add(here, Need::Needed, &verbs, on, &Reach::Cluster);
            }
            Led::Objects {
                group,
                plural,
                namespace,
                name,
                subresource,
            } => {
                let verbs = if name.is_some() { ["get"] } else { ["list"] };
                let reach = namespace.map_or(Reach::Every, |name| here.names.reach_of(name));
                let name = known_name(name.map(str::to_owned));
                if !here.is_another {
                    let on = On::resource(group, plural);
                    let name = name.as_deref();
                    self.push(here, Need::Needed, &verbs, on, subresource, name, &reach);
                }
            }
        }
    }

    fn wait(&mut self, wait: &Wait, here: &Here) {
        let Until::RolledOut { per_node } = wait.until else {
            self.followed(&wait.target, here);
            return;
        };
        let aim = here.aim(&wait.target);
        self.follow(here, Need::Needed, &aim);
        self.quote_warnings(here, &aim);
        // the object says when it is done; its pods say why it is not, and of each node whether it
        // can be; and only the nodes say which of them are still to come
        let (watch, pods) = (["list", "watch"], On::resource("", "pods"));
        let need = match per_node {
            true => Need::Needed,
            false => Need::Helpful,
        };
        self.add(here, need, &watch, pods, &aim.reach);
        let nodes = On::resource("", "nodes");
        self.add(here, need, &watch, nodes, &Reach::Cluster);
        if aim
            .on
            .built_in()
            .is_none_or(|kind| kind.kind == "Deployment")
        {
            let sets = On::resource("apps", "replicasets");
            self.add(here, Need::Helpful, &watch, sets, &aim.reach);
        }
    }

    fn exec(&mut self, exec: &Exec, here: &Here) {
        let aim = here.aim(&exec.target);
        let pods = On::resource("", "pods");
        // a pod by its name alone is not looked at, unless it has several containers and none is named
        if aim.is_pods() && aim.is_one && exec.takes_it_by_name() {
            if exec.container.is_none() {
                self.add(here, Need::Helpful, &["get"], pods.clone(), &aim.reach);
            }
        } else {
            self.pods_of(&aim, here);
        }
        self.open(here, "exec", &aim.reach);
    }

    /// Opening a WebSocket to a pod, which is done by GET.
    fn open(&mut self, here: &Here, subresource: &str, reach: &Reach) {
        let on = || (On::resource("", "pods"), subresource);
        self.add_sub(here, Need::Needed, &["get"], on(), reach);
        let need = match self.server {
            Some(version) if version < WANTS_CREATE => Need::Helpful,
            _ => Need::Needed,
        };
        self.add_sub(here, need, &["create"], on(), reach);
    }

    /// The pods of a target: themselves, or those that it owns.
    fn pods_of(&mut self, aim: &Aim, here: &Here) {
        self.read(here, Need::Needed, aim);
        if !aim.is_pods() {
            let list = ["list"];
            let (pods, sets) = (
                On::resource("", "pods"),
                On::resource("apps", "replicasets"),
            );
            self.add(here, Need::Needed, &list, pods, &aim.reach);
            self.add(here, Need::Needed, &list, sets, &aim.reach);
        }
    }

    fn run(&mut self, run: &RunPod, here: &Here) {
        let reach = here.names.reach(run.namespace.as_ref());
        let pods = On::resource("", "pods");
        let verbs = ["create", "list", "watch"];
        self.add(here, Need::Needed, &verbs, pods.clone(), &reach);
        self.add_sub(here, Need::Needed, &["get"], (pods.clone(), "log"), &reach);
        let events = On::resource("", "events");
        self.add(here, Need::Helpful, &["list"], events, &reach);
        self.take_back(here, Need::Needed, &pods, None, &reach);
    }

    fn logs(&mut self, logs: &Logs, here: &Here) {
        let aim = here.aim(&logs.target);
        self.pods_of(&aim, here);
        let log = (On::resource("", "pods"), "log");
        self.add_sub(here, Need::Needed, &["get"], log, &aim.reach);
    }

    fn events_step(&mut self, events: &Events, here: &Here) {
        let Some(target) = &events.target else {
            let reach = here.names.reach(events.namespace.as_ref());
            let on = On::resource("", "events");
            self.add(here, Need::Needed, &["list"], on, &reach);
            return;
        };
        let aim = here.aim(target);
        // those of one object are found by its name, whether it is there or not
        if !aim.is_one || target.is_narrowed() {
            self.read(here, Need::Needed, &aim);
        }
        self.events(here, Need::Needed, &aim);
    }

    fn http(&mut self, http: &Http, here: &Here) {
        let HttpDestination::Service {
            service,
            namespace,
            via,
            ..
        } = &http.to
        else {
            return;
        };
        let reach = here.names.reach(namespace.as_ref());
        let services = On::resource("", "services");
        match via {
            HttpWay::Proxy => {
                let verb = match http.method.as_str() {
                    "POST" => "create",
                    "PUT" => "update",
                    "PATCH" => "patch",
                    "DELETE" => "delete",
                    _ => "get",
                };
                let on = (services, "proxy");
                self.add_sub(here, Need::Needed, &[verb], on, &reach);
            }
            HttpWay::PortForward => {
                let name = known_name(here.names.text(service));
                let aim = Aim {
                    on: services,
                    is_one: true,
                    name,
                    reach: reach.clone(),
                };
                self.read(here, Need::Needed, &aim);
                let slices = On::resource("discovery.k8s.io", "endpointslices");
                self.add(here, Need::Needed, &["list"], slices, &reach);
                self.open(here, "portforward", &reach);
            }
        }
    }

    /// About oneself everybody may ask.
    fn can(&mut self, can: &Can, here: &Here) {
        if can.who.is_some() {
            let reviews = On::resource("authorization.k8s.io", "subjectaccessreviews");
            self.add(here, Need::Needed, &["create"], reviews, &Reach::Cluster);
        }
    }
}
