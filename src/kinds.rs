//! The kinds that are built into Kubernetes: what they are called, and whether their objects live in
//! namespaces. Of which of them a cluster is too old, and what it serves beyond them, only the
//! cluster can say.

/// A kind that is built into Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// `DaemonSet`
    pub kind: &'static str,
    /// `daemonsets`, as in the URL and in roles.
    pub plural: &'static str,
    /// `ds`
    pub short_names: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl BuiltIn {
    /// Whether it is the Pod of Kubernetes, and not another group's kind of that name.
    pub fn is_pod(&self) -> bool {
        is_pod(self.group, self.kind)
    }

    /// Whether its objects own pods that `exec` and `logs` find by them.
    pub fn owns_pods(&self) -> bool {
        matches!(
            (self.group, self.kind),
            ("", "ReplicationController")
                | (
                    "apps",
                    "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet"
                )
                | ("batch", "Job")
        )
    }

    /// Whether its objects are rolled out.
    pub fn rolls_out(&self) -> bool {
        self.group == "apps" && ["DaemonSet", "Deployment", "StatefulSet"].contains(&self.kind)
    }
}

/// Whether a kind of a group is the Pod of Kubernetes.
pub fn is_pod(group: &str, kind: &str) -> bool {
    group.is_empty() && kind == "Pod"
}

/// Whether a name, in whatever spelling, means the Pod of Kubernetes.
pub fn names_pods(name: &str) -> bool {
    named(name).is_some_and(BuiltIn::is_pod)
}

/// What users call the kinds that are so, in lower case: `daemonset`, `daemonsets`, `ds`.
pub fn spellings(are: impl Fn(&BuiltIn) -> bool) -> Vec<String> {
    let kinds = KINDS.iter().filter(|kind| are(kind));
    kinds
        .flat_map(|kind| {
            let names = [kind.kind.to_lowercase(), kind.plural.to_owned()];
            let short = kind.short_names.iter().map(|name| (*name).to_owned());
            names.into_iter().chain(short)
        })
        .collect()
}

const fn kind(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    namespaced: bool,
) -> BuiltIn {
    BuiltIn {
        group,
        kind,
        plural,
        short_names,
        namespaced,
    }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const RESOURCE: &str = "resource.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// In kubectl's order of preference where two groups have a name.
const KINDS: &[BuiltIn] = &[
    kind("", "Binding", "bindings", &[], true),
    kind("", "ComponentStatus", "componentstatuses", &["cs"], false),
    kind("", "ConfigMap", "configmaps", &["cm"], true),
    kind("", "Endpoints", "endpoints", &["ep"], true),
    kind("", "Event", "events", &["ev"], true),
    kind("", "LimitRange", "limitranges", &["limits"], true),
    kind("", "Namespace", "namespaces", &["ns"], false),
    kind("", "Node", "nodes", &["no"], false),
    kind("", "PersistentVolume", "persistentvolumes", &["pv"], false),
    kind(
        "",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        &["pvc"],
        true,
    ),
    kind("", "Pod", "pods", &["po"], true),
    kind("", "PodTemplate", "podtemplates", &[], true),
    kind(
        "",
        "ReplicationController",
        "replicationcontrollers",
        &["rc"],
        true,
    ),
    kind("", "ResourceQuota", "resourcequotas", &["quota"], true),
    kind("", "Secret", "secrets", &[], true),
    kind("", "Service", "services", &["svc"], true),
    kind("", "ServiceAccount", "serviceaccounts", &["sa"], true),
    kind(
        "apps",
        "ControllerRevision",
        "controllerrevisions",
        &[],
        true,
    ),
    kind("apps", "DaemonSet", "daemonsets", &["ds"], true),
    kind("apps", "Deployment", "deployments", &["deploy"], true),
    kind("apps", "ReplicaSet", "replicasets", &["rs"], true),
    kind("apps", "StatefulSet", "statefulsets", &["sts"], true),
    kind("events.k8s.io", "Event", "events", &["ev"], true),
    kind(
        AUTHENTICATION,
        "SelfSubjectReview",
        "selfsubjectreviews",
        &[],
        false,
    ),
    kind(AUTHENTICATION, "TokenReview", "tokenreviews", &[], false),
    kind(
        AUTHORIZATION,
        "LocalSubjectAccessReview",
        "localsubjectaccessreviews",
        &[],
        true,
    ),
    kind(
        AUTHORIZATION,
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        &[],
        false,
    ),
    kind(
        AUTHORIZATION,
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        &[],
        false,
    ),
    kind(
        AUTHORIZATION,
        "SubjectAccessReview",
        "subjectaccessreviews",
        &[],
        false,
    ),
    kind(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        &["hpa"],
        true,
    ),
    kind("batch", "CronJob", "cronjobs", &["cj"], true),
    kind("batch", "Job", "jobs", &[], true),
    kind(
        "certificates.k8s.io",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        &["csr"],
        false,
    ),
    kind(NETWORKING, "Ingress", "ingresses", &["ing"], true),
    kind(NETWORKING, "IPAddress", "ipaddresses", &["ip"], false),
    kind(NETWORKING, "ServiceCIDR", "servicecidrs", &[], false),
    kind(RESOURCE, "DeviceClass", "deviceclasses", &[], false),
    kind(RESOURCE, "ResourceClaim", "resourceclaims", &[], true),
    kind(
        RESOURCE,
        "ResourceClaimTemplate",
        "resourceclaimtemplates",
        &[],
        true,
    ),
    kind(RESOURCE, "ResourceSlice", "resourceslices", &[], false),
    kind(
        STORAGE,
        "VolumeAttributesClass",
        "volumeattributesclasses",
        &["vac"],
        false,
    ),
    kind(NETWORKING, "IngressClass", "ingressclasses", &[], false),
    kind(
        NETWORKING,
        "NetworkPolicy",
        "networkpolicies",
        &["netpol"],
        true,
    ),
    kind(
        "policy",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        &["pdb"],
        true,
    ),
    kind(RBAC, "ClusterRole", "clusterroles", &[], false),
    kind(
        RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        &[],
        false,
    ),
    kind(RBAC, "Role", "roles", &[], true),
    kind(RBAC, "RoleBinding", "rolebindings", &[], true),
    kind(STORAGE, "CSIDriver", "csidrivers", &[], false),
    kind(STORAGE, "CSINode", "csinodes", &[], false),
    kind(
        STORAGE,
        "CSIStorageCapacity",
        "csistoragecapacities",
        &[],
        true,
    ),
    kind(STORAGE, "StorageClass", "storageclasses", &["sc"], false),
    kind(STORAGE, "VolumeAttachment", "volumeattachments", &[], false),
    kind(
        ADMISSION,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        &[],
        false,
    ),
    kind(
        ADMISSION,
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        &[],
        false,
    ),
    kind(
        ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        &[],
        false,
    ),
    kind(
        ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        &[],
        false,
    ),
    kind(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        &["crd", "crds"],
        false,
    ),
    kind(
        "apiregistration.k8s.io",
        "APIService",
        "apiservices",
        &[],
        false,
    ),
    kind(
        "scheduling.k8s.io",
        "PriorityClass",
        "priorityclasses",
        &["pc"],
        false,
    ),
    kind("coordination.k8s.io", "Lease", "leases", &[], true),
    kind("node.k8s.io", "RuntimeClass", "runtimeclasses", &[], false),
    kind(
        "discovery.k8s.io",
        "EndpointSlice",
        "endpointslices",
        &[],
        true,
    ),
    kind(
        "flowcontrol.apiserver.k8s.io",
        "FlowSchema",
        "flowschemas",
        &[],
        false,
    ),
    kind(
        "flowcontrol.apiserver.k8s.io",
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        &[],
        false,
    ),
];

/// The kind that a user means by a name, as kubectl resolves it: `ds`, `daemonset`, `DaemonSet`,
/// `daemonsets.apps`, `daemonsets.v1.apps`.
pub fn named(name: &str) -> Option<&'static BuiltIn> {
    let name = name.to_lowercase();
    let (word, rest) = name.split_once('.').unwrap_or((&name, ""));
    // a version before the group says nothing about which kind it is
    let group = match rest.split_once('.') {
        Some((version, group)) if is_version(version) => group,
        _ if is_version(rest) => "",
        _ => rest,
    };
    let among = || {
        KINDS
            .iter()
            .filter(|kind| rest.is_empty() || kind.group == group)
    };
    among()
        .find(|kind| kind.plural == word || kind.kind.eq_ignore_ascii_case(word))
        .or_else(|| among().find(|kind| kind.short_names.contains(&word)))
}

/// The kind of a manifest, in whatever version.
pub fn of(api_version: &str, kind: &str) -> Option<&'static BuiltIn> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    KINDS
        .iter()
        .find(|known| known.group == group && known.kind == kind)
}

/// The kind of a group's resource, by its plural.
pub fn resource(group: &str, plural: &str) -> Option<&'static BuiltIn> {
    KINDS
        .iter()
        .find(|known| known.group == group && known.plural == plural)
}

/// `v1`, `v2beta1`.
fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_they_mean_to_kubectl() {
        let plural = |name: &str| named(name).map(|kind| (kind.group, kind.plural));
        for name in [
            "ds",
            "daemonset",
            "daemonsets",
            "DaemonSet",
            "daemonsets.apps",
            "daemonset.v1.apps",
        ] {
            assert_eq!(plural(name), Some(("apps", "daemonsets")), "{name}");
        }
        assert_eq!(
            plural("events"),
            Some(("", "events")),
            "the core group wins"
        );
        assert_eq!(
            plural("events.events.k8s.io"),
            Some(("events.k8s.io", "events"))
        );
        assert_eq!(
            plural("netpol.networking.k8s.io"),
            Some(("networking.k8s.io", "networkpolicies"))
        );
        assert_eq!(plural("pods.v1"), Some(("", "pods")));
        for name in [
            "certificates.cert-manager.io",
            "daemonsets.other.io",
            "x",
            "",
        ] {
            assert_eq!(plural(name), None, "{name}");
        }
    }

    #[test]
    fn a_pod_is_a_pod_in_every_spelling() {
        for name in ["pod", "pods", "po", "Pod", "PODS", "pod.v1", "Pods.v1"] {
            assert!(names_pods(name), "{name}");
        }
        for name in ["pods.metrics.k8s.io", "podtemplate", "pods.v1.apps", ""] {
            assert!(!names_pods(name), "{name}");
        }
    }

    #[test]
    fn a_manifest_is_of_a_kind_whatever_its_version() {
        let plural = |api_version, kind| of(api_version, kind).map(|kind| kind.plural);
        assert_eq!(plural("apps/v1", "DaemonSet"), Some("daemonsets"));
        assert_eq!(
            plural("autoscaling/v1", "HorizontalPodAutoscaler"),
            Some("horizontalpodautoscalers")
        );
        assert_eq!(plural("v1", "DaemonSet"), None);
    }
}
