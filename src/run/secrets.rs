//! What a run knows to be secret before it does anything. What it meets later is the steps' to tell.

use super::environment::kubeconfigs;
use super::executor::RunOptions;
use crate::cluster::{ConnectOptions, credentials_in};
use crate::plan::model::Suite;
use crate::secret::Mask;

/// The token of a pod's service account, which every program of the pod can read.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Masks the secret inputs of all suites, since what one of them was given may be met in another,
/// and the credentials of every kubeconfig, since local programs get the whole of it.
pub async fn note(suites: &[Suite], options: &RunOptions) {
    let mask = &options.mask;
    for suite in suites {
        let secrets = suite.secrets.iter();
        for value in secrets.filter_map(|name| suite.inputs.get(name)) {
            mask.add_input(value);
        }
    }
    let connections = [&options.connect]
        .into_iter()
        .chain(options.clusters.values());
    note_credentials(mask, connections).await;
    let of_suites = suites.iter().flat_map(|suite| &suite.clusters);
    for path in of_suites.filter_map(|choice| choice.kubeconfig.clone()) {
        mask.add_all(credentials_in(&path, &options.connect.memory).await);
    }
}

/// Masks what proves who the run is: the credentials of every kubeconfig of these connections, and
/// those of the pod that it may be in.
pub async fn note_credentials(mask: &Mask, connections: impl Iterator<Item = &ConnectOptions>) {
    for options in connections {
        for path in kubeconfigs(options) {
            mask.add_all(credentials_in(&path, &options.memory).await);
        }
    }
    mask.add_all(std::fs::read(SERVICE_ACCOUNT_TOKEN));
}
