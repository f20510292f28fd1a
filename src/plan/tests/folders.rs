//! Which files of a folder are suites: whatever lies there is read, or told.

#![cfg(unix)]

use std::os::unix::fs::symlink;

use insta::assert_snapshot;

use super::{Folder, suite};
use crate::plan::input::InputSources;

fn named(name: &str) -> String {
    suite("").replace("{name: a}", &format!("{{name: {name}}}"))
}

fn ids(folder: &Folder, path: &str) -> Vec<String> {
    let suites = folder.load(&[path], &InputSources::default()).unwrap();
    let inside = format!("{}/", folder.path(path));
    suites
        .into_iter()
        .map(|suite| suite.id.replace(&inside, ""))
        .collect()
}

#[test]
fn suites_behind_links_and_odd_names_are_found() {
    let folder = Folder::new(&[
        ("all/a.yaml", &named("a")),
        ("all/B.YAML", &named("b")),
        ("all/c.Yml", &named("c")),
        (
            "all/d.json",
            r#"{"apiVersion": "kubeproof.dev/v1alpha1", "kind": "Suite", "metadata": {"name": "d"},
                "spec": {"cases": [{"name": "x", "steps": [{"sleep": "1s"}]}]}}"#,
        ),
        ("elsewhere/e.yaml", &named("e")),
        ("elsewhere/deep/f.yaml", &named("f")),
        ("all/real/g.yaml", &named("g")),
        ("all/.hidden/h.yaml", &named("a")),
        ("all/.i.yaml", &named("a")),
        ("all/values.yaml", "a: 1\n"),
        ("all/pod.json", r#"{"kind": "Pod"}"#),
        ("all/ds.yaml.j2", "{{ x }}"),
    ]);
    for (to, link) in [
        ("../elsewhere", "all/linked"),
        // in a circle, and to what has a path of its own
        ("..", "all/real/up"),
        ("real", "all/again"),
    ] {
        symlink(to, folder.path(link)).unwrap();
    }
    assert_eq!(
        ids(&folder, "all"),
        [
            "B.YAML",
            "a.yaml",
            "c.Yml",
            "d.json",
            "linked/deep/f.yaml",
            "linked/e.yaml",
            "real/g.yaml",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    let folder = Folder::new(&[
        ("broken/a.yaml", &named("a")),
        ("applied/a.yaml", "kind: Pod"),
    ]);
    symlink("nowhere.yaml", folder.path("broken/b.yaml")).unwrap();
    symlink("nowhere.yaml", folder.path("applied/b.YML")).unwrap();
    let told = |path: &str| folder.load(&[path], &InputSources::default()).unwrap_err();
    assert_snapshot!(told("broken"), @"`broken/b.yaml` is no file that can be read: a broken link, or no file at all");
    std::fs::remove_file(folder.path("broken/b.yaml")).unwrap();
    for text in [
        r#"{"apiVersion": "kubeproof.dev/v1alpha1", "kind": "Suite", "metadata": {"name": "b"}"#,
        r#"{"apiVersion": "kubeproof.dev/v1alpha1", "kind": "Suite", "kind": "Suite"}"#,
    ] {
        std::fs::write(folder.path("broken/b.json"), text).unwrap();
        let told = told("broken").to_string();
        assert!(told.contains("broken/b.json:1:"), "{told}");
    }
    let applies = suite("setup:\n- apply: {file: applied}");
    std::fs::write(folder.path("suite.yaml"), applies).unwrap();
    assert_snapshot!(told("suite.yaml"), @"suite.yaml:6:19: `applied/b.YML` is no file that can be read: a broken link, or no file at all");
}

#[test]
fn files_of_other_test_runners_are_known() {
    let folder = Folder::new(&[
        (
            "chainsaw/x/chainsaw-test.yaml",
            "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: a}\n",
        ),
        (
            "kuttl/kuttl-test.yaml",
            "apiVersion: kuttl.dev/v1beta1\nkind: TestSuite\n",
        ),
    ]);
    let told = |path: &str| folder.load(&[path], &InputSources::default()).unwrap_err();
    assert_snapshot!(told("chainsaw"), @"the folder `chainsaw` holds no suite; `chainsaw/x/chainsaw-test.yaml` is a file of chainsaw, another test runner");
    assert_snapshot!(told("chainsaw/x/chainsaw-test.yaml"), @"chainsaw/x/chainsaw-test.yaml:1:13: `chainsaw.kyverno.io/v1alpha1` is not the apiVersion of a suite (this is a file of chainsaw, another test runner: docs/language.md has a table of what its steps are here)");
    assert_snapshot!(told("kuttl/kuttl-test.yaml"), @"kuttl/kuttl-test.yaml:1:13: `kuttl.dev/v1beta1` is not the apiVersion of a suite (this is a file of kuttl, another test runner: docs/language.md has a table of what its steps are here)");
}
