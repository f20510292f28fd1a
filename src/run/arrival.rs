//! Reaches the cluster, or waits until it has come up: first for an answer, then for its nodes,
//! which are watched.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::deadline::human_duration;
use super::dispatcher::Teller;
use super::executor::RunOptions;
use crate::cluster::{
    Cluster, ConnectError, ConnectOptions, Resource, node_not_ready, passing_taint,
};
use crate::event::{Connection, Detail, EventKind, Explanation, NodeCount};

/// Between two attempts to connect: twice the last, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How many nodes a message names.
const NAMED: usize = 5;

/// What was found out about the cluster at the start.
pub struct Surroundings {
    /// The connection.
    pub cluster: Cluster,
    /// By name; nothing where nodes may not be listed.
    pub nodes: Option<Vec<Value>>,
}

impl Surroundings {
    /// To what the run is connected.
    pub fn connection(&self) -> Connection {
        let server = self.cluster.server();
        Connection {
            kubeconfig: server.kubeconfig.clone(),
            context: server.context.clone(),
            server: server.server.clone(),
            version: server.version.clone(),
            user: server.user.clone(),
            nodes: self.nodes.as_ref().map(|nodes| NodeCount {
                ready: nodes.iter().filter(|node| is_ready(node)).count(),
                total: nodes.len(),
            }),
        }
    }
}

/// Connects, and waits as the options say.
///
/// # Errors
/// Why the cluster cannot be tested, in its own words.
pub async fn arrive(options: &RunOptions, teller: &Teller) -> Result<Surroundings, Explanation> {
    match options.wait_ready {
        Some(patience) => {
            let wait = Wait {
                end: Instant::now() + patience,
                patience,
                wanted: options.expect_nodes.unwrap_or(1),
                teller,
            };
            wait.arrive(&options.connect).await
        }
        None => look_once(&options.connect, options.expect_nodes).await,
    }
}

/// Why there is no connection, with all that is to be said of it.
fn explained(error: &ConnectError) -> Explanation {
    let mut why = Explanation::new(error.to_string());
    let details = error.details().iter();
    why.details = details
        .map(|(title, text)| Detail {
            title: title.clone(),
            text: text.clone(),
        })
        .collect();
    why
}

async fn look_once(
    options: &ConnectOptions,
    expected: Option<usize>,
) -> Result<Surroundings, Explanation> {
    let cluster = Cluster::connect(options)
        .await
        .map_err(|error| explained(&error))?;
    let nodes = match cluster.nodes().await {
        Ok(nodes) => Some(nodes),
        Err(error) if error.is_forbidden() && expected.is_none() => None,
        Err(error) => return Err(Explanation::new(format!("nodes: {error}"))),
    };
    if let (Some(expected), Some(nodes)) = (expected, &nodes) {
        let state = NodesState::of(nodes, expected, not_ready);
        // those beyond the expected ones are not asked for
        if state.ready < expected {
            let words = state.describe(&format!(" (--expect-nodes {expected})"));
            return Err(Explanation::new(words));
        }
    }
    Ok(Surroundings { cluster, nodes })
}

/// Waiting for a cluster that is coming up.
struct Wait<'a> {
    end: Instant,
    patience: Duration,
    /// At least so many nodes.
    wanted: usize,
    teller: &'a Teller,
}

impl Wait<'_> {
    async fn arrive(&self, options: &ConnectOptions) -> Result<Surroundings, Explanation> {
        let cluster = self.connect(options).await?;
        let nodes = self.nodes(&cluster).await.map_err(Explanation::new)?;
        Ok(Surroundings {
            cluster,
            nodes: Some(nodes),
        })
    }

    /// Tries again what may pass.
    async fn connect(&self, options: &ConnectOptions) -> Result<Cluster, Explanation> {
        let options = ConnectOptions {
            asks_once: true,
            ..options.clone()
        };
        let mut last: Option<ConnectError> = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(answer) = timeout_at(self.end, Cluster::connect(&options)).await else {
                break;
            };
            match answer {
                Ok(cluster) => return Ok(cluster),
                Err(error) if !error.may_pass() => return Err(explained(&error)),
                Err(error) => {
                    if last.as_ref() != Some(&error) {
                        self.tell(error.to_string());
                    }
                    last = Some(error);
                }
            }
            if Instant::now() + pause >= self.end {
                break;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let why = last.map_or_else(
            || "the API server did not answer".to_owned(),
            |error| error.to_string(),
        );
        let words = format!("{why}; it did not come up{}", self.limit());
        Err(Explanation::new(words))
    }

    /// The nodes once they are all there and ready.
    async fn nodes(&self, cluster: &Cluster) -> Result<Vec<Value>, String> {
        let mut watch = cluster.watch(&Resource::node(), None);
        let mut told = String::new();
        let unread = |why: &str| format!("the nodes could not be read{}{why}", self.limit());
        loop {
            let error = watch.last_error();
            if let Some(error) = error.as_ref().filter(|error| error.is_forbidden()) {
                return Err(format!("nodes cannot be watched (--wait-ready): {error}"));
            }
            let nodes = watch.is_synced().then(|| watch.list(|_| true));
            let state = nodes.as_ref().map(|nodes| {
                NodesState::of(nodes.iter().map(Arc::as_ref), self.wanted, not_up_yet)
            });
            if let (Some(state), Some(nodes)) = (&state, &nodes)
                && state.is_complete()
            {
                return Ok(nodes.iter().map(|node| (**node).clone()).collect());
            }
            if let Some(state) = &state {
                let words = state.describe("");
                if words != told {
                    self.tell(words.clone());
                    told = words;
                }
            }
            if timeout_at(self.end, watch.changed()).await.is_err() {
                return Err(match (state, error) {
                    (Some(state), _) => state.describe(&self.limit()),
                    (None, Some(error)) => unread(&format!(": {error}")),
                    (None, None) => unread(""),
                });
            }
        }
    }

    fn tell(&self, what: String) {
        self.teller.tell(EventKind::Awaiting { what });
    }

    fn limit(&self) -> String {
        format!(" within {} (--wait-ready)", human_duration(self.patience))
    }
}

/// How far the nodes are.
#[derive(Debug, PartialEq, Eq)]
struct NodesState {
    ready: usize,
    total: usize,
    wanted: usize,
    /// What keeps those that are not ready, by name.
    problems: Vec<String>,
}

impl NodesState {
    /// `problem` says what keeps a node.
    fn of<'n>(
        nodes: impl IntoIterator<Item = &'n Value>,
        wanted: usize,
        problem: impl Fn(&Value) -> Option<String>,
    ) -> Self {
        let mut state = Self {
            ready: 0,
            total: 0,
            wanted,
            problems: Vec::new(),
        };
        for node in nodes {
            state.total += 1;
            match problem(node) {
                None => state.ready += 1,
                Some(why) => {
                    let name = node["metadata"]["name"].as_str().unwrap_or_default();
                    state.problems.push(format!("{name}: {why}"));
                }
            }
        }
        state
    }

    /// At least the wanted ones are there, and all that are there are ready.
    fn is_complete(&self) -> bool {
        self.total >= self.wanted && self.ready == self.total
    }

    /// `2 of 3 nodes are ready: node3: …`, with words behind `ready`.
    fn describe(&self, behind: &str) -> String {
        let all = self.wanted.max(self.total);
        let mut problems = self.problems.clone();
        if problems.len() > NAMED {
            let more = problems.len() - NAMED;
            problems.truncate(NAMED);
            problems.push(format!("{more} more are not ready"));
        }
        match all - self.total {
            0 => {}
            1 => problems.push("1 node is not there".to_owned()),
            absent => problems.push(format!("{absent} nodes are not there")),
        }
        let nodes = match all {
            1 => "node is",
            _ => "nodes are",
        };
        let ready = self.ready;
        format!(
            "{ready} of {all} {nodes} ready{behind}: {}",
            problems.join("; ")
        )
    }
}

fn not_ready(node: &Value) -> Option<String> {
    node_not_ready(node).map(str::to_owned)
}

/// Not ready, or ready and not yet given to pods: whoever waits for nodes waits for those that run
/// something.
fn not_up_yet(node: &Value) -> Option<String> {
    not_ready(node).or_else(|| passing_taint(node))
}

fn is_ready(node: &Value) -> bool {
    node_not_ready(node).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, status: &str, message: &str) -> Value {
        json!({
            "metadata": {"name": name},
            "status": {"conditions": [{"type": "Ready", "status": status, "message": message}]},
        })
    }

    #[test]
    fn the_nodes_that_are_missing_and_not_ready_are_named() {
        let stopped = "Kubelet stopped posting node status.";
        let nodes = [
            node("node1", "True", ""),
            node("node2", "True", ""),
            node("node3", "Unknown", stopped),
        ];
        let state = NodesState::of(&nodes, 3, not_up_yet);
        assert!(!state.is_complete());
        assert_eq!(
            state.describe(" within 10m (--wait-ready)"),
            "2 of 3 nodes are ready within 10m (--wait-ready): node3: Kubelet stopped posting \
             node status"
        );
        assert_eq!(
            NodesState::of(&nodes, 5, not_up_yet).describe(""),
            "2 of 5 nodes are ready: node3: Kubelet stopped posting node status; 2 nodes are not \
             there"
        );
        let none: [Value; 0] = [];
        assert_eq!(
            NodesState::of(&none, 1, not_up_yet).describe(""),
            "0 of 1 node is ready: 1 node is not there"
        );
    }

    #[test]
    fn more_nodes_than_wanted_must_be_ready_too() {
        let mut nodes = vec![
            node("node1", "True", ""),
            json!({"metadata": {"name": "node2"}}),
        ];
        let state = NodesState::of(&nodes, 1, not_up_yet);
        assert!(!state.is_complete());
        assert_eq!(
            state.describe(""),
            "1 of 2 nodes are ready: node2: it has not reported yet"
        );
        nodes.pop();
        assert!(NodesState::of(&nodes, 1, not_up_yet).is_complete());
        assert!(!NodesState::of(&nodes, 2, not_up_yet).is_complete());
    }

    #[test]
    fn a_node_with_the_taint_of_a_coming_one_is_waited_for_and_counted_all_the_same() {
        let mut tainted = node("node2", "True", "");
        tainted["spec"] = json!({"taints": [{"key": "node.cloudprovider.kubernetes.io/uninitialized",
                                             "value": "true", "effect": "NoSchedule"}]});
        let nodes = [node("node1", "True", ""), tainted];
        let state = NodesState::of(&nodes, 2, not_up_yet);
        assert!(!state.is_complete());
        assert_eq!(
            state.describe(""),
            "1 of 2 nodes are ready: node2: it has the taint \
             node.cloudprovider.kubernetes.io/uninitialized=true:NoSchedule"
        );
        // by their condition they are, and who does not wait asks for no more
        assert!(NodesState::of(&nodes, 2, not_ready).is_complete());
    }
}
