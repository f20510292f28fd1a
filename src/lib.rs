//! kubeproof proves a Kubernetes cluster before you trust it.

pub mod cluster;
