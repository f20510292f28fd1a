//! Images: which registry a reference names, and where manifests hold them.
//!
//! Pure, and the same for whoever changes images on their way to the cluster and for
//! whoever only lists them. Knows the kinds of Kubernetes that make pods; a manifest
//! of any other kind holds no image that could be known.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A registry with its path, such as `registry.example:5000/mirror`, that images are
/// pulled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry(String);

/// A text that is no registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {help}")]
pub struct RegistryError {
    /// What is wrong with it.
    message: String,
    /// How to mend it.
    help: String,
}

/// What stands where a manifest has an image.
#[derive(Debug)]
pub enum Slot<'a> {
    /// The image.
    Image(&'a mut String),
    /// Something else, in the place of an image or of what should hold some.
    Other(&'a Value),
}

impl Registry {
    /// The image, pulled from here: in the place of the registry that it names, before it
    /// where it names none. Tag and digest stay; so does an image that is from here.
    pub fn rewrite(&self, image: &str) -> String {
        let is_from_here = image
            .strip_prefix(&self.0)
            .is_some_and(|rest| rest.starts_with('/'));
        if is_from_here {
            return image.to_owned();
        }
        format!("{}/{}", self.0, without_registry(image))
    }

    /// Rewrites every image of a manifest. One that is empty stays so: it is for somebody
    /// else to fill in.
    pub fn rewrite_manifest(&self, manifest: &mut Value) {
        visit(manifest, &mut |slot| match slot {
            Slot::Image(image) if !image.is_empty() => *image = self.rewrite(image),
            Slot::Image(_) | Slot::Other(_) => {}
        });
    }
}

impl FromStr for Registry {
    type Err = RegistryError;

    /// Reads `HOST[:PORT][/PATH]`; a slash at the end is dropped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |message: &str, help: String| {
            Err(RegistryError {
                message: message.to_owned(),
                help,
            })
        };
        if let Some((_, rest)) = text.split_once("://") {
            let rest = rest.trim_end_matches('/');
            return wrong(
                "a registry has no scheme",
                format!("write `{rest}`, as images have it"),
            );
        }
        let text = text.trim_end_matches('/');
        let (host, path) = match text.split_once('/') {
            Some((host, path)) => (host, Some(path)),
            None => (text, None),
        };
        if !is_host(host) {
            return wrong(
                "this is no registry",
                "write HOST[:PORT][/PATH], such as registry.example:5000/mirror".to_owned(),
            );
        }
        if !names_registry(host) {
            return wrong(
                &format!("`{host}` would be read as an account of docker.io"),
                format!(
                    "a registry has a dot or a port: write `{host}:443`, or `docker.io/{host}` for the account"
                ),
            );
        }
        if let Some(bad) = path
            .into_iter()
            .flat_map(|path| path.split('/'))
            .find(|part| !is_path_part(part))
        {
            return wrong(
                &format!("`{bad}` cannot be part of the path of an image"),
                "it has small letters and digits, and single `.`, `_` and `-` between them"
                    .to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Visits each image of a manifest: of the containers of all three sorts and of volumes,
/// in pods and in whatever of Kubernetes' own kinds makes some; in a `List`, of its items.
pub fn visit(manifest: &mut Value, visitor: &mut dyn FnMut(Slot<'_>)) {
    let text = |field: &str| manifest[field].as_str().unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version == "v1" && kind == "List" {
        each(manifest, &["items"], visitor, &mut |item, visitor| {
            visit(item, visitor);
        });
        return;
    }
    let Some(path) = path_of_pod_spec(api_version, kind) else {
        return;
    };
    let Some(spec) = descend(manifest, path, visitor) else {
        return;
    };
    if !spec.is_object() {
        // shown once, not for each of its fields
        descend(spec, &[""], visitor);
        return;
    }
    for containers in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, &[containers], visitor, &mut |container, visitor| {
            image_at(container, &["image"], visitor);
        });
    }
    each(spec, &["volumes"], visitor, &mut |volume, visitor| {
        image_at(volume, &["image", "reference"], visitor);
    });
}

/// Where a kind has the specification of its pods.
fn path_of_pod_spec(api_version: &str, kind: &str) -> Option<&'static [&'static str]> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    Some(match (group, kind) {
        ("", "Pod") => &["spec"],
        ("", "PodTemplate") => &["template", "spec"],
        ("", "ReplicationController")
        | ("apps", "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet")
        | ("batch", "Job") => &["spec", "template", "spec"],
        ("batch", "CronJob") => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => return None,
    })
}

/// The value that a path of maps leads to. What is not there is nothing to visit; what is
/// there and no map is shown to the visitor.
fn descend<'a>(
    value: &'a mut Value,
    path: &[&str],
    visitor: &mut dyn FnMut(Slot<'_>),
) -> Option<&'a mut Value> {
    let mut here = value;
    for field in path {
        if !here.is_object() {
            if !here.is_null() {
                visitor(Slot::Other(here));
            }
            return None;
        }
        here = here.get_mut(*field)?;
    }
    Some(here)
}

type Visit<'a> = &'a mut dyn FnMut(&mut Value, &mut dyn FnMut(Slot<'_>));

fn each(value: &mut Value, path: &[&str], visitor: &mut dyn FnMut(Slot<'_>), visit: Visit<'_>) {
    match descend(value, path, visitor) {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) => {
            for item in items {
                visit(item, visitor);
            }
        }
        Some(other) => visitor(Slot::Other(other)),
    }
}

fn image_at(value: &mut Value, path: &[&str], visitor: &mut dyn FnMut(Slot<'_>)) {
    match descend(value, path, visitor) {
        None | Some(Value::Null) => {}
        Some(Value::String(image)) => visitor(Slot::Image(image)),
        Some(other) => visitor(Slot::Other(other)),
    }
}

/// What follows the registry that an image names, if it names one.
fn without_registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, rest)) if names_registry(first) => rest,
        _ => image,
    }
}

/// Whether the first part of an image is a registry: `a/b` is `docker.io/a/b`.
fn names_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

/// A name or an address, with or without a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
                return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            }
            _ => return false,
        },
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let is_part = |part: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !part.is_empty()
            && part.chars().all(is_plain)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    name.split('.').all(is_part) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// As references of images have it: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_path_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = part.split(is_word).filter(|between| !between.is_empty());
    part.starts_with(is_word)
        && part.ends_with(is_word)
        && separators
            .into_iter()
            .all(|between| matches!(between, "." | "_" | "__") || between.chars().all(|c| c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn registry(text: &str) -> Registry {
        text.parse().unwrap()
    }

    #[test]
    fn an_image_keeps_all_but_its_registry() {
        let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
        let here = registry("reg.example/mirror");
        for (image, expected) in [
            ("busybox:1.28", "reg.example/mirror/busybox:1.28"),
            ("busybox", "reg.example/mirror/busybox"),
            ("library/busybox", "reg.example/mirror/library/busybox"),
            ("a/b/c:1", "reg.example/mirror/a/b/c:1"),
            ("docker.io/a/b:1", "reg.example/mirror/a/b:1"),
            ("other:5000/b", "reg.example/mirror/b"),
            ("localhost/b:1", "reg.example/mirror/b:1"),
            ("[fd00::1]:5000/b:1", "reg.example/mirror/b:1"),
            // a name without a slash is none of a registry
            ("localhost:1", "reg.example/mirror/localhost:1"),
            ("reg.example/mirror/a:1", "reg.example/mirror/a:1"),
            ("reg.example/mirrors/a:1", "reg.example/mirror/mirrors/a:1"),
            ("reg.example/a:1", "reg.example/mirror/a:1"),
        ] {
            assert_eq!(here.rewrite(image), expected, "{image}");
            let twice = here.rewrite(&here.rewrite(image));
            assert_eq!(twice, expected, "{image} twice");
        }
        assert_eq!(
            here.rewrite(&format!("quay.io/a/b:1@{digest}")),
            format!("reg.example/mirror/a/b:1@{digest}")
        );
        assert_eq!(registry("localhost").rewrite("a/b"), "localhost/a/b");
    }

    #[test]
    fn a_registry_is_a_host_and_a_path() {
        for (text, expected) in [
            ("reg.example", "reg.example"),
            ("reg.example/", "reg.example"),
            ("reg:5000/a/b//", "reg:5000/a/b"),
            ("localhost/x", "localhost/x"),
            ("10.89.0.1:5000/library", "10.89.0.1:5000/library"),
            ("[fd00::1]:5000", "[fd00::1]:5000"),
            ("reg.example/a__b/c-d--e.f", "reg.example/a__b/c-d--e.f"),
        ] {
            assert_eq!(registry(text).to_string(), expected);
        }
        for (text, word) in [
            ("https://reg.example/x/", "write `reg.example/x`"),
            ("", "write HOST"),
            ("/", "write HOST"),
            ("reg example", "write HOST"),
            (" reg.example", "write HOST"),
            ("reg.example:port", "write HOST"),
            ("reg.example:0", "write HOST"),
            ("reg..example", "write HOST"),
            ("[fd00::x]:1", "write HOST"),
            ("mirror", "docker.io/mirror"),
            ("mirror/x", "docker.io/mirror"),
            ("reg.example/a b", "`a b`"),
            ("reg.example/Team", "`Team`"),
            ("reg.example/a//b", "``"),
            ("reg.example/a:tag", "`a:tag`"),
            ("reg.example/a@sha256:0", "`a@sha256:0`"),
            ("reg.example/a._b", "`a._b`"),
        ] {
            let error = text.parse::<Registry>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    /// What `visit` shows, with what is no image in braces.
    fn visited(mut manifest: Value) -> Vec<String> {
        let mut found = Vec::new();
        visit(&mut manifest, &mut |slot| {
            found.push(match slot {
                Slot::Image(image) => image.clone(),
                Slot::Other(other) => format!("({other})"),
            });
        });
        found
    }

    #[test]
    fn every_image_of_a_pod_is_visited() {
        let spec = json!({
            "containers": [{"name": "a", "image": "a"}, {"name": "none"}],
            "initContainers": [{"image": "b"}],
            "ephemeralContainers": [{"image": "c"}],
            "volumes": [{"name": "v", "image": {"reference": "d"}}, {"name": "w", "emptyDir": {}}],
        });
        let all = ["a", "b", "c", "d"];
        let template = json!({"template": {"spec": spec}});
        for (api_version, kind, body) in [
            ("v1", "Pod", json!({"spec": spec})),
            ("v1", "PodTemplate", template.clone()),
            ("v1", "ReplicationController", json!({"spec": template})),
            ("apps/v1", "Deployment", json!({"spec": template})),
            ("apps/v1", "DaemonSet", json!({"spec": template})),
            ("apps/v1", "StatefulSet", json!({"spec": template})),
            ("apps/v1", "ReplicaSet", json!({"spec": template})),
            ("batch/v1", "Job", json!({"spec": template})),
            (
                "batch/v1",
                "CronJob",
                json!({"spec": {"jobTemplate": {"spec": template}}}),
            ),
        ] {
            let mut manifest = body;
            manifest["apiVersion"] = json!(api_version);
            manifest["kind"] = json!(kind);
            assert_eq!(visited(manifest.clone()), all, "{kind}");
            let list = json!({"apiVersion": "v1", "kind": "List", "items": [manifest, manifest]});
            assert_eq!(visited(list).len(), 8, "{kind} in a list");
        }
    }

    #[test]
    fn other_kinds_are_left_alone() {
        let template = json!({"template": {"spec": {"containers": [{"image": "a"}]}}});
        for (api_version, kind) in [
            ("batch.volcano.sh/v1alpha1", "Job"),
            ("example.com/v1", "Deployment"),
            ("v1", "ConfigMap"),
        ] {
            let manifest = json!({"apiVersion": api_version, "kind": kind, "spec": template});
            assert_eq!(visited(manifest), [""; 0], "{api_version}/{kind}");
        }
    }

    #[test]
    fn what_is_no_image_is_shown_and_stays() {
        let pod = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": spec});
        for (spec, shown) in [
            (json!("later"), "(\"later\")"),
            (json!({"containers": "later"}), "(\"later\")"),
            (json!({"containers": ["later"]}), "(\"later\")"),
            (json!({"containers": [{"image": 5}]}), "(5)"),
            (json!({"volumes": [{"image": "later"}]}), "(\"later\")"),
        ] {
            let mut manifest = pod(spec);
            assert_eq!(visited(manifest.clone()), [shown]);
            let before = manifest.clone();
            registry("reg.example").rewrite_manifest(&mut manifest);
            assert_eq!(manifest, before);
        }
        for nothing in [json!(null), json!({}), json!({"containers": null})] {
            assert_eq!(visited(pod(nothing)), [""; 0]);
        }
        assert_eq!(visited(json!("no manifest")), [""; 0]);
    }

    #[test]
    fn a_manifest_is_rewritten_whole() {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"annotations": {"image": "a:1"}},
            "spec": {
                "containers": [{"image": "quay.io/a/b:1", "env": [{"name": "image", "value": "c"}]}],
                "initContainers": [{"image": ""}],
                "volumes": [{"image": {"reference": "d@sha256:0"}}],
            },
        });
        registry("reg.example").rewrite_manifest(&mut pod);
        assert_eq!(
            pod,
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"annotations": {"image": "a:1"}},
                "spec": {
                    "containers": [{"image": "reg.example/a/b:1", "env": [{"name": "image", "value": "c"}]}],
                    "initContainers": [{"image": ""}],
                    "volumes": [{"image": {"reference": "reg.example/d@sha256:0"}}],
                },
            })
        );
    }
}
